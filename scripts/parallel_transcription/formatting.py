"""Numbers, units and untrusted text, as figures and reports show them."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from typing import Any

#: How strategies are called in prose, tables and figures.
STRATEGY_NAMES = {
    "one_model": "one model",
    "multi_model": "many models",
    "multi_process": "many processes",
}

DUMMY_NOTICE = "dummy weights: real architecture and work, no meaningful text"
EMBEDDED_NOTICE = "small demonstration model"

# Letters that look like others, named so that nobody mistakes one for a typing error.
TIMES = "\u00d7"
MINUS = "\u2212"
NOTHING = "\u2013"


def strategy_name(strategy: Any) -> str:
    return STRATEGY_NAMES.get(str(strategy), clean(strategy, 30))


def strategy_place(strategy: Any) -> int:
    """Where a strategy stands in the order of tables."""
    names = list(STRATEGY_NAMES)
    return names.index(str(strategy)) if str(strategy) in names else len(names)


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or value != value


#: Home folders, as they may stand in an error or a model's name: whose they are is private.
_HOMES = re.compile(
    r"(?:\.\.(?=/)(?:/\.\.)*)?(?:/home|/Users|[A-Za-z]:\\Users)[/\\][^/\\\s'\":,;]+|/root(?=/|\b)"
)
#: The folders in front of a name: in quotes with spaces, else without.
_QUOTED_FOLDERS = re.compile(r"""(?<=['"])(?:~|[A-Za-z]:)?[/\\][^'"\n]*[/\\](?=[^/\\'"\n]*['"])""")
_FOLDERS = re.compile(
    r"""(?<![\w.…:/\\-])(?:file://)?(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'":;,]+[/\\])+"""
)


def private(text: str, home: str | None = None) -> str:
    """``text`` with home folders as ``~``; ``home`` is ours unless another is given."""
    home = os.path.expanduser("~") if home is None else home
    if home.count("/") > 1 or home == "/root":
        text = re.sub(rf"(?:\.\.(?=/)(?:/\.\.)*)?{re.escape(home)}(?![^/\s'\":,;])", "~", text)
    return _HOMES.sub("~", text)


def anonymous(error: str, host: str = "") -> str:
    """An error as tables and reports may hold it: no folder, no host, no home.

    An absolute path keeps its last part, the host's name (with and without its domain) becomes
    ``…``. The run record has the whole text.
    """
    text = _FOLDERS.sub("…/", _QUOTED_FOLDERS.sub("…/", private(error)))
    names = [name for name in {host, host.partition(".")[0]} if name not in ("", "localhost")]
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "…", text)
    return text


def clean(value: Any, limit: int = 200) -> str:
    """Untrusted text on one line: control and formatting characters out, at most ``limit`` letters.

    Bidirectional overrides could reorder what stands beside them; they go. Letters of any script
    stay. Home folders become ``~``. Escaping for HTML is the template engine's work, not done here.
    """
    if is_missing(value):
        return ""
    letters = []
    for letter in private(str(value)[: limit * 4 + 100]):
        category = unicodedata.category(letter)
        if letter in "\t\n\r\v\f" or category in ("Zl", "Zp", "Zs"):
            letters.append(" ")
        elif category not in ("Cc", "Cf", "Cs", "Co", "Cn"):
            letters.append(letter)
    text = " ".join("".join(letters).split())
    return text if len(text) <= limit else text[: max(1, limit - 1)].rstrip() + "…"


def shorten_middle(value: Any, limit: int) -> str:
    """``value`` on one line with its middle left out: file names differ at both ends."""
    text = clean(value, 1000)
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return text[: limit - 1 - tail] + "…" + text[len(text) - tail :]


def number(value: Any, digits: int = 3, missing: str = NOTHING) -> str:
    """``value`` with ``digits`` significant digits, never in powers of ten; thousands set apart."""
    if is_missing(value):
        return missing
    value = float(value)
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    # rounding may add a digit (9.996 -> 10.00): count again on the rounded number
    rounded = round(value, decimals)
    if rounded:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return fixed(value, min(decimals, 6))


def fixed(value: Any, decimals: int, missing: str = NOTHING) -> str:
    """``value`` with ``decimals`` decimals, a true minus and thin spaces between thousands."""
    if is_missing(value):
        return missing
    value = float(value)
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    text = f"{value:,.{decimals}f}".replace(",", "\u202f")
    return text.replace("-", MINUS)


def setting(value: Any, missing: str = NOTHING) -> str:
    """A number as someone wrote it in a study: ``60``, ``0.1``, without digits that say nothing."""
    return missing if is_missing(value) else f"{float(value):.6g}".replace("-", MINUS)


def integer(value: Any, missing: str = NOTHING) -> str:
    return missing if is_missing(value) else fixed(round(float(value)), 0)


def seconds(value: Any, missing: str = NOTHING) -> str:
    """Seconds with about three digits and at most two decimals."""
    if is_missing(value):
        return missing
    value = float(value)
    return fixed(value, 2 if abs(value) < 100 else 1 if abs(value) < 1000 else 0)


def percent(value: Any, decimals: int = 1, missing: str = NOTHING) -> str:
    return missing if is_missing(value) else f"{fixed(float(value) * 100, decimals)} %"


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{integer(count)} {one if count == 1 else many or one + 's'}"


def effect_parts(value: float, low: float | None, high: float | None, unit: str) -> tuple[str, str]:
    """A number with its unit, and its interval: ``1.003 s``, ``0.991 to 1.017``."""
    ends = [None if end is None or math.isinf(end) else end for end in (low, high)]
    show = _one_precision(value, *ends)
    text = f"{show(value)}\u202f{unit}" if unit else show(value)
    below, above = (None if end is None else show(end) for end in ends)
    if below is None:
        return text, "" if above is None else f"at most {above}"
    return text, f"at least {below}" if above is None else f"{below} to {above}"


def effect_text(value: float, low: float | None, high: float | None, unit: str) -> str:
    """A number with its unit and interval: ``1.003 s (0.991 to 1.017)``."""
    text, interval = effect_parts(value, low, high, unit)
    return f"{text} ({interval})" if interval else text


def _one_precision(value: float, low: float | None, high: float | None):
    """How to show a value and the ends of its interval.

    Alike, with digits that the interval's width makes sense of; each with digits of its own where
    the interval is so wide that one precision does not suit both ends.
    """
    if low is not None and high is not None and high - low > 2 * abs(value) > 0 and low > 0:
        return number
    decimals = _decimals(value, low, high)
    return lambda x: fixed(x, decimals)


def with_interval(value: float, low: float | None, high: float | None, decimals: int = 3) -> str:
    """A ratio or an amount with its interval, for a column of them; an open end as a bound.

    ``decimals`` are those of numbers below 10; greater ones have as many digits in all.
    """

    def show(x: float) -> str:
        return fixed(x, max(0, decimals - max(0, math.floor(math.log10(abs(x))))) if x else 0)

    if low is None and high is None:
        return show(value)
    if high is None:
        return f"≥ {show(low)}"
    if low is None:
        return f"≤ {show(high)}"
    return f"{show(value)} ({show(low)} to {show(high)})"


def _decimals(value: float, low: float | None, high: float | None) -> int:
    """Decimals that fit value and interval alike: two digits of the interval's width."""
    value = abs(value)
    ends = [e for e in (low, high) if e is not None]
    if value and value == int(value) and all(e == int(e) for e in ends):
        return 0
    if len(ends) == 2 and ends[1] > ends[0]:
        digits = 1 - math.floor(math.log10(ends[1] - ends[0]))
        # four digits in all are enough, however narrow the interval
        most = 3 - math.floor(math.log10(value)) if value else 3
        return min(3, max(0, min(digits, most)))
    if not value:
        return 0
    return min(3, max(0, 2 - math.floor(math.log10(value))))
