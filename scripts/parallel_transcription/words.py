"""One language of words and numbers: how values, intervals and configurations are said.

Numbers look alike in answers, tables and figures: never in powers of ten, a thin space between
thousands (a comma is a decimal sign to half of the readers), a true minus. An interval decides how
many decimals it and its estimate are worth. What is missing is `unknown` in a sentence and a dash
in a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from parallel_transcription.untrusted import THIN_SPACE, clean

# Letters that look like others, named so that nobody mistakes one for a typing error.
TIMES = "\u00d7"
MINUS = "\u2212"
#: What is missing: in a sentence, and in a table.
UNKNOWN = "unknown"
NOTHING = "\u2013"


def is_missing(value: Any) -> bool:
    """Whether there is no value: None, NaN, NaT, pandas' NA."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # NA is neither equal nor unequal to anything
        return True


# ---------------------------------------------------------------- numbers


def number(value: Any, digits: int = 3) -> str:
    """`value` with so many significant digits: 1.91, 0.0520, 10.0, 1 316."""
    if not is_missing(value) and abs(value) < 1e-9:
        return "0"
    return fixed(value, 0 if _is_special(value) else _decimals(value, digits))


def fixed(value: Any, decimals: int) -> str:
    """`value` with so many decimals."""
    if is_missing(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{abs(value):,.{decimals}f}".replace(",", THIN_SPACE)
    # what rounds to zero has no sign
    return f"{MINUS}{text}" if value < 0 and text.strip("0.") else text


def integer(value: Any) -> str:
    """`value` without decimals."""
    return fixed(value, 0)


def as_written(value: Any) -> str:
    """A number as someone wrote it in a study, without digits that say nothing: 60, 0.1."""
    if _is_special(value) or not value:
        return fixed(value, 0)
    text = fixed(value, _decimals(value, 6))
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """How long something takes, roughly: 45 s, 5 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def seconds(value: Any) -> str:
    """Seconds with four digits in all, and at most two decimals: 0.05, 12.34, 123.4, 1 234."""
    return fixed(value, 0 if _is_special(value) else min(2, _decimals(value, 4)))


def percent(share: Any, digits: int = 2, *, decimals: int | None = None) -> str:
    """A share as a percentage, with so many significant digits or so many decimals."""
    if is_missing(share):
        return UNKNOWN
    value = 100 * share
    return f"{number(value, digits) if decimals is None else fixed(value, decimals)} %"


def level(confidence: float) -> str:
    """A level of confidence: 0.95 is "95 %"; two digits of what it lacks to 1 ("99.88 %")."""
    lacks = 100 * (1 - confidence)
    digits = max(0, min(9, 1 - math.floor(math.log10(lacks)))) if lacks > 0 else 0
    text = f"{100 * confidence:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def times(ratio: Any) -> str:
    """A ratio: three decimals near 1, else three digits."""
    if not is_missing(ratio) and 0.9 <= ratio <= 1.1:
        return fixed(ratio, 3)
    return number(ratio)


def plural(count: Any, one: str, many: str | None = None) -> str:
    """A count with its noun: "1 file", "2 files"."""
    return f"{integer(count)} {one if count == 1 else many or one + 's'}"


def cpus(count: Any) -> str:
    """A number of CPUs, which need not be whole: "1 CPU", "1.5 CPUs"."""
    return f"{as_written(count)} CPU{'' if count == 1 else 's'}"


def listing(items: Iterable[str]) -> str:
    """Items in a row, the last one after an "and": a, b and c."""
    items = list(items)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


#: Below it a number is what rounding leaves of a sum that is zero.
ROUNDING = 1e-9


def _is_special(value: Any) -> bool:
    return is_missing(value) or math.isinf(value)


def _decimals(value: float, digits: int) -> int:
    """Decimals with which a finite `value` has so many significant digits, none below zero.

    Counted on the rounded number: 9.996 with three digits is 10.0. What rounding leaves of sums
    that are zero counts as zero.
    """
    value = value if abs(value) > ROUNDING else 0.0
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return max(0, digits - 1 - exponent)


# ---------------------------------------------------------------- estimates and their intervals


def interval(
    low: float | None, high: float | None, confidence: float = 0.95, unit: str = ""
) -> str:
    """An interval in words: "95 % interval 1.85 to 1.97".

    A missing or infinite end (censored times) is open.
    """
    low, high = _end(low), _end(high)
    show = number if low is None or high is None else _precision(low, high)
    return _interval(low, high, show, confidence, f" {unit}" if unit else "")


def estimate(
    value: float | None,
    low: float | None,
    high: float | None,
    confidence: float = 0.95,
    of: str = "",
) -> str:
    """A number and its interval: "1.93 times as fast (95 % interval 1.89 to 1.96)".

    Args:
        value: The estimate.
        low: Where its interval begins; missing or infinite where that end is open.
        high: Where its interval ends.
        confidence: Of the interval.
        of: What stands behind the number, such as "MB" or "times as fast".
    """
    if value is None or _is_special(value):
        return UNKNOWN
    low, high = _end(low), _end(high)
    show = _for_estimate(value, low, high)
    text = f"{show(value)} {of}" if of else show(value)
    return f"{text} ({_interval(low, high, show, confidence)})"


def _interval(
    low: float | None,
    high: float | None,
    show: Callable[[float], str],
    confidence: float,
    unit: str = "",
) -> str:
    said = _range(low, high, show, f"from {{}}{unit}, no upper end", f"up to {{}}{unit}")
    if low is not None and high is not None:
        said += unit
    return f"{level(confidence)} interval {said}" if said else "no interval"


def with_interval(value: float, low: float | None, high: float | None) -> str:
    """An estimate in a column of such: "1.93 (1.89 to 1.96)"; where an end is open, the bound."""
    low, high = _end(low), _end(high)
    show = _for_estimate(value, low, high)
    said = _range(low, high, show, "≥ {}", "≤ {}")
    if low is not None and high is not None:
        return f"{show(value)} ({said})"
    return said or show(value)


def value_and_interval(
    value: float, low: float | None, high: float | None, unit: str = ""
) -> tuple[str, str]:
    """An estimate with its unit, and its interval beside it: ("1.93 ×", "1.89 to 1.96")."""
    low, high = _end(low), _end(high)
    show = _for_estimate(value, low, high)
    text = f"{show(value)}{THIN_SPACE}{unit}" if unit else show(value)
    return text, _range(low, high, show, "at least {}", "at most {}")


def _range(
    low: float | None, high: float | None, show: Callable[[float], str], least: str, most: str
) -> str:
    """What is known of an interval; `least` and `most` say it where the other end is open."""
    if low is not None and high is not None:
        return f"{show(low)} to {show(high)}"
    if low is not None:
        return least.format(show(low))
    return "" if high is None else most.format(show(high))


def _end(value: float | None) -> float | None:
    """An end of an interval; None where the interval is open there."""
    return None if value is None or _is_special(value) else float(value)


def _for_estimate(value: float, low: float | None, high: float | None) -> Callable[[float], str]:
    """How to show an estimate and the ends of its interval: counts whole, the rest alike."""
    if all(end is None or end == int(end) for end in (value, low, high)):
        return integer
    if low is None or high is None:
        return times
    return _precision(low, high)


def _precision(low: float, high: float) -> Callable[[float], str]:
    """How to show the ends of an interval, and what lies in it.

    Alike, with two digits of the width and at most four digits in all: 0.84 to 1.15, 0.992 to
    1.007. Where the lower end would keep fewer than two digits, each has two of its own: 0.96 to
    2.1, of which the reader sees that it holds 1.
    """
    top = max(abs(low), abs(high))
    most = _decimals(top, 4) if top else 0
    width = high - low
    decimals = min(most, _decimals(width, 2)) if width > ROUNDING else min(most, 3)
    if 0 < low < 10.0 ** (1 - decimals):
        return lambda value: number(value, 2)
    return lambda value: fixed(value, decimals)


# ---------------------------------------------------------------- configurations in words

#: How strategies are called in prose, tables and figures, in the order of tables.
STRATEGY_NAMES = {
    "one_model": "one model",
    "multi_model": "many models",
    "multi_process": "many processes",
    "service": "a service",
}


def strategy_name(strategy: Any) -> str:
    """A strategy in words; one that is not known here as it is."""
    return STRATEGY_NAMES.get(str(strategy), clean(strategy, 30))


def strategy_place(strategy: Any) -> int:
    """Where a strategy stands in the order of tables."""
    names = list(STRATEGY_NAMES)
    return names.index(str(strategy)) if str(strategy) in names else len(names)


def instances(strategy: str, count: Any) -> str:
    """The models of a configuration: "one model", "2 models", "2 processes"."""
    if strategy == "one_model":
        return STRATEGY_NAMES[strategy]
    if strategy == "multi_process":
        return plural(int(count), "process", "processes")
    return plural(int(count), "model")


def of_service(row: Mapping[str, Any]) -> str:
    """A service of a configuration: "service asr", "service asr in 2 processes"."""
    name = f"service {clean(row['service'], 40)}"
    count = int(row["instances"])
    return name if count == 1 else f"{name} in {count} processes"


def threads(count: Any) -> str:
    """The threads of a worker; 0 are those that the engine chooses."""
    return "automatic threads" if count == 0 else plural(int(count), "thread")


def setting(row: Mapping[str, Any], workers: str = "workers") -> str:
    """Workers and threads of a row of evidence: "2 workers × 1 thread".

    `workers` names the column that counts the workers. Threads that are missing are not named.
    """
    text = plural(int(row[workers]), "worker")
    if is_missing(row.get("cpu_threads")):
        return text
    return f"{text} {TIMES} {threads(row['cpu_threads'])}"


def name_of(row: Mapping[str, Any]) -> str:
    """A configuration (the dimensions of a run) in words: "one model, 2 workers, 1 thread"."""
    parts = [
        of_service(row) if row.get("service") else instances(row["strategy"], row["instances"]),
        plural(int(row["num_workers"]), "worker") + (" each" if row["instances"] > 1 else ""),
        threads(row["cpu_threads"]),
    ]
    if row["device"] != "cpu":
        parts.append(f"{row['device']} {row['device_index']}")
    if row.get("arrivals", AT_ONCE) != AT_ONCE:
        if row["callers"] != row["instances"] * row["num_workers"] and not row.get("service"):
            parts.append(plural(int(row["callers"]), "caller"))
        if row["discipline"] != "fifo":
            parts.append(DISCIPLINES[row["discipline"]])
    elif row["callers"] == 1 and row["files_in_parallel"] > 1:
        parts.append("files one after another")
    if row["batch_size"]:
        parts.append(batches(row["batch_size"]))
    return ", ".join(parts)


AT_ONCE = "at_once"
DISCIPLINES = {"fifo": "oldest first", "shortest": "shortest first"}


def load(row: Mapping[str, Any]) -> str:
    """How requests arrive, in words: "poisson, 2 per s, mix calls"; empty where all come at once.

    Args:
        row: The dimensions of a configuration.
    """
    if row["arrivals"] == AT_ONCE:
        return ""
    kind = "closed loop" if row["arrivals"] == "closed" else clean(row["arrivals"], 60)
    rate = str(row["rate"])
    said = f"{rate[:-1]} % of the capacity" if rate.endswith("%") else f"{rate} per s"
    mix = f"mix {clean(row['mix'], 40)}" if row["mix"] else ""
    return ", ".join(part for part in (kind, said if rate else "", mix) if part)


def of_work(row: Mapping[str, Any]) -> str:
    """A configuration and what it is given: "one model, 2 workers, 1 thread, 4 files"."""
    files = int(row["files_in_parallel"])
    given = load(row) or (plural(files, "file") if files else f"start {LOADS[row['load']]}")
    return f"{name_of(row)}, {given}"


#: What a cold start loads from.
LOADS = {
    "folder": "from a folder",
    "cached": "by name, cache filled",
    "cold": "by name, cache empty",
}


def batches(size: Any) -> str:
    """The option of decoding windows together: "batches of 4"."""
    return f"batches of {integer(size)}"


_OPTIONS = {
    "beam_size": "beam {}",
    "vad_filter": "VAD {}",
    "word_timestamps": "word times {}",
    "condition_on_previous_text": "previous text {}",
    "temperature_fallback": "temperature fallback {}",
}


def options(values: Mapping[str, Any]) -> list[str]:
    """Options of a transcription that are not the defaults, in words: "beam 1", "language en"."""
    found = []
    for name, value in values.items():
        if name == "thread_env":
            found += [clean(one, 40) for one in str(value).split()] or ["no thread variables"]
        elif name == "language":
            found.append(f"language {clean(value, 10)}")
        else:
            said = as_written(value) if isinstance(value, float) else clean(value)
            found.append(_OPTIONS[name].format(said))
    return found


def variant(row: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """What a configuration has that is neither its place in the grid nor a default, in words."""
    found = []
    files, callers = row["files_in_parallel"], row["callers"]
    if under := load(row):
        found.append(under)
        if callers != row["instances"] * row["num_workers"] and not row.get("service"):
            found.append(plural(int(callers), "caller"))
        if row["discipline"] != "fifo":
            found.append(DISCIPLINES[row["discipline"]])
    elif files > 0 and not is_missing(callers) and callers != files:
        found.append("one after another" if callers == 1 else plural(int(callers), "caller"))
    if row["replica"] > 1:
        found.append("same again")
    if row["load"] != "folder":
        found.append(LOADS[row["load"]])
    if row["init_stagger_s"] > 0:
        found.append(f"stagger {as_written(row['init_stagger_s'])} s")
    if row["batch_size"] > 0:
        found.append(batches(row["batch_size"]))
    if row["slowdown"] > 0:
        found.append(f"slowed by {as_written(row['slowdown'] * 100)} %")
    usual = str(defaults["thread_env"]).split()
    found += [clean(one, 40) for one in str(row["thread_env"]).split() if one not in usual]
    others = {n: row[n] for n in _OPTIONS if not is_missing(row[n]) and row[n] != defaults[n]}
    return ", ".join([*found, *options(others)])
