"""Text that strangers wrote (labels, file names, errors, transcripts), fit to be shown.

It is put on one line, kept short, and does not say whose machine it comes from. Escaping for HTML
is the template engine's work, not done here.
"""

from __future__ import annotations

import os
import re
import unicodedata
from typing import Any

#: Between thousands (a narrow space that does not break).
THIN_SPACE = "\u202f"

#: Home folders, as they may stand in an error or a model's name: whose they are is private.
_HOMES = re.compile(
    r"(?:\.\.(?=/)(?:/\.\.)*)?(?:/home|/Users|[A-Za-z]:\\Users)[/\\][^/\\\s'\":,;]+|/root(?=/|\b)"
)
#: The folders in front of a name: in quotes with spaces, else without.
_QUOTED_FOLDERS = re.compile(r"""(?<=['"])(?:~|[A-Za-z]:)?[/\\][^'"\n]*[/\\](?=[^/\\'"\n]*['"])""")
_FOLDERS = re.compile(
    r"""(?<![\w.…:/\\-])(?:file://)?(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'":;,]+[/\\])+"""
)


def hide_homes(text: str, home: str | None = None) -> str:
    """`text` with home folders as `~`; `home` is ours unless another is given."""
    home = os.path.expanduser("~") if home is None else home
    if home.count("/") > 1 or home == "/root":
        text = re.sub(rf"(?:\.\.(?=/)(?:/\.\.)*)?{re.escape(home)}(?![^/\s'\":,;])", "~", text)
    return _HOMES.sub("~", text)


def hide_places(error: str, host: str = "") -> str:
    """An error as tables and reports may hold it: no folder, no host, no home.

    An absolute path keeps its last part, the host's name (with and without its domain) becomes
    `…`. The run record has the whole text.
    """
    text = _FOLDERS.sub("…/", _QUOTED_FOLDERS.sub("…/", hide_homes(error)))
    names = [name for name in {host, host.partition(".")[0]} if name not in ("", "localhost")]
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "…", text)
    return text


def clean(value: Any, limit: int = 200) -> str:
    """`value` as one line of at most `limit` letters; empty where there is none.

    Control and formatting characters go: bidirectional overrides could reorder what stands beside
    them. Letters of any script stay, and the space between thousands. Home folders become `~`.
    """
    if value is None or value != value:  # NaN
        return ""
    letters = []
    for letter in hide_homes(str(value)[: limit * 4 + 100]):
        category = unicodedata.category(letter)
        if letter in "\t\n\r\v\f" or category in ("Zl", "Zp", "Zs"):
            letters.append(letter if letter == THIN_SPACE else " ")
        elif category not in ("Cc", "Cf", "Cs", "Co", "Cn"):
            letters.append(letter)
    text = re.sub(" +", " ", "".join(letters)).strip()
    return text if len(text) <= limit else text[: max(1, limit - 1)].rstrip() + "…"


def in_brief(error: Any) -> str:
    """The first line of an error, at most 160 letters: where it happened and, at its end, why.

    A line that ends with a colon goes on in the next.
    """
    first, *others = str(error).strip().splitlines() or [""]
    return shorten_middle(f"{first} {others[0]}" if first.endswith(":") and others else first, 160)


def shorten_middle(value: Any, limit: int) -> str:
    """`value` on one line with its middle left out: file names differ at both ends."""
    text = clean(value, 1000)
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return text[: limit - 1 - tail] + "…" + text[len(text) - tail :]
