# Figures and reports; they compute nothing.

FINDINGS = [*TABLES, "results/findings.json", "results/scoreboard.json", "results/recommended.yaml"]
LOOKS = fingerprint.folder_sha256(f"{SCRIPTS}/parallel_transcription/templates")


rule draw_figures:
    input:
        FINDINGS,
    params:
        code=code_of("draw_figures.py"),
    output:
        directory("results/figures"),
    resources:
        timing_slot=SLOTS,
    conda:
        "../envs/report.yaml"
    shell:
        "python {SCRIPTS}/draw_figures.py --results results"


rule write_machine_report:
    input:
        FINDINGS,
        "results/figures",
    params:
        code=code_of("write_report.py"),
        looks=LOOKS,
    output:
        f"results/reports/{STUDY.machine}.pdf",
    resources:
        timing_slot=SLOTS,
    conda:
        "../envs/report.yaml"
    shell:
        "python {SCRIPTS}/write_report.py machine --results results"
        " --machine {STUDY.machine} --out {output:q}"


rule write_findings_report:
    input:
        FINDINGS,
        "results/figures",
    params:
        code=code_of("write_report.py"),
        looks=LOOKS,
    output:
        pdf="results/reports/findings.pdf",
        html="results/reports/findings.html",
    resources:
        timing_slot=SLOTS,
    conda:
        "../envs/report.yaml"
    shell:
        "python {SCRIPTS}/write_report.py findings --results results"
        " --out-pdf {output.pdf:q} --out-html {output.html:q}"
