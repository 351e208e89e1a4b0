"""What the published tables say of the claims themselves."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from parallel_transcription import words

Check = Callable[[pd.DataFrame], str]
#: By the name that claims.yaml gives it: the table it looks at, and what it says.
CHECKS: dict[str, tuple[str, Check]] = {}


def says_of(table: str) -> Callable[[Check], Check]:
    """Makes a check known by its name; it gets the published table "cpu" or "gpu"."""

    def known(check: Check) -> Check:
        CHECKS[check.__name__] = (table, check)
        return check

    return known


def _timed(cpu: pd.DataFrame, strategy: str = "") -> pd.DataFrame:
    """Rows with times, of one strategy or all; their makespan is the longer of two files (s)."""
    table = cpu[(cpu["status"] == "ok") & cpu["file_1_s"].notna()].copy()
    table["makespan_s"] = table[["file_1_s", "file_2_s"]].max(axis=1)
    return table[table["strategy"] == strategy] if strategy else table


@says_of("cpu")
def one_against_many(cpu: pd.DataFrame) -> str:
    """Makespans of one model over those of two."""
    one, many = _timed(cpu, "one_model"), _timed(cpu, "multi_model")
    one, many = one[one["num_workers"] == 2], many[many["num_workers"] == 1]
    both = one.merge(many, on=["machine", "cpu_threads"], suffixes=("_one", "_many"))
    ratio = both["makespan_s_one"] / both["makespan_s_many"]
    return (
        f"In the {len(both)} matched rows the makespan of one model is {ratio.min():.2f} to "
        f"{ratio.max():.2f} times that of two; single best times, no spread."
    )


@says_of("cpu")
def placebo(cpu: pd.DataFrame) -> str:
    """Rows that are one and the same setting, and yet differ."""
    many = _timed(cpu, "multi_model")
    many = many[many["num_workers"].isin([1, 2, 4])]
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
    table = _timed(cpu, "one_model")
    table = table[table["machine"] == machine]
    a = table[table["num_workers"] == few]
    b = table[table["num_workers"] == many]
    both = a.merge(b, on="cpu_threads", suffixes=("_few", "_many"))
    both["ratio"] = both["makespan_s_few"] / both["makespan_s_many"]
    return both


@says_of("cpu")
def one_worker(cpu: pd.DataFrame) -> str:
    """Two files on one worker and on two."""
    both = _worker_ratio(cpu, 1, 2, "epyc-9334").sort_values("ratio").iloc[-1]
    return (
        f"With 1 worker and {both['cpu_threads']:.0f} threads two files took "
        f"{both['makespan_s_few']:.1f} s, with 2 workers {both['makespan_s_many']:.1f} s (Epyc); "
        "files one after another were not measured, so parallel with 1 worker is not shown."
    )


@says_of("cpu")
def two_workers(cpu: pd.DataFrame) -> str:
    """One worker over two, at every number of threads."""
    both = _worker_ratio(cpu, 1, 2, "epyc-9334")
    return (
        f"Makespan with 1 worker over that with 2 (Epyc, {len(both)} thread counts): "
        f"{both['ratio'].min():.2f} to {both['ratio'].max():.2f}."
    )


@says_of("cpu")
def more_workers_time(cpu: pd.DataFrame) -> str:
    """More workers that took longer."""
    table = _timed(cpu, "one_model")
    table = table[table["num_workers"] >= 2]
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


@says_of("cpu")
def more_workers_cpu(cpu: pd.DataFrame) -> str:
    """More workers that used less of the CPU."""
    table = _timed(cpu, "one_model")
    two, more = table[table["num_workers"] == 2], table[table["num_workers"] > 2]
    both = two.merge(more, on=["machine", "cpu_threads"], suffixes=("_two", "_more"))
    both = both[both["makespan_s_more"] < 2 * both["makespan_s_two"]]  # not the collapsed ones
    ratio = both["cpu_in_use_more"] / both["cpu_in_use_two"]
    return (
        f"Contradicted: in {len(both)} rows with 4 or 8 workers the CPU in use is "
        f"{ratio.min():.2f} to {ratio.max():.2f} times that with 2."
    )


@says_of("cpu")
def cpu_in_use(cpu: pd.DataFrame) -> str:
    """The CPU in use against threads that could be busy."""
    table = _timed(cpu)
    table = table[(table["machine"] == "epyc-9334") & (table["makespan_s"] < 30)]
    busy = table["num_workers"].clip(upper=2) * table["cpu_threads"] / 128 * 100
    close = (table["cpu_in_use"] - busy).abs() <= 0.12 * busy + 0.1
    return (
        f"The CPU in use is min(workers, 2) {words.TIMES} threads / 128 in {int(close.sum())} of "
        f"{len(table)} rows (Epyc, not collapsed), also where more threads made nothing faster: "
        "threads that wait in a spin loop count as used."
    )


@says_of("cpu")
def best_rows(cpu: pd.DataFrame) -> str:
    """The shortest makespan of each machine and the threads near it."""
    table = _timed(cpu, "one_model")
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


@says_of("gpu")
def three_gpus(gpu: pd.DataFrame) -> str:
    """One model against three on three GPUs."""
    one, many = _gpu_makespans(gpu, 3)
    return (
        f"The makespan of one model is {one:.1f} s against {many:.1f} s, "
        f"{100 * (one / many - 1):.0f} % longer; one run each."
    )


@says_of("gpu")
def one_gpu(gpu: pd.DataFrame) -> str:
    """One model against three on one GPU."""
    one, many = _gpu_makespans(gpu, 1)
    longer = 100 * (one / many - 1)
    word = "longer" if longer > 0 else "shorter"
    return (
        f"The makespan of one model is {one:.1f} s against {many:.1f} s, {abs(longer):.0f} % "
        f"{word}; one run each."
    )
