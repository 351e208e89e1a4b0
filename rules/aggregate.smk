# From run records to tables, and from tables to findings. The study comes by a function: Snakemake takes
# {words} in other texts, such as file names, for wildcards.

from parallel_transcription.study.plan import digest

TABLES = [
    "results/runs.parquet",
    "results/timings.parquet",
    "results/matches.parquet",
    "results/machines.json",
    "results/study.json",
    "results/left_out.parquet",
]


rule merge_timings:
    input:
        expand("results/{machine}/decided.json", machine=MACHINES),
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
        report(
            "results/matches.csv",
            caption="../report/matches.rst",
            category="Data",
            labels={"table": "passes of matches"},
        ),
        "results/matches.parquet",
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


rule recommend_settings:
    input:
        TABLES,
        "results/findings.json",
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


rule size_service:
    input:
        TABLES,
        "results/recommended.yaml",
    output:
        report(
            "results/sizing.yaml",
            caption="../report/sizing.rst",
            category="Answers",
            labels={"answer": "machines for a traffic"},
        ),
    log:
        "logs/size_service.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        code=code_of("size_service.py"),
    shell:
        "python scripts/size_service.py --results results --out {output:q} > {log:q} 2>&1"
