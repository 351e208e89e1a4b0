# One job = one configuration × one round, measured in a fresh process.


rule transcribe:
    input:
        lambda w: PLAN.manifests(f"{w.strategy}-{w.configuration}"),
    output:
        f"results/{STUDY.machine}/runs/{{strategy}}-{{configuration}}-r{{round}}.json",
    log:
        f"logs/{STUDY.machine}/{{strategy}}-{{configuration}}-r{{round}}.log",
    wildcard_constraints:
        strategy="one_model|multi_model|multi_process",
        configuration="[A-Za-z0-9._-]+",
        round="[0-9]{2,3}",
    priority: lambda w: PLAN.priority(f"{w.strategy}-{w.configuration}-r{w.round}")
    conda:
        "../envs/measure.yaml"
    resources:
        timing_slot=1,
    params:
        spec=lambda w: PLAN.specification(f"{w.strategy}-{w.configuration}", int(w.round)),
    shell:
        "python scripts/transcribe_{wildcards.strategy}.py --spec {params.spec:q}"
        " --results results --log {log:q} --record {output:q}"
