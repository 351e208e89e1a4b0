# What rounds leave open is decided in matches: one job per machine, since each match follows from those
# before it.


rule decide:
    input:
        lambda wildcards: PLAN.explored(wildcards.machine),
        lambda wildcards: PLAN.climbed(wildcards.machine),
        PLAN.all_manifests(),
    output:
        "results/{machine}/decided.json",
    log:
        "logs/{machine}/decide.log",
    retries: RETRIES
    conda:
        MEASURE_ENV
    resources:
        **measuring(
            lambda wildcards, input: PLAN.most_gpus(), lambda wildcards: PLAN.deciding_min()
        ),
        timing_slot=SLOTS,
    params:
        study=lambda wildcards: PLAN.settings_json(wildcards.machine),
        set_aside=lambda wildcards: PLAN.set_aside(wildcards.machine),
        code=MEASURING_CODE,
    shell:
        "python scripts/decide.py --results results --study {params.study:q} --log {log:q}"
        " --out {output:q} --parent $PPID"
