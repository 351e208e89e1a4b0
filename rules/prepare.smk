# Models and audio files, made ready and checked before anything is timed.


rule inspect_audio:
    output:
        "results/audio.json",
    log:
        "logs/inspect_audio.log",
    conda:
        "../envs/measure.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        audio=PLAN.audio_identity(),
        files=PLAN.audio,
        code=code_of("inspect_audio.py"),
    shell:
        "python scripts/inspect_audio.py --out {output:q} -- {params.files:q} > {log:q} 2>&1"


rule prepare_model:
    output:
        "results/models/{model}.json",
    log:
        "logs/prepare_model/{model}.log",
    wildcard_constraints:
        model="|".join(PLAN.models),
    conda:
        "../envs/measure.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        model=lambda wildcards: PLAN.model_identity(wildcards.model),
        name=lambda wildcards: PLAN.models[wildcards.model],
    shell:
        "python scripts/prepare_model.py --model {params.name:q}"
        " --models-folder results/models --manifest {output:q} > {log:q} 2>&1"
