# From run records to tables, and from tables to findings.

TABLES = [
    "results/runs.csv",
    "results/timings.csv",
    "results/machines.json",
    "results/study.json",
]


checkpoint choose_candidates:
    input:
        PLAN.records(),
        audio="results/audio.json",
    output:
        chosen=f"results/{STUDY.machine}/candidates.json",
        tables=temp(directory(f"results/{STUDY.machine}/grid")),
    log:
        "logs/choose_candidates.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        machine=STUDY.machine,
        study=PLAN.settings_json(),
        code=[code_of("merge_timings.py"), code_of("choose_candidates.py")],
    shell:
        "(python scripts/merge_timings.py --results results --study {params.study:q}"
        " --out {output.tables:q}"
        " && python scripts/choose_candidates.py --results {output.tables:q}"
        " --machine {params.machine} --output {output.chosen:q}) > {log:q} 2>&1"


rule merge_timings:
    input:
        f"results/{STUDY.machine}/candidates.json",
        confirmation_records,
        audio="results/audio.json",
    output:
        multiext("results/timings", ".csv", ".parquet"),
        multiext("results/runs", ".csv", ".parquet"),
        "results/machines.json",
        "results/study.json",
        "results/left_out.csv",
    log:
        "logs/merge_timings.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        study=PLAN.settings_json(),
        others=digest(PLAN.others()),
        code=code_of("merge_timings.py"),
    shell:
        "python scripts/merge_timings.py --results results --study {params.study:q} > {log:q} 2>&1"


rule recommend_settings:
    input:
        TABLES,
    output:
        "results/recommended.yaml",
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
