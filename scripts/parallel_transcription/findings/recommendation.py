"""Recommended settings: Pareto front of throughput, cores and memory; choice under limits.

Per machine, and per model, compute type, device and workload (only equal work is comparable):
1. Candidates are the configurations without failed, killed or late repeats. Confirmation rounds
   (above 900), A/A replicas, slowed arms and the baseline of files one after another take no part
   in the choice (the baseline does where there is nothing else).
2. Admissible are those within the limits of the study: `max_memory_mb` against the memory of the
   process after use (PSS; USS or peak RSS where it is not known), `max_gpu_memory_mb` against its
   memory on all its GPUs, `max_cores` against cores used, `max_file_s` against the longest time
   that any file took from hand-out to text in a repeat that counts. A figure that is not known
   breaks its limit.
3. The fastest (geometric mean of the makespan) admissible one is compared with every other
   (paired by round, Bonferroni: it was chosen by the same data). Those shown equivalent are tied
   with it.
4. Among the tied, and those that are neither tied nor slower while their ratio as seen is within
   the margin: least memory (on GPUs that of the GPUs, where it is known of all; differences up to
   5 % or 5 MB count as none), then fewest threads in all, fewest workers, fewest instances. That
   is the winner: frugal first, since step 5 tests that it is not slower. Runner-up: the fastest of
   the rest.
5. Winner and runner-up are measured again in fresh rounds. `confirmed`: the winner is shown not to
   be slower than the runner-up by the margin or more (one-sided test, fresh rounds only). `not
   confirmed`: it is shown to be slower by more than the margin. Else `not yet`. With no
   runner-up there is nothing to lose against: two fresh rounds without a failure confirm.

A configuration is dominated, and so not on the Pareto front, if another is at least as good in
throughput, cores used and memory (the same one), and better in one of them.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from parallel_transcription import statistics, words
from parallel_transcription.errors import TableError
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine
from parallel_transcription.results.counting import confirming
from parallel_transcription.results.read import Results

GROUP = ["model", "compute_type", "device", "workload", "files_in_parallel", "thread_env"]
STRATEGIES = ["one_model", "multi_model", "multi_process"]
LIMITS = ("max_memory_mb", "max_gpu_memory_mb", "max_cores", "max_file_s")
STATUSES = ("confirmed", "not confirmed", "not yet")


def candidates(machine: Machine) -> pd.DataFrame:
    """One row per arm with a time: figures of merit, `trouble` (why it is no candidate)."""
    arms = machine.ordinary()
    if arms.empty:
        return arms
    together = (arms["callers"] > 1) | (arms["files_in_parallel"] == 1)
    if together.any():
        arms = arms[together]
    slowest = _slowest_files(machine)
    rows = []
    for _, arm in arms.iterrows():
        times = machine.times(arm["arm"])
        calm = times[~times["censored"].astype(bool)]
        trouble = [
            f"{name} in {words.plural(int(arm[f'n_{name}']), 'repeat')}"
            for name in ("failed", "killed", "timeout")
            if arm[f"n_{name}"]
        ]
        if calm.empty:
            trouble = trouble or ["no time"]
            merit = dict.fromkeys(
                [
                    "rtfx",
                    "rtfx_low",
                    "rtfx_high",
                    "makespan_s",
                    "cores_used",
                    "memory_mb",
                    "gpu_memory_mb",
                    "rss_peak_mb",
                    "load_s",
                ],
                float("nan"),
            )
        else:
            rtfx, low, high = statistics.geometric_interval(calm["rtfx"], machine.confidence)
            memory = [float(calm[c].median()) for c in ("pss_mb", "uss_mb", "rss_peak_mb")]
            merit = {
                "rtfx": rtfx,
                "rtfx_low": low,
                "rtfx_high": high,
                "mean_makespan_s": statistics.geometric_interval(calm["makespan_s"])[0],
                "makespan_s": float(calm["makespan_s"].median()),
                "cores_used": float(calm["cores_used"].median()),
                "memory_mb": next((m for m in memory if m > 0), float("nan")),
                "gpu_memory_mb": float(calm["gpu_mem_mb"].median()),
                "rss_peak_mb": memory[2],
                "load_s": float(calm["load_s"].median()),
            }
        rows.append(
            {
                **arm.to_dict(),
                **merit,
                "rounds": len(calm),
                "slowest_file_s": slowest.get(arm["arm"], float("nan")),
                "all_threads": int(arm["total_workers"] * arm["threads"]),
                "trouble": "; ".join(trouble),
            }
        )
    return pd.DataFrame(rows)


def _slowest_files(machine: Machine) -> dict[str, float]:
    """The longest time of a file per arm, from its hand-out to its text (s)."""
    runs = machine.runs[machine.runs["counts"] & (machine.runs["status"] == "ok")]
    timings = machine.timings.merge(runs[["run", "repeat", "arm"]], on=["run", "repeat"])
    return timings.groupby("arm", sort=True)["seconds"].max().dropna().to_dict()


def broken_limits(row: dict, limits: dict) -> list[str]:
    """Which of the study's limits a candidate breaks, in words. An unknown figure breaks it."""
    checks = [
        ("max_memory_mb", row["memory_mb"], "MB of memory"),
        ("max_cores", row["cores_used"], "cores used"),
        ("max_file_s", row["slowest_file_s"], "s for a file"),
    ]
    if row["device"] == "cuda":
        checks.append(("max_gpu_memory_mb", row["gpu_memory_mb"], "MB of memory on GPUs"))
    broken = []
    for name, value, unit in checks:
        limit = limits.get(name)
        if limit is not None and not value <= float(limit):
            broken.append(f"{words.number(value)} {unit}, limit {words.number(float(limit))}")
    return broken


def memory_field(rows: list[dict]) -> str:
    """The memory that is scarce: that of the GPUs where it is known of all, else the host's."""
    on_gpus = rows and all(row["gpu_memory_mb"] > 0 for row in rows)
    return "gpu_memory_mb" if on_gpus else "memory_mb"


def pareto(table: pd.DataFrame, memory: str = "memory_mb") -> np.ndarray:
    """True where no other row is at least as good in all of rtfx, cores, memory, better in one."""
    merit = np.column_stack(
        [-table["rtfx"].to_numpy(float), table["cores_used"].to_numpy(float),
         table[memory].to_numpy(float)]
    )  # fmt: skip
    merit = np.where(np.isnan(merit), np.inf, merit)
    front = np.ones(len(merit), bool)
    for k in range(len(merit)):
        no_worse = (merit <= merit[k]).all(axis=1)
        better = (merit < merit[k]).any(axis=1)
        front[k] = not (no_worse & better).any()
    return front


def choices(machine: Machine) -> list[dict]:
    """One choice per group: {group, table (rows with standing), memory, winner, runner_up, reason}.

    `memory` names the field of the memory that was weighed (`memory_field`). `winner`, `runner_up`
    are rows (dicts) or None. The first choice is the machine's own: the group with the most
    candidates, then the most files at once, then by name.
    """
    everything = candidates(machine)
    if everything.empty:
        return []
    result = []
    for key, group in everything.groupby(GROUP, sort=True):
        result.append(_choose(machine, dict(zip(GROUP, key, strict=True)), group))
    result.sort(
        key=lambda c: (
            c["winner"] is None,
            -sum(r["standing"] != "out" for r in c["table"]),
            -int(c["group"]["files_in_parallel"]),
            str(c["group"]),
        )
    )
    return result


def _choose(machine: Machine, key: dict, group: pd.DataFrame) -> dict:
    rows = group.sort_values("arm").to_dict("records")
    for row in rows:
        row["broken"] = [] if row["trouble"] else broken_limits(row, machine.limits)
        row["standing"] = "out" if row["trouble"] else "over the limits" if row["broken"] else ""
        row["pareto"] = False
    sound = [r for r in rows if not r["trouble"]]
    memory = memory_field(sound)
    if sound:
        for row, on_front in zip(sound, pareto(pd.DataFrame(sound), memory), strict=True):
            row["pareto"] = bool(on_front)
    allowed = [r for r in sound if not r["broken"]]
    choice = {
        "group": key,
        "table": rows,
        "memory": memory,
        "winner": None,
        "runner_up": None,
        "reason": "",
    }
    if not allowed:
        choice["reason"] = (
            "no configuration keeps the limits" if sound else "no configuration ran without trouble"
        )
        return choice
    allowed.sort(key=lambda r: (r["mean_makespan_s"], r["arm"]))
    best, others = allowed[0], allowed[1:]
    compared = statistics.correct(
        [machine.compare(best["arm"], r["arm"]).result for r in others], "bonferroni"
    )
    best["standing"] = "fastest"
    for row, result in zip(others, compared, strict=True):
        row["standing"] = {
            statistics.EQUIVALENT: "tied",
            statistics.A_FASTER: "slower",
        }.get(result.outcome, "open")
        row["ratio_to_best"] = 1 / result.ratio if result.rounds else float("nan")
    _, upper = statistics.band(machine.margin)
    tied = [
        best,
        *[
            r
            for r in others
            if r["standing"] == "tied" or (r["standing"] == "open" and r["ratio_to_best"] <= upper)
        ],
    ]
    memories = [r[memory] for r in tied if r[memory] > 0]
    least = min(memories) if memories else float("nan")

    def frugal(row):
        extra = row[memory] - least if memories else 0.0
        heavy = not extra <= max(5.0, 0.05 * least) if memories else False
        return (
            heavy,
            row[memory] if heavy and row[memory] > 0 else 0.0,
            row["all_threads"],
            row["total_workers"],
            row["instances"],
            STRATEGIES.index(row["strategy"]) if row["strategy"] in STRATEGIES else 9,
            row["arm"],
        )

    winner = min(tied, key=frugal)
    choice["winner"] = winner
    rest = [r for r in allowed if r is not winner]
    choice["runner_up"] = rest[0] if rest else None
    return choice


def confirmation(machine: Machine, choice: dict) -> dict:
    """What the fresh rounds say of a choice (see the module's text, 5)."""
    winner, second = choice["winner"], choice["runner_up"]
    empty = {
        "status": "not yet",
        "rounds": 0,
        "against": second["configuration"] if second else None,
        "ratio": None,
        "low": None,
        "high": None,
        "rtfx": None,
        "rtfx_low": None,
        "rtfx_high": None,
        "sd": None,
    }
    fresh = machine.times(winner["arm"], confirmation=True)
    calm = fresh[~fresh["censored"].astype(bool)] if len(fresh) else fresh
    if calm.empty:
        return empty
    rtfx, low, high = statistics.geometric_interval(calm["rtfx"], machine.confidence)
    result = {**empty, "rounds": len(calm), "rtfx": rtfx, "rtfx_low": low, "rtfx_high": high}
    rows = confirming(machine.all_runs)
    own = rows[rows["arm"] == winner["arm"]]
    if second is None:
        if len(calm) >= 2 and (own["status"] == "ok").all():
            result["status"] = "confirmed"
        return result
    pair = machine.compare(winner["arm"], second["arm"], confirmation=True).result
    if not pair.rounds:
        return result
    result.update(rounds=pair.rounds, ratio=pair.ratio, low=pair.low, high=pair.high, sd=pair.sd)
    if pair.tests.p_not_above <= machine.alpha and (own["status"] == "ok").all():
        result["status"] = "confirmed"
    elif pair.tests.p_above <= machine.alpha and pair.tests.p_difference <= machine.alpha:
        result["status"] = "not confirmed"
    return result


# --- settings in a form to paste ----------------------------------------------------------------


def device_list(text: str) -> int | list[int]:
    parts = [p.strip() for p in str(text).split(",") if p.strip()]
    numbers = [int(p) for p in parts if p.isdigit()] or [0]
    return numbers[0] if len(numbers) == 1 else numbers


def arguments(row: dict) -> dict:
    """WhisperModel's arguments for one instance."""
    devices = device_list(row["device_index"])
    if row["strategy"] != "one_model" and isinstance(devices, list):
        devices = devices[0]  # instances are spread over the devices, one each
    return {
        "model_size_or_path": row["model"],
        "device": row["device"],
        "device_index": devices,
        "compute_type": row["compute_type"],
        "cpu_threads": int(row["cpu_threads"]),
        "num_workers": int(row["num_workers"]),
    }


def snippet(row: dict) -> str:
    """The same as one line of Python."""
    values = arguments(row)
    name = values.pop("model_size_or_path")
    devices = device_list(row["device_index"])
    spread = row["strategy"] != "one_model" and isinstance(devices, list)
    listed = ", ".join(
        f"{k}={'d' if k == 'device_index' and spread else repr(v)}" for k, v in values.items()
    )
    home = str(name).startswith("~")  # WhisperModel takes it for the name of a model
    call = f"WhisperModel({f'os.path.expanduser({name!r})' if home else repr(name)}, {listed})"
    if row["strategy"] == "one_model":
        return f"model = {call}"
    if row["strategy"] == "multi_process":
        return f"model = {call}  # in each of {int(row['instances'])} processes"
    if spread:
        turns = f"({devices!r} * {int(row['instances'])})[:{int(row['instances'])}]"
        return f"models = [{call} for d in {turns}]"
    return f"models = [{call} for _ in range({int(row['instances'])})]"


def service(row: dict) -> dict:
    """The settings as blocks of melvin-asr's config.yml.

    There, `websocket_stream` holds one model whose num_workers is worker_seats (on the CPU), and
    every entry of `rest_runner` is a process with a model of its own that takes one task at a
    time.
    """
    device = "cuda" if row["device"] == "cuda" else "cpu"
    model, threads = row["model"], int(row["cpu_threads"])
    devices = device_list(row["device_index"])
    workers, instances = int(row["num_workers"]), int(row["instances"])
    seats = int(row["callers"])
    if device == "cpu":
        stream = {
            "active": True,
            "model": model,
            "cpu_threads": threads,
            "worker_seats": workers if row["strategy"] == "one_model" else seats,
        }
    else:
        stream = {
            "active": True,
            "model": model,
            "device_index": devices,
            "worker_seats": seats,
        }
    entry = {
        "device": device,
        "model": model,
        "compute_type": row["compute_type"],
        "num_workers": workers,
        "cpu_threads": threads,
    }
    if row["strategy"] == "one_model":
        entries = [{**entry, "device_index": devices}]
    else:
        each = devices if isinstance(devices, list) else [devices]
        entries = [{**entry, "device_index": each[k % len(each)]} for k in range(instances)]
    return {"websocket_stream": {device: stream}, "rest_runner": entries}


def _service_notes(row: dict) -> list[str]:
    notes = [
        "melvin-asr transcribes through the batched pipeline; these times are those of "
        "WhisperModel.transcribe. config/batched.yaml compares the two."
    ]
    if row["strategy"] == "one_model" and int(row["num_workers"]) > 1:
        notes.append(
            "A rest_runner entry takes one task at a time, so its further workers stay idle; for "
            "several tasks at once use several entries (measured here as multi_process)."
        )
    return notes


def _summary(row: dict) -> dict:
    return {
        "configuration": row["configuration"],
        "strategy": row["strategy"],
        "instances": row["instances"],
        "num_workers": row["num_workers"],
        "cpu_threads": row["cpu_threads"],
        "callers": row["callers"],
        "device_index": row["device_index"],
        "rtfx": row["rtfx"],
        "rtfx_low": row["rtfx_low"],
        "rtfx_high": row["rtfx_high"],
        "makespan_s": row["makespan_s"],
        "cores_used": row["cores_used"],
        "memory_mb": row["memory_mb"],
        "gpu_memory_mb": row["gpu_memory_mb"],
        "rss_peak_mb": row["rss_peak_mb"],
        "slowest_file_s": row["slowest_file_s"],
        "load_s": row["load_s"],
        "rounds": row["rounds"],
    }


def alternatives(choice: dict) -> dict:
    """Pareto points within the limits that save memory or cores, with their throughput."""
    winner = choice["winner"]
    front = [r for r in choice["table"] if r["pareto"] and not r["trouble"] and not r["broken"]]
    result = {}
    for name, field in (("memory_saving", choice["memory"]), ("core_saving", "cores_used")):
        known = [r for r in front if r[field] > 0]
        result[name] = None
        if not known or not winner[field] > 0:
            continue
        least = min(r[field] for r in known)
        near = [r for r in known if r[field] <= 1.05 * least]
        pick = max(near, key=lambda r: (r["rtfx"], r["arm"]))
        if pick is not winner and pick[field] < 0.95 * winner[field]:
            result[name] = {
                **_summary(pick),
                "snippet": snippet(pick),
                "throughput_share": pick["rtfx"] / winner["rtfx"],
                "saved": 1 - pick[field] / winner[field],
            }
    return result


def block(machine: Machine, choice: dict) -> dict:
    """A choice as recommended.yaml holds it."""
    group = choice["group"]
    head = {
        "model": group["model"],
        "compute_type": group["compute_type"],
        "device": group["device"],
        "files_in_parallel": int(group["files_in_parallel"]),
    }
    limits = {k: machine.limits.get(k) for k in LIMITS}
    row = choice["winner"]
    if row is None:
        return {"status": "nothing to recommend", "reason": choice["reason"], **head,
                "limits": limits}  # fmt: skip
    fresh = confirmation(machine, choice)
    variables = dict(v.split("=", 1) for v in str(row["thread_env"]).split() if "=" in v)
    notes = []
    if str(row["model"]).startswith(("dummy-", "mini-")):
        notes.append(
            f"{row['model']} is a model of this project: put your own model's name or folder, and "
            "measure with it before you rely on the numbers."
        )
    return {
        "status": fresh["status"],
        **head,
        "strategy": row["strategy"],
        "whisper_model": arguments(row),
        "instances": int(row["instances"]),
        "callers": int(row["callers"]),
        "environment": variables,
        "snippet": snippet(row),
        "melvin_asr": service(row),
        "evidence": _summary(row),
        "confirmation": {k: v for k, v in fresh.items() if k != "sd"},
        "limits": limits,
        "as_good": [
            r["configuration"]
            for r in choice["table"]
            if r is not row and r["standing"] in ("tied", "fastest")
        ],
        "undecided": [r["configuration"] for r in choice["table"] if r["standing"] == "open"],
        "alternatives": alternatives(choice),
        "notes": [*notes, *_service_notes(row)],
    }


def recommend(results: Results) -> dict:
    """{machine label: block}, the machine's own choice; the other groups are under `others`."""
    result = {}
    for label in results.labels:
        machine = Machine(results, label)
        blocks = [block(machine, c) for c in choices(machine)]
        if not blocks:
            blocks = [{"status": "nothing to recommend", "reason": "no timed run"}]
        result[label] = {**blocks[0], "others": blocks[1:]}
    return common.plain(result)


def candidates_to_confirm(results: Results, label: str | None = None) -> dict:
    """Winner and runner-up of every choice of a machine, for the confirmation rounds.

    Depends on rounds up to 900 only, so fresh rounds never change it. Raises TableError if
    `label` is not in the results, or is not given and there are several.
    """
    labels = results.labels
    if label is None:
        if len(labels) != 1:
            raise TableError(
                f"the tables hold {len(labels)} machines ({', '.join(labels)}); name one"
            )
        label = labels[0]
    if label not in labels:
        raise TableError(f"no machine {label!r} in the tables; there are: {', '.join(labels)}")
    machine = Machine(results, label)
    entries, wanted = [], []
    for choice in choices(machine):
        if choice["winner"] is None:
            continue
        pair = [choice["winner"], choice["runner_up"]]
        names = [r["configuration"] for r in pair if r is not None]
        wanted += names
        group = choice["group"]
        entries.append(
            {
                "model": group["model"],
                "compute_type": group["compute_type"],
                "device": group["device"],
                "files_in_parallel": int(group["files_in_parallel"]),
                "workload": group["workload"],
                "winner": names[0],
                "runner_up": names[1] if len(names) > 1 else None,
            }
        )
    return {
        "machine": label,
        "configurations": sorted(set(wanted)),
        "choices": entries,
    }


def write_yaml(value: dict, path: Path) -> None:
    text = (
        "# Recommended settings, made from the measured tables; `status` says whether fresh\n"
        "# rounds have confirmed them. Times in seconds, memory in MB (1e6 bytes), rtfx = seconds\n"
        "# of audio per second.\n"
    )
    text += yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    Path(path).write_text(text, encoding="utf-8")


# --- the finding --------------------------------------------------------------------------------

QUESTION = "Which settings are recommended on this machine?"
CLAIM = (
    "The recommended settings are the fastest within the limits: in fresh rounds they are not "
    "slower than the runner-up by the margin or more."
)


def judge(machine: Machine) -> dict:
    """8 The recommendation as a finding (rules: the module's text).

    confirmed = status "confirmed"; refuted = "not confirmed"; inconclusive = "not yet".
    """
    found = choices(machine)
    made = [c for c in found if c["winner"] is not None]
    rows = []
    for choice in found:
        for row in sorted(choice["table"], key=lambda r: (-_or_zero(r["rtfx"]), r["arm"])):
            rows.append(
                {
                    "model": row["model"],
                    "compute_type": row["compute_type"],
                    "files": row["files_in_parallel"],
                    "label": words.name_of(row),
                    "strategy": row["strategy"],
                    "instances": row["instances"],
                    "workers": row["num_workers"],
                    "cpu_threads": row["cpu_threads"],
                    "callers": row["callers"],
                    "rtfx": row["rtfx"],
                    "low": row["rtfx_low"],
                    "high": row["rtfx_high"],
                    "cores_used": row["cores_used"],
                    "memory_mb": row["memory_mb"],
                    "gpu_memory_mb": row["gpu_memory_mb"],
                    "slowest_file_s": row["slowest_file_s"],
                    "rounds": row["rounds"],
                    "pareto": row["pareto"],
                    "standing": row["standing"],
                    "chosen": row is choice["winner"],
                    "primary": choice is found[0],
                    "remark": "; ".join([row["trouble"], *row["broken"]]).strip("; "),
                    "configuration": row["configuration"],
                }
            )
    if not made:
        reason = found[0]["reason"] if found else "no timed run"
        return common.finding(
            machine,
            "recommendation",
            8,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            f"Nothing can be recommended: {reason}.",
            evidence=rows,
            change="Wider limits, or a configuration that runs.",
        )
    choice = made[0]
    row, fresh = choice["winner"], confirmation(machine, choice)
    verdict = {
        "confirmed": common.CONFIRMED,
        "not confirmed": common.REFUTED,
        "not yet": common.INCONCLUSIVE,
    }[fresh["status"]]
    level = machine.confidence
    on_gpus = row["gpu_memory_mb"] > 0
    speed = words.estimate(
        row["rtfx"], row["rtfx_low"], row["rtfx_high"], level, f"{words.TIMES} real time"
    )
    answer = (
        f"For {words.plural(int(row['files_in_parallel']), 'file')} at once with {row['model']} "
        f"({row['compute_type']}): {words.name_of(row)}, "
        f"{words.plural(int(row['callers']), 'caller')}. It does {speed} on "
        f"{words.number(row['cores_used'])} cores and {words.number(row['memory_mb'])} MB"
        + (f", with {words.number(row['gpu_memory_mb'])} MB on GPUs." if on_gpus else ".")
    )
    second = choice["runner_up"]
    if fresh["ratio"] is not None:
        takes = words.estimate(
            fresh["ratio"],
            fresh["low"],
            fresh["high"],
            level,
            "times the makespan of the runner-up",
        )
        answer += (
            f" In {words.plural(fresh['rounds'], 'fresh round')} it takes {takes}: "
            f"{fresh['status']}."
        )
    elif second is not None:
        answer += " It has not been measured again in fresh rounds yet."
    ties = [
        r
        for r in choice["table"]
        if r is not row
        and (
            r["standing"] in ("tied", "fastest")
            or (r["standing"] == "open" and r["ratio_to_best"] <= 1 + machine.margin)
        )
    ]
    if ties:
        answer += (
            f" {words.plural(len(ties), 'other setting is', 'other settings are')} as fast or not "
            "told apart; this one was preferred for less memory, then fewer threads."
        )
    plan = None
    if fresh["status"] == "not yet" and second is not None:
        sd = fresh["sd"]
        if sd is None or not math.isfinite(sd):
            sd = machine.compare(row["arm"], second["arm"]).result.sd
        need = statistics.rounds_needed(sd, machine.margin, alpha=machine.alpha)
        need = max(3, need or 3, fresh["rounds"] + 1)
        names = [row["configuration"], second["configuration"]]
        plan = {
            "rounds": need,
            "command": common.command(machine, f"confirmation_rounds={need}", names),
        }
    return common.finding(
        machine,
        "recommendation",
        8,
        QUESTION,
        CLAIM,
        verdict,
        answer,
        in_short=f"{words.name_of(row)}.".capitalize(),
        effect=common.effect(
            "throughput of the recommended settings",
            row["rtfx"],
            row["rtfx_low"],
            row["rtfx_high"],
            f"{words.TIMES} real time",
            level,
        ),
        evidence=rows,
        runs=[r["configuration"] for r in choice["table"]],
        change={
            common.CONFIRMED: "Fresh rounds in which the runner-up is faster by more than the "
            "margin.",
            common.REFUTED: "Fresh rounds in which it is not slower by more than the margin.",
            common.INCONCLUSIVE: "Fresh rounds of the two.",
        }[verdict],
        more_rounds=plan,
        notes=[
            "Chosen on rounds that also rank it: its own throughput there is a little flattered; "
            "the fresh rounds are not.",
            *[
                f"Limit {name}: {words.number(float(value))}."
                for name, value in sorted(machine.limits.items())
                if isinstance(value, (int, float)) and not isinstance(value, bool)
            ],
            *[
                f"{words.plural(int(c['group']['files_in_parallel']), 'file')} at once with "
                f"{c['group']['model']} ({c['group']['compute_type']}): "
                f"{words.name_of(c['winner'])}, {confirmation(machine, c)['status']}."
                for c in made[1:]
            ],
        ],
    )


def _or_zero(value: float) -> float:
    return value if value and math.isfinite(value) else 0.0
