# Figures and reports; they compute nothing.

import json

FINDINGS = [*TABLES, "results/findings.json", "results/scoreboard.json", "results/recommended.yaml"]


def captions_of(figures):
    """What scripts/draw_figures.py says of each figure, for `snakemake --report`."""
    file = Path(figures) / "captions.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


rule draw_figures:
    input:
        FINDINGS,
    output:
        report(
            directory("results/figures"),
            patterns=["{machine}-{figure}.svg"],
            caption="../report/figures.rst",
            category="Figures",
            subcategory="{machine}",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/draw_figures.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        captions=lambda wildcards, output: captions_of(output[0]),
        code=code_of("draw_figures.py"),
        looks=LOOKS,
    shell:
        "python scripts/draw_figures.py --results results > {log:q} 2>&1"


rule write_machine_report:
    input:
        FINDINGS,
        "results/figures",
    output:
        report(
            "results/reports/{machine}.pdf",
            caption="../report/machine.rst",
            category="Reports",
            labels={"report": "{machine}"},
        ),
    log:
        "logs/{machine}/write_report.log",
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        code=code_of("write_report.py"),
        looks=LOOKS,
    shell:
        "python scripts/write_report.py machine --results results"
        " --machine {wildcards.machine:q} --out {output:q} > {log:q} 2>&1"


rule write_findings_report:
    input:
        FINDINGS,
        "results/figures",
    output:
        pdf=report(
            "results/reports/findings.pdf",
            caption="../report/findings.rst",
            category="Reports",
            labels={"report": "findings"},
        ),
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
