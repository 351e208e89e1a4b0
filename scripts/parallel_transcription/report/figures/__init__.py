"""The figures, one for each question. This file names them and imports nothing heavy."""

#: Figure id -> what it shows. Each is drawn for each machine: ``<machine>-<id>.svg`` and ``.png``.
FIGURES = {
    "parallel_or_queue": "Speed-up over the same files one after another",
    "one_or_many": "One model against many models",
    "processes": "One model against many processes",
    "threads_limit": "CPU cores used, by threads and workers",
    "best_threads": "Throughput by threads of each worker",
    "oversubscription": "More threads than CPUs",
    "workers_equal_files": "Fewer, equal and more workers than files",
    "several_gpus": "One model over several GPUs",
    "one_per_gpu": "One model on a list of GPUs against one per GPU",
    "gpu_saturation": "How much one GPU takes",
    "memory": "Memory by workers and instances",
    "init_race": "Starting several models at once",
    "recommendation": "Throughput, memory and cores of every configuration",
    "batching": "Windows decoded in batches against one after another",
    "noise_floor": "The same configuration against itself",
    "timeline": "Who transcribed when",
    "throughput": "Throughput by threads and workers",
    "published": "This machine beside the published ones",
}
