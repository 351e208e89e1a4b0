"""Reads a study file, and refuses what YAML would misread in silence.

YAML takes the last of two equal keys, reads `no` as false, `010` as eight and `1:30` as
ninety, can name Python objects and can blow a few lines up to gigabytes. None of that is meant in a
study; each ends with one line that names file, line and remedy.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from parallel_transcription.errors import InputError
from parallel_transcription.inputs.regular_file import Unreadable, size_of

LARGEST_FILE = 200_000  # bytes
MOST_VALUES = 50_000  # with aliases written out
DEEPEST = 20  # levels of lists and mappings
LONGEST_NUMBER = 18  # digits
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool"))
_TEMPLATE = "__use_yte__"
_NAMES = {"int": "an integer", "bool": "a boolean", "null": "null"}


class StudyError(InputError):
    """What is wrong with a study: file, key, value and remedy, one line each."""


class Problems:
    """What is wrong with a study in several places, so that all of it is said at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """One more."""
        self._lines.append(line)

    @contextlib.contextmanager
    def of(self) -> Iterator[None]:
        """What is refused inside is kept for later."""
        try:
            yield
        except StudyError as error:
            self._lines += str(error).split("\n")

    def end(self) -> None:
        """Raises StudyError with a line for each, if there are any."""
        if self._lines:
            raise StudyError("\n".join(dict.fromkeys(self._lines)))


def read_study_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The study in a YAML file, as plain Python values; says nothing of its keys.

    Raises:
        StudyError: for a file that cannot be read, is no YAML, or holds what YAML would misread.
    """
    file = os.fspath(path)
    text = _read(Path(path), file)
    try:
        _check_events(text, file)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(node, yaml.MappingNode):
            what = "is empty" if node is None else "holds no mapping"
            raise StudyError(
                f"{file}: {what}; a study is a mapping of keys to values (audio, grid)"
            )
        _check_nodes(node, file)
        study: dict[str, Any] = yaml.SafeLoader("").construct_document(node)
        return study
    except yaml.YAMLError as error:
        raise StudyError(f"{file}: {_explain(error)}") from None


def _read(path: Path, file: str) -> str:
    try:
        size = size_of(path, "the study's YAML file")
        if size > LARGEST_FILE:
            raise StudyError(
                f"{file}: has {size} bytes, more than {LARGEST_FILE}; a study is a few lines of "
                "YAML: is this another file?"
            )
        content = path.read_bytes()
    except Unreadable as error:
        raise StudyError(f"{file}: {error}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise StudyError(
            f"{file}: line {line}: is not UTF-8 text; save the file as UTF-8"
        ) from None


def _explain(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    if isinstance(error, yaml.reader.ReaderError):
        return f"holds the character #x{error.character:04x}, which YAML does not allow; remove it"
    problem = getattr(error, "problem", None) or str(error)
    remedy = "see config/README.md for the form of a study"
    if "'\\t'" in problem:
        remedy = "indent with spaces, not with tabs"
    elif "alias" in problem or "expected alphabetic" in problem:
        remedy = "put texts that begin with * or & in quotes"
    elif "cannot start any token" in problem:
        remedy = "put texts that begin with a special character in quotes"
    elif "mapping values are not allowed" in problem:
        remedy = "put texts that contain ': ' in quotes"
    elif "expected a single document" in str(error):
        remedy = "keep one study in a file, without '---' inside"
    return f"{where}is not YAML ({problem}); {remedy}"


def _check_events(text: str, file: str) -> None:
    """Tags and nesting, before anything is built from the text."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{file}: line {_line(event)}: "
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise StudyError(f"{where}more than {DEEPEST} levels of lists or mappings; flatten")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        tag = getattr(event, "tag", None)
        if tag and tag != "!" and tag not in _PLAIN_TAGS:
            shown = tag.replace("tag:yaml.org,2002:", "!!")[:60]
            raise StudyError(f"{where}the tag {shown!r} is not allowed; write plain values")


def _check_nodes(root: yaml.MappingNode, file: str) -> None:
    """Keys and scalars as they are written; every node once, however often it is named."""
    waiting: list[yaml.Node] = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            _check_keys(node, file)
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.ScalarNode):
            _check_scalar(node, file)


def _check_keys(node: yaml.MappingNode, file: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = _line(key)
        where = f"{file}: line {line}: "
        if not isinstance(key, yaml.ScalarNode):
            raise StudyError(f"{where}a list or mapping is no key; keys are words")
        kind = key.tag.rpartition(":")[2]
        if kind == "merge":
            if key.value in lines:
                raise StudyError(f"{where}<< stands there a second time; give one, with a list")
            lines[key.value] = line
            continue
        if kind != "str":
            raise StudyError(
                f"{where}YAML reads the key {key.value[:60]!r} as {_NAMES.get(kind, f'a {kind}')}; "
                'put it in quotes: "…"'
            )
        if key.value == _TEMPLATE:
            raise StudyError(
                f"{where}{_TEMPLATE}: templates run code, so a study has none; write the values"
            )
        if key.value in lines:
            raise StudyError(
                f"{where}the key {key.value[:60]!r} stands there a second time (first in line "
                f"{lines[key.value]}), and YAML would take only the last; remove one"
            )
        lines[key.value] = line


def _line(part: yaml.Node | yaml.Event) -> int:
    return part.start_mark.line + 1 if part.start_mark else 0


def _check_scalar(node: yaml.ScalarNode, file: str) -> None:
    kind, text = node.tag.rpartition(":")[2], node.value
    plain = text.lstrip("+-").replace("_", "")
    where = f"{file}: line {_line(node)}: {text[:40]!r} "
    if kind in ("int", "float") and ":" in text:
        raise StudyError(
            f"{where}is read as a number to base 60; write plain numbers, texts in quotes"
        )
    if kind == "int" and re.match(r"0[0-9]", plain):
        raise StudyError(f"{where}is read as an octal number; leave the leading 0 out")
    if kind == "int" and len(plain) > LONGEST_NUMBER:
        raise StudyError(f"{where}has {len(plain)} digits; the bound is {LONGEST_NUMBER}")
    if kind == "timestamp":
        raise StudyError(f'{where}is read as a date; put it in quotes: "{text[:40]}"')


def problems_in(config: Any) -> Iterator[str]:
    """What no study may hold at any place, whoever read it: a line `key: problem` for each.

    Ends at the first problem of size: aliases can make endless what is short when written.
    """
    waiting: list[tuple[str, int, Any]] = [("", 0, config)]
    count = 0
    while waiting:
        key, depth, value = waiting.pop()
        count += 1
        if depth > DEEPEST:
            yield f"{key[:80]}: more than {DEEPEST} levels of lists or mappings; flatten it"
            return
        if count > MOST_VALUES:
            yield f"more than {MOST_VALUES} values (aliases count where they stand); shorten it"
            return
        if isinstance(value, Mapping):
            waiting += [
                (f"{key}{'.' if key else ''}{_word(k)}", depth + 1, v) for k, v in value.items()
            ]
            wrong = [k for k in value if not isinstance(k, str)]
            if wrong:
                yield f"{key}: the key {_word(wrong[0])} is no word; put it in quotes".lstrip(": ")
        elif isinstance(value, list | tuple):
            waiting += [(f"{key}[{i}]", depth + 1, v) for i, v in enumerate(value)]
        elif problem := _problem_of(key, value):
            yield f"{key}: {problem}".lstrip(": ")


def _word(key: Any) -> str:
    """A key as a message shows it; what cannot be printed is escaped."""
    return key if isinstance(key, str) and key.isprintable() and len(key) <= 60 else repr(key)[:60]


def _problem_of(key: str, value: Any) -> str | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        big = abs(value) >= 10**LONGEST_NUMBER
        return (
            f"an integer of more than {LONGEST_NUMBER} digits; give a smaller one" if big else None
        )
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is no finite number; give one"
    if isinstance(value, str):
        return _problem_of_text(value, of_a_file=key.startswith("audio["))
    if isinstance(value, datetime.date):
        return f'{value} is read as a date; put it in quotes: "{value}"'
    return f"a {type(value).__name__} is no value for a study; write plain values"


def _problem_of_text(text: str, of_a_file: bool) -> str | None:
    """File names may be any that a file system takes; all other texts can be printed."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return f"{text[:60]!a} holds half a character (a lone surrogate); correct it"
    if not of_a_file and not text.isprintable():
        return f"{text[:60]!r} holds characters that cannot be printed; remove them"
    return None
