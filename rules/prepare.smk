# Models and audio files, made ready and checked before anything is timed.


rule inspect_audio:
    params:
        audio=PLAN.audio_identity(),
        files=PLAN.audio,
        code=code_of("inspect_audio.py"),
    output:
        "results/audio.json",
    resources:
        timing_slot=SLOTS,
    conda:
        "../envs/measure.yaml"
    shell:
        "python {SCRIPTS}/inspect_audio.py --out {output:q} -- {params.files:q}"


rule prepare_model:
    params:
        model=lambda wildcards: PLAN.model_identity(wildcards.model),
        name=lambda wildcards: PLAN.models[wildcards.model],
    output:
        "results/models/{model}.json",
    wildcard_constraints:
        model="|".join(PLAN.models),
    resources:
        timing_slot=SLOTS,
    conda:
        "../envs/measure.yaml"
    shell:
        "python {SCRIPTS}/prepare_model.py --model {params.name:q}"
        " --models-folder results/models --manifest {output:q}"
