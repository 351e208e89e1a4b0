"""The scoreboard: every claim of the published text, its numbers, ours, and the verdict.

Claims and the way each is judged are data (resources/published/claims.yaml); the numbers on our
side come from the findings alone, those on the published side from its own tables. One entry per
claim and machine. A claim whose finding or rows do not exist is "not measured".
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from parallel_transcription import words
from parallel_transcription.errors import TableError
from parallel_transcription.findings import common

RULES = ("confirmed_if_all", "confirmed_if_any", "refuted_if_all", "refuted_if_any")


def read_claims(folder: str | Path) -> dict:
    """claims.yaml and the published tables: {"source", "claims", "cpu", "gpu"}."""
    folder = Path(folder)
    try:
        data = yaml.safe_load((folder / "claims.yaml").read_text(encoding="utf-8"))
        cpu = pd.read_csv(folder / "published_cpu.csv")
        gpu = pd.read_csv(folder / "published_gpu.csv")
    except FileNotFoundError as error:
        raise TableError(f"{error.filename} does not exist") from None
    except yaml.YAMLError as error:
        raise TableError(f"claims.yaml is not readable: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("claims"), list):
        raise TableError("claims.yaml must hold a list under `claims`")
    for claim in data["claims"]:
        check = claim.get("check")
        if check is not None and check not in CHECKS:
            raise TableError(f"claims.yaml: no check named {check!r}")
    return {"source": data.get("source", ""), "claims": data["claims"], "cpu": cpu, "gpu": gpu}


def scoreboard(findings: list[dict], published: dict) -> list[dict]:
    """One entry per machine and claim, machines by label, claims in their order."""
    result = []
    for machine in sorted({f["machine"] for f in findings}):
        own = {f["id"]: f for f in findings if f["machine"] == machine}
        for claim in published["claims"]:
            rule = claim.get("judged_by")
            if rule is None:
                verdict, ours = common.NOT_MEASURED, claim.get("ours", "")
            else:
                verdict, ours = judge_claim(own.get(rule["finding"]), rule)
            check = claim.get("check")
            tables = CHECKS[check](published["cpu"], published["gpu"]) if check else ""
            result.append(
                {
                    "id": claim["id"],
                    "claim": claim["claim"],
                    "source": f"{published['source']}: {claim['source']}",
                    "published": claim["published"],
                    "published_tables": tables,
                    "ours": ours,
                    "verdict": verdict,
                    "machine": machine,
                    "finding": rule["finding"] if rule else None,
                }
            )
    return common.plain(result)


def judge_claim(finding: dict | None, rule: dict) -> tuple[str, str]:
    """(verdict, our numbers in words) for a claim, from its finding."""
    if finding is None:
        return common.NOT_MEASURED, "Not measured here."
    if "rows" not in rule:
        return finding["verdict"], finding["answer"]
    if finding["verdict"] == common.NOT_MEASURED and not finding["evidence"]:
        return common.NOT_MEASURED, finding["answer"]
    rows = [
        row
        for row in finding["evidence"]
        if all(
            row.get(column) in (value if isinstance(value, list) else [value])
            for column, value in rule["rows"].get("where", {}).items()
        )
    ]
    if "above" in rule["rows"]:
        return _above(rows, rule["rows"]["above"])
    column = rule["rows"]["column"]
    values = [row[column] for row in rows if row.get(column) not in (None, "", "not judged")]
    if not values:
        return common.NOT_MEASURED, "Not measured here."
    counts = {v: values.count(v) for v in sorted(set(values))}
    numbers = "; ".join(f"{n} of {len(values)}: {v}" for v, n in counts.items())
    ratios = [r["ratio"] for r in rows if r.get("ratio") is not None]
    if column == "cpu_standing":
        ratios = [r["cpu_ratio"] for r in rows if r.get("cpu_ratio") is not None]
        numbers += _range("CPU seconds", ratios)
    elif ratios:
        numbers += _range("makespan", ratios)
    rules = {name: set(rule["rows"].get(name, ())) for name in RULES}
    some = set(values)
    if some & rules["refuted_if_any"]:
        return common.REFUTED, numbers
    if some <= rules["confirmed_if_all"] or some & rules["confirmed_if_any"]:
        return common.CONFIRMED, numbers
    if some <= rules["refuted_if_all"]:
        return common.REFUTED, numbers
    return common.INCONCLUSIVE, numbers


def _range(what: str, ratios: list[float]) -> str:
    if not ratios:
        return ""
    low, high = words.times(min(ratios)), words.times(max(ratios))
    return f" ({what} ratio {low if low == high else f'{low} to {high}'})"


def _above(rows: list[dict], columns: dict) -> tuple[str, str]:
    limit = float(columns["limit"])
    known = [r for r in rows if r.get(columns["low"]) is not None]
    if not known:
        return common.NOT_MEASURED, "Not measured here."
    low = [r[columns["low"]] for r in known]
    high = [r[columns["high"]] for r in known]
    values = [r[columns["estimate"]] for r in known]
    numbers = f"{words.times(min(values))} to {words.times(max(values))} times as fast"
    if len(values) == 1:
        numbers = words.estimate(values[0], low[0], high[0], of="times as fast")
    if all(v > limit for v in low):
        return common.CONFIRMED, numbers
    if all(v is not None and v < limit for v in high):
        return common.REFUTED, numbers
    return common.INCONCLUSIVE, numbers


# --- what the published tables say themselves ---------------------------------------------------


def _timed(cpu: pd.DataFrame) -> pd.DataFrame:
    """Rows with times, and their makespan (the longer of the two files, s)."""
    table = cpu[(cpu["status"] == "ok") & cpu["file_1_s"].notna()].copy()
    table["makespan_s"] = table[["file_1_s", "file_2_s"]].max(axis=1)
    return table


def one_against_many(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    table = _timed(cpu)
    keys = ["machine", "cpu_threads"]
    one = table[(table["strategy"] == "one_model") & (table["num_workers"] == 2)]
    many = table[(table["strategy"] == "multi_model") & (table["num_workers"] == 1)]
    both = one.merge(many, on=keys, suffixes=("_one", "_many"))
    ratio = both["makespan_s_one"] / both["makespan_s_many"]
    return (
        f"In the {len(both)} matched rows the makespan of one model is {ratio.min():.2f} to "
        f"{ratio.max():.2f} times that of two; single best times, no spread."
    )


def placebo(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    table = _timed(cpu)
    many = table[(table["strategy"] == "multi_model") & table["num_workers"].isin([1, 2, 4])]
    groups = many.groupby(["machine", "cpu_threads"])
    groups = groups.filter(lambda g: len(g) > 2).groupby(["machine", "cpu_threads"])
    first = (groups["file_1_s"].max() / groups["file_1_s"].min() - 1) * 100
    whole = (groups["makespan_s"].max() / groups["makespan_s"].min() - 1) * 100
    return (
        "With two instances each serves one call, so num_workers 1, 2 and 4 are one and the same; "
        f"these rows differ by {first.min():.0f} to {first.max():.0f} % in file 1 and "
        f"{whole.min():.0f} to {whole.max():.0f} % in makespan: that is the noise."
    )


def _worker_ratio(cpu: pd.DataFrame, few: int, many: int, machine: str) -> pd.DataFrame:
    table = _timed(cpu)
    table = table[(table["strategy"] == "one_model") & (table["machine"] == machine)]
    a = table[table["num_workers"] == few]
    b = table[table["num_workers"] == many]
    both = a.merge(b, on="cpu_threads", suffixes=("_few", "_many"))
    both["ratio"] = both["makespan_s_few"] / both["makespan_s_many"]
    return both


def one_worker(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    both = _worker_ratio(cpu, 1, 2, "epyc-9334").sort_values("ratio").iloc[-1]
    return (
        f"With 1 worker and {both['cpu_threads']:.0f} threads two files took "
        f"{both['makespan_s_few']:.1f} s, with 2 workers {both['makespan_s_many']:.1f} s (Epyc); "
        "files one after another were not measured, so parallel with 1 worker is not shown."
    )


def two_workers(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    both = _worker_ratio(cpu, 1, 2, "epyc-9334")
    return (
        f"Makespan with 1 worker over that with 2 (Epyc, {len(both)} thread counts): "
        f"{both['ratio'].min():.2f} to {both['ratio'].max():.2f}."
    )


def no_baseline(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    return (
        "No time of the same files one after another is given, and overlapping start and end "
        "times do not tell a queue of calls from parallel work."
    )


def more_workers_time(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    table = _timed(cpu)
    table = table[(table["strategy"] == "one_model") & (table["num_workers"] >= 2)]
    groups = table.groupby(["machine", "cpu_threads"])
    worst = (groups["makespan_s"].max() / groups["makespan_s"].min()).idxmax()
    rows = table[(table["machine"] == worst[0]) & (table["cpu_threads"] == worst[1])]
    low = rows.sort_values("makespan_s").iloc[0]
    high = rows.sort_values("makespan_s").iloc[-1]
    late = cpu[(cpu["status"] == "over_60s") & (cpu["num_workers"] > 2)]
    return (
        f"Contradicted: with {worst[1]} threads ({worst[0]}) {low['num_workers']} workers took "
        f"{low['makespan_s']:.1f} s and {high['num_workers']} workers {high['makespan_s']:.1f} s; "
        f"{len(late)} row with more workers ran over 60 s."
    )


def more_workers_cpu(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    table = _timed(cpu)
    table = table[table["strategy"] == "one_model"]
    two = table[table["num_workers"] == 2]
    more = table[table["num_workers"] > 2]
    both = two.merge(more, on=["machine", "cpu_threads"], suffixes=("_two", "_more"))
    both = both[both["makespan_s_more"] < 2 * both["makespan_s_two"]]  # not the collapsed ones
    ratio = both["cpu_in_use_more"] / both["cpu_in_use_two"]
    return (
        f"Contradicted: in {len(both)} rows with 4 or 8 workers the CPU in use is "
        f"{ratio.min():.2f} to {ratio.max():.2f} times that with 2."
    )


def cpu_in_use(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    table = _timed(cpu)
    table = table[(table["machine"] == "epyc-9334") & (table["makespan_s"] < 30)]
    busy = table["num_workers"].clip(upper=2) * table["cpu_threads"] / 128 * 100
    close = (table["cpu_in_use"] - busy).abs() <= 0.12 * busy + 0.1
    return (
        f"The CPU in use is min(workers, 2) {words.TIMES} threads / 128 in {int(close.sum())} of "
        f"{len(table)} rows (Epyc, not collapsed), also where more threads made nothing faster: "
        "threads that wait in a spin loop count as used."
    )


def best_rows(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    table = _timed(cpu)
    table = table[table["strategy"] == "one_model"]
    parts = []
    for machine, rows in table.groupby("machine", sort=True):
        best = rows.sort_values("makespan_s").iloc[0]
        near = rows[rows["makespan_s"] <= 1.05 * best["makespan_s"]]
        threads = ", ".join(str(t) for t in sorted(set(near["cpu_threads"])))
        parts.append(
            f"{machine}: shortest makespan {best['makespan_s']:.1f} s, within 5 % of it "
            f"{threads} threads"
        )
    return "; ".join(parts) + "."


def _gpu_makespans(gpu: pd.DataFrame, gpus: int) -> tuple[float, float]:
    rows = gpu[gpu["gpus"] == gpus].set_index("strategy")
    longest = rows[["file_1_s", "file_2_s", "file_3_s"]].max(axis=1)
    return float(longest["one_model"]), float(longest["multi_model"])


def three_gpus(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    one, many = _gpu_makespans(gpu, 3)
    return (
        f"The makespan of one model is {one:.1f} s against {many:.1f} s, "
        f"{100 * (one / many - 1):.0f} % longer; one run each."
    )


def one_gpu(cpu: pd.DataFrame, gpu: pd.DataFrame) -> str:
    one, many = _gpu_makespans(gpu, 1)
    longer = 100 * (one / many - 1)
    word = "longer" if longer > 0 else "shorter"
    return (
        f"The makespan of one model is {one:.1f} s against {many:.1f} s, {abs(longer):.0f} % "
        f"{word}; one run each."
    )


CHECKS = {
    f.__name__: f
    for f in (
        one_against_many,
        placebo,
        one_worker,
        two_workers,
        no_baseline,
        more_workers_time,
        more_workers_cpu,
        cpu_in_use,
        best_rows,
        three_gpus,
        one_gpu,
    )
}
