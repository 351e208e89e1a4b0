# Models and audio files, made ready and checked before anything is timed. The names of their manifests
# follow from their content.
#
# On a cluster all but measurements run on this host (localrule): what takes seconds would wait in the
# queue for longer, and a node may have no network to fetch models with.


rule inspect_audio:
    output:
        "results/prepared/audio/{key}.json",
    log:
        "logs/inspect_audio/{key}.log",
    priority: 2
    localrule: True
    conda:
        "../envs/measure.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        file=lambda wildcards: PLAN.audio_of_key[wildcards.key],
    shell:
        "python scripts/inspect_audio.py --out {output:q} -- {params.file:q} > {log:q} 2>&1"


rule prepare_model:
    output:
        "results/prepared/models/{key}.json",
    log:
        "logs/prepare_model/{key}.log",
    priority: 1
    localrule: True
    conda:
        "../envs/measure.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        name=lambda wildcards: PLAN.model_of_key[wildcards.key],
        # Not tracked, since it asks for inputs: what a study wants of a model makes no other model. On a
        # cluster each run tries it, on the node that measures.
        asked=lambda wildcards, input: PLAN.asked_of_model(wildcards.key),
        tried=lambda wildcards, input: "no" if ON_CLUSTER else "yes",
    shell:
        "python scripts/prepare_model.py --model {params.name:q} --asked {params.asked:q}"
        " --tried {params.tried} --models-folder results/models --out {output:q} > {log:q} 2>&1"
