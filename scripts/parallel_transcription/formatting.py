"""Numbers, units and untrusted text, as figures and reports show them."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

#: How strategies are called in prose, tables and figures.
STRATEGY_NAMES = {
    "one_model": "one model",
    "multi_model": "many models",
    "multi_process": "many processes",
    "batched": "batched",
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


def clean(value: Any, limit: int = 200) -> str:
    """Untrusted text on one line: control and formatting characters out, at most ``limit`` letters.

    Bidirectional overrides could reorder what stands beside them; they go. Letters of any script
    stay. Escaping for HTML is the template engine's work, not done here.
    """
    if is_missing(value):
        return ""
    letters = []
    for letter in str(value)[: limit * 4 + 100]:
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


def effect_parts(effect: dict | None) -> dict[str, str]:
    """An effect in two pieces: the value with its unit, and the interval."""
    if not effect or is_missing(effect.get("value")):
        return {"value": NOTHING, "interval": ""}
    text = effect_text(effect)
    value, _, interval = text.partition(" (")
    return {"value": value, "interval": interval.removesuffix(")")}


def effect_text(effect: dict | None) -> str:
    """An effect with its unit and interval: ``1.003 s (0.991 to 1.017)``."""
    if not effect or is_missing(effect.get("value")):
        return NOTHING
    unit = clean(effect.get("unit"), 20)
    decimals = _decimals(effect)
    value = fixed(effect["value"], decimals)
    text = f"{value}\u202f{unit}" if unit else value
    low, high = effect.get("low"), effect.get("high")
    if is_missing(low) and is_missing(high):
        return text
    if is_missing(low) or math.isinf(float(low)):
        return f"{text} (at most {fixed(high, decimals)})"
    if is_missing(high) or math.isinf(float(high)):
        return f"{text} (at least {fixed(low, decimals)})"
    return f"{text} ({fixed(low, decimals)} to {fixed(high, decimals)})"


def _decimals(effect: dict) -> int:
    """Decimals that fit value and interval alike: two digits of the interval's width."""
    value = abs(float(effect["value"]))
    ends = [effect.get("low"), effect.get("high")]
    ends = [float(e) for e in ends if not is_missing(e) and math.isfinite(float(e))]
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
