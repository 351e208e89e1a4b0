# One job = one configuration × one round, measured in a fresh process.


rule transcribe:
    input:
        audio=ancient("results/audio.json"),
        model=lambda wildcards: ancient(PLAN.model_manifest(wildcards.configuration)),
    params:
        spec=lambda wildcards: PLAN.specification(
            wildcards.configuration, int(wildcards.round)
        ),
        script=lambda wildcards: f"transcribe_{wildcards.configuration.split('-')[0]}.py",
    output:
        f"results/{STUDY.machine}/runs/{{configuration}}-r{{round}}.json",
    log:
        f"logs/{STUDY.machine}/{{configuration}}-r{{round}}.log",
    wildcard_constraints:
        configuration="(one_model|multi_model|multi_process)-[A-Za-z0-9._-]+",
        round="[0-9]{2,3}",
    priority: lambda wildcards: PLAN.priority(f"{wildcards.configuration}-r{wildcards.round}")
    resources:
        timing_slot=1,
    conda:
        "../envs/measure.yaml"
    shell:
        "python {SCRIPTS}/{params.script}"
        " --spec {params.spec:q} --model-manifest {input.model:q}"
        " --audio-manifest {input.audio:q} --study {STUDY.settings[name]}"
        " --plan {PROGRESS} --log {log:q} --record {output:q}"
