# From a study file to a PDF: config/*.yaml → runs → timings → findings → reports.

from snakemake.utils import min_version

min_version("9.21.1")

if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/prepare.smk"
include: "rules/transcribe.smk"
include: "rules/aggregate.smk"
include: "rules/report.smk"


# On a cluster all but measurements run on this host: what takes seconds would wait in the queue for longer,
# and a node may have no network to fetch models with.
localrules:
    all,
    inspect_audio,
    prepare_model,
    choose_candidates,
    merge_timings,
    recommend_settings,
    judge_findings,
    draw_figures,
    write_machine_report,
    write_findings_report,


rule all:
    default_target: True
    input:
        "results/reports/findings.pdf",
        "results/reports/findings.html",
        expand("results/reports/{machine}.pdf", machine=MACHINES),
        PLAN.unused_manifests(),
