# From a study file to a PDF: config/*.yaml → runs → timings → findings → reports.

from snakemake.utils import min_version

min_version("9.21.1")

if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/prepare.smk"
include: "rules/transcribe.smk"
include: "rules/search.smk"
include: "rules/ladder.smk"
include: "rules/decide.smk"
include: "rules/aggregate.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        "results/reports/findings.pdf",
        "results/reports/findings.html",
        expand("results/reports/{machine}.pdf", machine=MACHINES),
        # asked for by name: reports of a part of the records may be there without them
        expand("results/{machine}/decided.json", machine=MACHINES),
        PLAN.unused_manifests(),
