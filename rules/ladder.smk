# With `ladder`, one job per machine looks for the largest load within `slo` that configurations carry: each
# run follows from those before it.


rule ladder:
    input:
        lambda wildcards: PLAN.explored(wildcards.machine),
        PLAN.all_manifests(),
    output:
        "results/{machine}/ladder.json",
    log:
        "logs/{machine}/ladder.log",
    retries: RETRIES
    conda:
        MEASURE_ENV
    resources:
        **measuring(
            lambda wildcards, input: PLAN.most_gpus(), lambda wildcards: PLAN.climbing_min()
        ),
        timing_slot=SLOTS,
    params:
        study=lambda wildcards: PLAN.settings_json(wildcards.machine),
        set_aside=lambda wildcards: PLAN.set_aside(wildcards.machine),
        code=MEASURING_CODE,
    shell:
        "python scripts/climb_ladder.py --results results --study {params.study:q} --log {log:q}"
        " --out {output:q} --parent $PPID"
