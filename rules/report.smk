# Figures and reports; they compute nothing.

FINDINGS = [*TABLES, "results/findings.json", "results/scoreboard.json", "results/recommended.yaml"]


rule draw_figures:
    input:
        FINDINGS,
    output:
        directory("results/figures"),
    log:
        "logs/draw_figures.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        code=code_of("draw_figures.py"),
    shell:
        "python scripts/draw_figures.py --results results > {log:q} 2>&1"


rule write_machine_report:
    input:
        FINDINGS,
        "results/figures",
    output:
        f"results/reports/{STUDY.machine}.pdf",
    log:
        f"logs/write_report_{STUDY.machine}.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        machine=STUDY.machine,
        code=code_of("write_report.py"),
        looks=LOOKS,
    shell:
        "python scripts/write_report.py machine --results results"
        " --machine {params.machine} --out {output:q} > {log:q} 2>&1"


rule write_findings_report:
    input:
        FINDINGS,
        "results/figures",
    output:
        pdf="results/reports/findings.pdf",
        html="results/reports/findings.html",
    log:
        "logs/write_report_findings.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        code=code_of("write_report.py"),
        looks=LOOKS,
    shell:
        "python scripts/write_report.py findings --results results"
        " --out-pdf {output.pdf:q} --out-html {output.html:q} > {log:q} 2>&1"
