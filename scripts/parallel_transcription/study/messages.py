"""What is wrong with a study's values, in words: each key with its fault and a remedy."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from parallel_transcription.study.dimensions import BY_NAME, THREAD_VARIABLES
from parallel_transcription.study.keys import FOLLOWING
from parallel_transcription.study.settings import SETTINGS

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


#: Names that a pattern excludes.
_RESERVED = re.compile(r".*?\(\?!\(\?:(prepared[a-z|]+)")
#: Keys of earlier versions, and what does their work now.
REPLACED = {
    "confirmation_rounds": "; the best settings are confirmed by matches: decide: {minutes: 3}"
}


def schema_problems(values: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    """A line for each value that a JSON schema does not allow: the key, the fault and a remedy."""
    from jsonschema import Draft202012Validator  # not needed to measure what is planned

    errors = Draft202012Validator(schema).iter_errors(values)
    for error in sorted(errors, key=lambda e: list(map(str, e.path))):
        error = _innermost(error)
        yield f"{_key(error.absolute_path)}{_explain(error)}"


def _innermost(error: ValidationError) -> ValidationError:
    """Of the alternatives of an `anyOf`, the error that the writer most likely meant."""
    while error.validator == "anyOf" and error.context:
        fitting = [e for e in error.context if e.validator != "type"] or list(error.context)
        error = max(fitting, key=lambda e: len(e.absolute_path))
    return error


def _key(path: Iterable[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return f"{text}: " if text else ""


def _explain(error: ValidationError) -> str:
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    shown = short(value)
    match error.validator:
        case "additionalProperties":
            known = schema.get("properties", {})
            unknown = sorted(key for key in value if key not in known)
            whole = not error.absolute_path
            return "unknown key " + ", ".join(
                f"{short(key)}{_instead(key, known, whole)}" for key in unknown[:5]
            )
        case "required":
            missing = [key for key in rule if key not in value]
            docs = {s.name: s.doc for s in SETTINGS}
            told = ", ".join(f"{k!r} ({docs[k]})" if k in docs else repr(k) for k in missing)
            return f"missing key {told}; give it"
        case "enum":
            close = _boolean_hint(value) or _did_you_mean(value, rule)
            if len(rule) == 1:
                return f"{shown} is not {rule[0]}{close}"
            return f"{shown} is not one of {', '.join(map(str, rule))}{close}"
        case "minimum":
            return f"{shown} is too small; give at least {rule}"
        case "exclusiveMinimum":
            return f"{shown} is too small; give more than {rule}"
        case "maximum":
            return f"{shown} is too large; give at most {rule}"
        case "exclusiveMaximum":
            return f"{shown} is too large; give less than {rule}"
        case "type":
            name = error.absolute_path[-1] if error.absolute_path else ""
            remedy = BY_NAME[name].doc if name in BY_NAME else ""
            wanted = " or ".join([rule] if isinstance(rule, str) else rule)
            wanted = wanted.replace("object", "mapping").replace("array", "list")
            text = f"{shown} is {_article(_kind(value))}, not {_article(wanted)}"
            return f"{text}{_boolean_hint(value)}. {remedy}".rstrip(". ")
        case "minItems":
            if value:
                return f"a list of {len(value)}; give {error.validator_value} values"
            return "an empty list; give at least one value, or leave the key out"
        case "minProperties":
            return "an empty mapping; name at least one key, or leave it out"
        case "pattern":
            return f"{shown} does not fit; {_form(error)}"
        case "minLength" | "maxLength":
            return f"{shown} has {len(value)} characters; the bound is {rule}"
    return f"{shown}: {error.message[:300]}"


def _instead(key: Any, known: Iterable[str], whole: bool) -> str:
    """What to write in place of an unknown key; `whole`: it stands at the top of the study."""
    if key in REPLACED:
        return REPLACED[key]
    if whole and key in BY_NAME:
        return (
            f": it is a dimension; give it in a block of grid, or to all as defaults={{{key}: …}}"
        )
    return closest(key, known)


def _article(noun: str) -> str:
    return noun if noun == "null" else f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _form(error: ValidationError) -> str:
    """What a text must look like, in words."""
    name = next((n for n in reversed(error.absolute_path) if isinstance(n, str)), "")
    if name == "thread_env":
        return f"give NAME=value of {', '.join(THREAD_VARIABLES)}"
    if name == "gpu_model":
        return "give the model alone, as sinfo -o %G shows it between the colons; no count"
    if name in FOLLOWING:
        return (
            "give an integer, or what follows the machine's CPUs: cpus, a part such as cpus/2, or "
            "a multiple such as 2*cpus"
        )
    if name in BY_NAME:
        doc = BY_NAME[name].doc
        return f"give {doc[0].lower() if doc[1].islower() else doc[0]}{doc[1:]}".rstrip(".")
    reserved = _RESERVED.match(str(error.validator_value))
    taken = (
        f"; {reserved[1].replace('|', ', ')} are folders of results, and .csv, .json and the like "
        "are its files"
        if reserved
        else ""
    )
    return f"give up to 64 letters, digits, '.', '_' and '-', a letter or digit first{taken}"


def _boolean_hint(value: Any) -> str:
    """What to do where a word became a truth value."""
    if not isinstance(value, bool):
        return ""
    words = "yes, on" if value else "no, off"
    return f" (YAML reads {words} and {str(value).lower()} so: put a text in quotes)"


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list"}
    return "null" if value is None else names.get(type(value), "mapping")


def short(value: Any) -> str:
    """A value as a message shows it."""
    text = reprlib.repr(value) if isinstance(value, list | dict) else repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def closest(key: Any, known: Iterable[str]) -> str:
    """What the writer of an unknown key most likely meant, or all that there are if few."""
    known = list(known)
    few = f"; known: {', '.join(known)}" if len(known) <= 30 else ""
    return _did_you_mean(key, known) or few


def _did_you_mean(key: Any, known: Iterable[Any]) -> str:
    close = difflib.get_close_matches(str(key), list(map(str, known)), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
