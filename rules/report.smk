# Figures and reports: they show what is in the tables and findings.

from parallel_transcription.fingerprint import folder_sha256
from parallel_transcription.places import FONTS, PUBLISHED

# What figures and reports take beside code and results.
STATIC_FILES = [
    folder_sha256(folder)
    for folder in (
        SCRIPTS / "parallel_transcription/report/templates",
        FONTS,
        PUBLISHED,
    )
]
FINDINGS = [
    *TABLES,
    "results/findings.json",
    "results/scoreboard.json",
    "results/recommended.yaml",
    "results/sizing.yaml",
]


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
    localrule: True
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        captions=lambda wildcards, output: captions_of(output[0]),
        code=code_of("draw_figures.py"),
        static=STATIC_FILES,
    shell:
        "python scripts/draw_figures.py --results results --out {output:q} > {log:q} 2>&1"


rule write_machine_report:
    input:
        FINDINGS,
        figures="results/figures",
    output:
        report(
            "results/reports/{machine}.pdf",
            caption="../report/machine.rst",
            category="Reports",
            labels={"report": "{machine}"},
        ),
    log:
        "logs/{machine}/write_report.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        code=code_of("write_report.py"),
        static=STATIC_FILES,
    shell:
        "python scripts/write_report.py machine --results results"
        " --figures {input.figures:q} --machine {wildcards.machine:q} --out {output:q} > {log:q} 2>&1"


rule write_findings_report:
    input:
        FINDINGS,
        figures="results/figures",
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
    localrule: True
    conda:
        "../envs/report.yaml"
    resources:
        timing_slot=SLOTS,
    params:
        code=code_of("write_report.py"),
        static=STATIC_FILES,
    shell:
        "python scripts/write_report.py findings --results results"
        " --figures {input.figures:q} --out-pdf {output.pdf:q} --out-html {output.html:q} > {log:q} 2>&1"
