# From run records to tables, and from tables to findings. The study comes by a function: Snakemake takes
# {words} in other texts, such as file names, for wildcards.

from parallel_transcription.study.plan import digest

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
    localrule: True
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        study=lambda wildcards: PLAN.settings_json(wildcards.machine),
        set_aside=lambda wildcards: PLAN.set_aside(wildcards.machine),
        code=code_of("choose_candidates.py"),
    shell:
        # the folder of the records: the names of thousands are too long for a command line
        "python scripts/choose_candidates.py --records results/{wildcards.machine}/runs"
        " --study {params.study:q} --out {output:q} > {log:q} 2>&1"


# Fresh rounds of the best settings, all in one job: which they are is known only now.
rule confirm_settings:
    input:
        candidates="results/{machine}/candidates.json",
        manifests=PLAN.all_manifests(),
    output:
        "results/{machine}/confirmation.json",
    log:
        "logs/{machine}/confirm_settings.log",
    retries: RETRIES
    conda:
        MEASURE_ENV
    resources:
        **measuring(
            gpus_of_candidates,
            lambda wildcards: PLAN.longest_min(),
            runs=PLAN.confirming_runs(),
        ),
        timing_slot=SLOTS,
    params:
        study=lambda wildcards: PLAN.settings_json(wildcards.machine),
        set_aside=lambda wildcards: PLAN.set_aside(wildcards.machine),
    shell:
        "python scripts/confirm_settings.py --results results --study {params.study:q}"
        " --candidates {input.candidates:q} --log {log:q} --out {output:q} --parent $PPID"


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
    localrule: True
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
        "python scripts/merge_timings.py --results results --out results --study {params.study:q}"
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
    localrule: True
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        code=code_of("recommend_settings.py"),
    shell:
        "python scripts/recommend_settings.py --results results --out {output:q} > {log:q} 2>&1"


rule judge_findings:
    input:
        TABLES,
    output:
        findings="results/findings.json",
        scoreboard="results/scoreboard.json",
    log:
        "logs/judge_findings.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        code=code_of("judge_findings.py"),
    shell:
        "python scripts/judge_findings.py --results results --findings {output.findings:q}"
        " --scoreboard {output.scoreboard:q} > {log:q} 2>&1"
