"""Packages in which every module counts: what lies in the folder takes part."""

from __future__ import annotations

import pkgutil
from importlib import import_module


def import_siblings(package: str) -> None:
    """Import every module of the caller's package, so that what registers itself there is known.

    `fingerprint` knows the call `import_siblings(__package__)`: a script's fingerprint covers every
    module beside the file that makes it.
    """
    for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        import_module(module.name)
