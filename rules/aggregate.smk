# From run records to tables, and from tables to findings. The study comes by a function: Snakemake takes
# {words} in other texts, such as file names, for wildcards.

TABLES = [
    "results/runs.parquet",
    "results/timings.parquet",
    "results/machines.json",
    "results/study.json",
    "results/left_out.parquet",
]


rule choose_candidates:
    input:
        lambda wildcards: PLAN.records(wildcards.machine),
    output:
        "results/{machine}/candidates.json",
    log:
        "logs/{machine}/choose_candidates.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        study=lambda wildcards: PLAN.settings_json(wildcards.machine),
        set_aside=lambda wildcards: PLAN.set_aside(wildcards.machine),
        code=code_of("choose_candidates.py"),
    shell:
        "python scripts/choose_candidates.py --results results --study {params.study:q}"
        " --machine {wildcards.machine:q} --out {output:q} > {log:q} 2>&1"


# Fresh rounds of the best settings, all in one job: which they are is known only now.
rule confirm_settings:
    input:
        "results/{machine}/candidates.json",
    output:
        "results/{machine}/confirmation.json",
    log:
        "logs/{machine}/confirm_settings.log",
    retries: RETRIES
    conda:
        MEASURE_ENV
    resources:
        **measuring(
            lambda wildcards, input: max(map(PLAN.gpus_of, candidates(input[0])), default=0),
            lambda wildcards: PLAN.longest_min(),
            runs=PLAN.confirming_runs(),
        ),
        timing_slot=SLOTS,
    params:
        study=lambda wildcards: PLAN.settings_json(wildcards.machine),
        set_aside=lambda wildcards: PLAN.set_aside(wildcards.machine),
    shell:
        "python scripts/confirm_settings.py --results results --study {params.study:q}"
        " --candidates {input:q} --log {log:q} --out {output:q} --parent $PPID"


rule merge_timings:
    input:
        expand("results/{machine}/confirmation.json", machine=MACHINES),
    output:
        report(
            "results/timings.csv",
            caption="../report/timings.rst",
            category="Data",
            labels={"table": "transcriptions"},
        ),
        report(
            "results/runs.csv",
            caption="../report/runs.rst",
            category="Data",
            labels={"table": "repeats"},
        ),
        "results/timings.parquet",
        "results/runs.parquet",
        "results/machines.json",
        "results/study.json",
        "results/left_out.csv",
        "results/left_out.parquet",
    log:
        "logs/merge_timings.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        machines=MACHINES,
        study=lambda _: PLAN.settings_json(),
        references=PLAN.references(),
        others=digest(PLAN.others()),
        code=code_of("merge_timings.py"),
    shell:
        "python scripts/merge_timings.py --results results --study {params.study:q}"
        " --machines {params.machines:q} > {log:q} 2>&1"


rule recommend_settings:
    input:
        TABLES,
    output:
        report(
            "results/recommended.yaml",
            caption="../report/recommended.rst",
            category="Answers",
            labels={"answer": "recommended settings"},
        ),
    log:
        "logs/recommend_settings.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        code=code_of("recommend_settings.py"),
    shell:
        "python scripts/recommend_settings.py --results results > {log:q} 2>&1"


rule judge_findings:
    input:
        TABLES,
    output:
        "results/findings.json",
        "results/scoreboard.json",
    log:
        "logs/judge_findings.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        code=code_of("judge_findings.py"),
    shell:
        "python scripts/judge_findings.py --results results > {log:q} 2>&1"
