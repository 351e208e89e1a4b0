# One job = one configuration × one round, measured in a fresh process.


rule transcribe:
    input:
        manifests=of_wildcards(lambda wildcards: PLAN.manifests(wildcards.run)),
        # what a rate in percent is a share of
        capacity=of_wildcards(
            lambda wildcards: PLAN.capacity_record(wildcards.machine, wildcards.run)
        ),
    output:
        "results/{machine}/runs/{run}.json",
    log:
        "logs/{machine}/{run}.log",
    wildcard_constraints:
        run="(one_model|multi_model|multi_process|service)-[A-Za-z0-9._-]+-r[0-9]+",
    priority: of_wildcards(lambda wildcards: PLAN.priority(wildcards.run))
    retries: RETRIES
    conda:
        MEASURE_ENV
    resources:
        **measuring(
            lambda wildcards, input: PLAN.gpus(wildcards.run),
            lambda wildcards: PLAN.minutes(wildcards.run),
        ),
        timing_slot=1,
    params:
        strategy=of_wildcards(lambda wildcards: strategy_of(wildcards.run)),
        specification=of_wildcards(
            lambda wildcards: PLAN.specification(wildcards.machine, wildcards.run)
        ),
        # Snakemake does not track a parameter that asks for inputs: other values measure nothing again.
        study=of_wildcards(lambda wildcards, input: STUDY.settings["name"]),
        planned=of_wildcards(lambda wildcards, input: PLAN.planned(wildcards.run)),
    shell:
        "python scripts/transcribe_{params.strategy:q}.py --specification {params.specification:q}"
        " --study {params.study:q} --planned {params.planned:q} --manifests {input.manifests:q}"
        " --capacity {input.capacity:q} --log {log:q} --record {output:q}"
        " --parent $PPID 2>> {log:q}"
