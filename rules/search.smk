# With `search`, one job per machine chooses what to measure of the grid: each heat follows from those before
# it. What it cannot choose (cold starts, replicas, work that is not what it is for) is measured as without it.


rule search:
    input:
        PLAN.all_manifests(),
        lambda wildcards: PLAN.search_needs(wildcards.machine),
    output:
        "results/{machine}/search.json",
    log:
        "logs/{machine}/search.log",
    retries: RETRIES
    conda:
        MEASURE_ENV
    resources:
        **measuring(
            lambda wildcards, input: PLAN.most_gpus(), lambda wildcards: PLAN.searching_min()
        ),
        timing_slot=SLOTS,
    params:
        study=lambda wildcards: PLAN.settings_json(wildcards.machine),
        set_aside=lambda wildcards: PLAN.set_aside(wildcards.machine),
        code=MEASURING_CODE,
    shell:
        "python scripts/search.py --results results --study {params.study:q} --log {log:q}"
        " --out {output:q} --parent $PPID"
