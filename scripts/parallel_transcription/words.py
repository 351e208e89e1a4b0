"""One language of words and numbers: how values, intervals and configurations are said."""

from __future__ import annotations

import math
from collections.abc import Iterable

TIMES = "\u00d7"  # the multiplication sign


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, without exponent: 1.91, 0.052, 1,316."""
    if value is None or not math.isfinite(value):
        return "unknown"
    if abs(value) < 1e-9:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{round(value, places):,.{places}f}"
    return text


def level(confidence: float) -> str:
    """0.95 -> "95 %"."""
    return f"{100 * confidence:g} %"


def interval(low: float, high: float, confidence: float = 0.95, unit: str = "") -> str:
    """ "95 % interval 1.85 to 1.97"; open ends (censored times) are said.

    Both ends get as many decimals as the interval's width makes worth reading.
    """
    start = f"{level(confidence)} interval"
    unit = f" {unit}" if unit else ""
    low = math.nan if low is None else low
    high = math.nan if high is None else high
    if math.isfinite(low) and math.isfinite(high):
        if high - low > max(abs(low), abs(high)) / 2 and low > 0:  # wide: two digits each will do
            return f"{start} {number(low, 2)} to {number(high, 2)}{unit}"
        places = _places(low, high)
        return f"{start} {low:,.{places}f} to {high:,.{places}f}{unit}"
    if math.isfinite(low):
        return f"{start} from {number(low)}{unit}, no upper end"
    if math.isfinite(high):
        return f"{start} up to {number(high)}{unit}"
    return "no interval"


def _places(low: float, high: float) -> int:
    """Decimals that round by a tenth of the width at most, where 4 digits in all allow it.

    0.31 wide -> 2 (0.84 to 1.15), 0.068 wide -> 2, 0.015 wide -> 3.
    """
    width, top = high - low, max(abs(low), abs(high), 1e-9)
    most = max(0, 3 - math.floor(math.log10(top)))
    if width <= 0:
        return min(most, 3)
    return max(0, min(most, math.ceil(-math.log10(width / 5))))


def estimate(value: float, low: float, high: float, confidence: float = 0.95, of: str = "") -> str:
    """ "1.93 times as fast (95 % interval 1.89 to 1.96)", with the interval's decimals.

    of: what stands behind the number, such as "MB" or "times as fast".
    """
    spread = interval(low, high, confidence)
    if value is None or not math.isfinite(value):
        return "unknown"
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        text = f"{value:,.{_places(low, high)}f}"
        if low > 0 and high - low > high / 2:
            text = number(value, 2)
    else:
        text = times(value)
    return f"{text}{' ' + of if of else ''} ({spread})"


def times(ratio: float) -> str:
    """A ratio: three decimals near 1, else three digits."""
    if math.isfinite(ratio) and 0.9 <= ratio <= 1.1:
        return f"{ratio:.3f}"
    return number(ratio)


def percent(share: float, digits: int = 2) -> str:
    return f"{number(100 * share, digits)} %"


def change(ratio: float) -> str:
    """1.031 -> "3.1 % longer", 0.95 -> "5.0 % shorter"."""
    if not math.isfinite(ratio):
        return "unknown"
    share = ratio - 1
    if abs(share) < 0.0005:
        return "the same time"
    return f"{abs(100 * share):.1f} % {'longer' if share > 0 else 'shorter'}"


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def listing(items: Iterable[str]) -> str:
    items = list(items)
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]


NAMES = {
    "one_model": "one model",
    "multi_model": "many models",
    "multi_process": "many processes",
}


def name_of(row) -> str:
    """A configuration in words: "one model, 2 workers, 1 thread"."""
    strategy, instances = row["strategy"], int(row["instances"])
    if strategy == "one_model":
        who = "one model"
    elif strategy == "multi_model":
        who = plural(instances, "model")
    elif strategy == "multi_process":
        who = plural(instances, "process", "processes")
    else:
        who = f"{strategy} x {instances}"
    workers = plural(int(row["num_workers"]), "worker") + (" each" if instances > 1 else "")
    text = f"{who}, {workers}, {plural(int(row['cpu_threads']), 'thread')}"
    if row["device"] != "cpu":
        text += f", {row['device']} {row['device_index']}"
    if int(row["callers"]) == 1 and int(row["files_in_parallel"]) > 1:
        text += ", files one after another"
    if int(row["batch_size"]):
        text += f", batches of {int(row['batch_size'])}"
    return text


def setting(row: dict) -> str:
    """ "2 workers × 1 thread"."""
    return (
        f"{plural(int(row['workers']), 'worker')} {TIMES} "
        f"{plural(int(row['cpu_threads']), 'thread')}"
    )
