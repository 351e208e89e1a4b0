# From run records to tables, and from tables to findings.


checkpoint choose_candidates:
    input:
        PLAN.records(),
    params:
        study=PLAN.settings_json(),
        code=code_of("choose_candidates.py"),
    output:
        f"results/{STUDY.machine}/candidates.json",
    resources:
        timing_slot=SLOTS,
    conda:
        "../envs/report.yaml"
    shell:
        "python {SCRIPTS}/choose_candidates.py --results results --study {params.study:q}"
        " --out {output:q}"


def confirmation_records(wildcards):
    """Fresh rounds of the best configurations, known once the grid is measured."""
    if STUDY.settings.get("only") or not STUDY.settings["confirmation_rounds"]:
        return []
    with checkpoints.choose_candidates.get().output[0].open() as stream:
        return PLAN.confirmations(json.load(stream)["configurations"])


rule merge_timings:
    input:
        PLAN.records(),
        confirmation_records,
    params:
        study=PLAN.settings_json(),
        others=digest(PLAN.others()),
        code=code_of("merge_timings.py"),
    output:
        multiext("results/timings", ".csv", ".parquet"),
        multiext("results/runs", ".csv", ".parquet"),
        "results/machines.json",
        "results/study.json",
        "results/left_out.csv",
    resources:
        timing_slot=SLOTS,
    conda:
        "../envs/report.yaml"
    shell:
        "python {SCRIPTS}/merge_timings.py --results results --study {params.study:q}"


TABLES = [
    "results/runs.csv",
    "results/timings.csv",
    "results/machines.json",
    "results/study.json",
]


rule recommend_settings:
    input:
        TABLES,
    params:
        code=code_of("recommend_settings.py"),
    output:
        "results/recommended.yaml",
    resources:
        timing_slot=SLOTS,
    conda:
        "../envs/report.yaml"
    shell:
        "python {SCRIPTS}/recommend_settings.py --results results"


rule judge_findings:
    input:
        TABLES,
    params:
        code=code_of("judge_findings.py"),
    output:
        "results/findings.json",
        "results/scoreboard.json",
    resources:
        timing_slot=SLOTS,
    conda:
        "../envs/report.yaml"
    shell:
        "python {SCRIPTS}/judge_findings.py --results results"
