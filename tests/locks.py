"""What the locks pin, read from requirements/."""

from __future__ import annotations

import re

from project import ROOT

REQUIREMENTS = ROOT / "requirements"
LOCKS = ("lock-build", "lock", "lock-test", "lock-cuda")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> dict[str, str]:
    """Name → the whole entry of a lock: the pin and its hashes, continued lines joined."""
    text = (REQUIREMENTS / f"{lock}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return {
        normal(re.split(r"==|\s", line, maxsplit=1)[0]): line for line in joined if line.strip()
    }


def versions(lock: str) -> dict[str, str]:
    return {name: re.match(r"\S+==(\S+)", entry)[1] for name, entry in entries(lock).items()}


def direct(source: str) -> dict[str, str]:
    text = (REQUIREMENTS / f"{source}.in").read_text(encoding="utf-8")
    pins = (re.split("[#;]", line)[0].strip() for line in text.splitlines())
    return {normal(name): version for name, version in (pin.split("==") for pin in pins if pin)}
