"""4 Is num_workers = number of parallel files the best choice?

Claim: num_workers equal to the number of files handed out at once is the best choice: fewer
workers are slower by more than the margin, more workers are not faster.

Groups: one_model with equal workload, model, compute type, device, cpu_threads, F files at once
(F >= 2) and F callers; every num_workers w other than F is compared with w = F: makespan and CPU
seconds, paired by round, ratio = (w) / (w = F). Holm over all makespan pairs of the machine, and
over all CPU pairs.
A group
  holds         every w < F is slower by more than the margin, and every w > F is equivalent or
                slower by more than the margin; at least one w < F was measured
  fails         some w < F is equivalent or faster, or some w > F is faster by more than the margin
  is open       otherwise
Verdict over the groups of the machine:
  confirmed     all groups hold
  refuted       some group fails
  inconclusive  otherwise
  not measured  no group with w = F and a smaller w
Where F x threads exceed the CPUs, workers beyond the CPUs cannot help; such groups are marked
(`fits_cpus` false) and the answer says so. The claim makes no exception, so they count.
"""

from __future__ import annotations

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine

ID, NUMBER = "workers_equal_files", 4
QUESTION = "Is num_workers = number of parallel files the best choice?"
CLAIM = (
    "num_workers equal to the number of parallel files is the best choice: fewer are slower by "
    "more than the margin, more are not faster."
)


def judge(machine: Machine) -> dict:
    arms = machine.ordinary()
    arms = arms[
        (arms["strategy"] == "one_model")
        & (arms["files_in_parallel"] > 1)
        & (arms["callers"] == arms["files_in_parallel"])
        & ~arms["device_index"].str.contains(",")
    ]
    keys = [*common.CONDITIONS, "device_index", "cpu_threads", "files_in_parallel"]
    entries = []
    for key, group in arms.groupby(keys, sort=True):
        equal = group[group["num_workers"] == group["files_in_parallel"]]
        if equal.empty:
            continue
        equal = equal.iloc[0]
        for _, arm in group.sort_values(["num_workers", "arm"]).iterrows():
            if arm["num_workers"] != equal["num_workers"]:
                pair = machine.compare(arm["arm"], equal["arm"])
                if pair.result.rounds >= 2:
                    entries.append((key, arm, pair))
    if not any(arm["num_workers"] < arm["files_in_parallel"] for _, arm, _ in entries):
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "There are no matched rounds with num_workers equal to and below the number of "
            "parallel files. To measure it: a study with files_in_parallel 2 (or more) and "
            "num_workers 1, 2, 4.",
            change=f"Such rounds: {common.command(machine)}",
            notes=common.troubles(machine, arms),
        )
    results = statistics.correct([p.result for *_, p in entries])
    cpu = statistics.correct([machine.compare_cpu(p) for *_, p in entries])
    rows, groups = [], {}
    for (key, arm, pair), result, work in zip(entries, results, cpu, strict=True):
        row = _row(machine, arm, pair, result, work)
        rows.append(row)
        groups.setdefault(key, []).append(row)
    verdicts = {}
    for key, members in groups.items():
        verdicts[key] = _group(members)
        for row in members:
            row["group"] = verdicts[key]
    complete = [v for v in verdicts.values() if v != "incomplete"]
    if "fails" in complete:
        verdict = common.REFUTED
    elif complete and set(complete) == {"holds"}:
        verdict = common.CONFIRMED
    else:
        verdict = common.INCONCLUSIVE
    plan, sentence = common.more_rounds(
        machine, [(p, r) for (_, _, p), r in zip(entries, results, strict=True)], len(results)
    )
    fewer = [r for r in rows if r["relation"] == "fewer workers"]
    head = max(fewer, key=lambda r: (r["fits_cpus"], r["workers"], -r["cpu_threads"]))
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        _answer(machine, verdict, rows),
        in_short=_in_short(rows),
        effect=common.effect(
            f"makespan with {head['workers']} / {head['files']} workers for {head['files']} files",
            head["ratio"],
            head["low"],
            head["high"],
            words.TIMES,
            machine.confidence,
        ),
        evidence=rows,
        runs=[c for r in rows for c in (r["configuration_a"], r["configuration_b"])],
        change={
            common.CONFIRMED: "Fewer workers shown to be equivalent, or more shown to be faster by "
            "more than the margin.",
            common.REFUTED: "Fewer workers shown to be slower by more than the margin in every "
            "group, more shown not to be faster.",
            common.INCONCLUSIVE: "More rounds of the settings that are open.",
        }[verdict],
        more_rounds=plan if verdict == common.INCONCLUSIVE else None,
        notes=[
            sentence if verdict == common.INCONCLUSIVE else "",
            f"Where files {words.TIMES} threads exceed the CPUs, workers beyond the CPUs cannot "
            "help."
            if any(not r["fits_cpus"] for r in rows)
            else "",
            common.correction_note(len(results), machine.confidence),
            *common.troubles(machine, arms),
        ],
    )


def _group(members) -> str:
    fewer = [row for row in members if row["relation"] == "fewer workers"]
    more = [row for row in members if row["relation"] == "more workers"]
    if not fewer:
        return "incomplete"

    below = {row["standing"] for row in fewer}
    above = {row["standing"] for row in more}
    if below & {"equivalent", "faster"} or "faster" in above:
        return "fails"
    if below == {"slower"} and above <= {"equivalent", "slower"}:
        return "holds"
    return "open"


def _standing(result) -> str:
    """ "equivalent", "slower" or "faster" (both by more than the margin), or "open"."""
    if result.size == statistics.WITHIN:
        return "equivalent"
    if result.size == statistics.BEYOND:
        return "slower" if result.ratio > 1 else "faster"
    return "open"


def _row(machine: Machine, arm, pair, result, work) -> dict:
    files, workers = arm["files_in_parallel"], arm["num_workers"]
    cpus = machine.cpus
    row = common.pair_row(pair, result, "this", "workers = files")
    return {
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "device": arm["device"],
        "files": files,
        "callers": arm["callers"],
        "cpu_threads": arm["cpu_threads"],
        "workers": workers,
        "relation": "fewer workers" if workers < files else "more workers",
        "fits_cpus": bool(arm["device"] != "cpu" or cpus is None or files * arm["threads"] <= cpus),
        "group": "",
        "standing": _standing(result),
        **row,
        "cpu_ratio": work.ratio,
        "cpu_low": work.low,
        "cpu_high": work.high,
        "cpu_outcome": {
            statistics.A_FASTER: "less CPU",
            statistics.B_FASTER: "more CPU",
        }.get(work.outcome, work.outcome),
        "cpu_standing": {"slower": "more", "faster": "less"}.get(_standing(work), _standing(work)),
        "cpu_s": pair.a["cpu_s"].median(),
        "cpu_s_equal": pair.b["cpu_s"].median(),
    }


def _in_short(rows: list[dict]) -> str:
    parts = []
    for word, name in (("fewer", "Fewer workers"), ("more", "more")):
        some = [r["ratio"] for r in rows if r["relation"] == f"{word} workers"]
        if some:
            ends = dict.fromkeys(words.number(end) for end in (min(some), max(some)))
            parts.append(f"{name}: {' to '.join(ends)} times as long")
    return f"{'; '.join(parts)}."


def _answer(machine: Machine, verdict: str, rows: list[dict]) -> str:
    parts = {
        common.CONFIRMED: ["Yes."],
        common.REFUTED: ["Not always."],
        common.INCONCLUSIVE: ["Not decided."],
    }[verdict]
    for relation in ("fewer workers", "more workers"):
        for fits in (True, False):
            some = [r for r in rows if r["relation"] == relation and r["fits_cpus"] == fits]
            if not some:
                continue
            standings = {
                "slower": "slower by more than the margin",
                "equivalent": "equivalent",
                "faster": "faster by more than the margin",
                "open": "open",
            }
            counts = [
                f"{count} {word}"
                for standing, word in standings.items()
                if (count := sum(r["standing"] == standing for r in some))
            ]
            place = "" if fits else f" (files {words.TIMES} threads beyond the CPUs)"
            low = min(r["ratio"] for r in some)
            high = max(r["ratio"] for r in some)
            spread = (
                words.times(low) if len(some) == 1 else f"{words.times(low)} to {words.times(high)}"
            )
            parts.append(
                f"{relation.capitalize()} than files{place}: {words.listing(counts)} "
                f"(makespan {spread} times that of workers = files)."
            )
    extra = [r for r in rows if r["relation"] == "more workers" and r["cpu_s"] > 0]
    if extra:
        same = sum(r["cpu_standing"] == "equivalent" for r in extra)
        dearer = sum(r["cpu_standing"] == "more" for r in extra)
        parts.append(
            f"More workers than files use CPU seconds that are equivalent in {same} and higher by "
            f"more than the margin in {dearer} of {words.plural(len(extra), 'comparison')}."
        )
    return " ".join(parts)
