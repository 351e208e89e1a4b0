"""Content hashes: of files, of folders, and of the code that a script runs.

All hashes are SHA-256 in lower-case hexadecimal (64 characters). They depend on contents and
names alone: never on the working directory, modification times or the version of Python. Only
the standard library is used, because the workflow imports this module while it is planned.
"""

from __future__ import annotations

import ast
import fnmatch
import hashlib
import json
import os
import re
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from parallel_transcription.errors import InputError

_CHUNK_BYTES = 1 << 20
# A file changed less than this before it was hashed may change again without a new time stamp
# (the "racily clean" problem of git's index), so its hash is not remembered.
_SETTLED_NS = 2_000_000_000
_COMPACT_ABOVE_LINES = 4096
# What a cache's lines can hold, of all that a program may import.
_REMEMBERED_NAME = re.compile(r"[A-Za-z0-9_.*]+")


class FingerprintError(InputError):
    """A file cannot be read or is no valid Python; the message names the file."""


# ------------------------------------------------------------------------------------- files


def file_sha256(path: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None) -> str:
    """SHA-256 of a file's content.

    `cache` names a file that remembers hashes, so that gigabytes are read only once. An entry
    holds for as long as device, inode, size, modification and change time stay the same. The
    cache is a text file to which whole lines are appended, each with a checksum: several
    processes may use it at once, and what is damaged or foreign in it is ignored. A cache that
    cannot be read or written costs time, never correctness.

    Raises FingerprintError if the file cannot be read.
    """
    try:
        before = os.stat(path)
        remembered = _cache_for(cache) if cache is not None else None
        if remembered is not None:
            known = remembered.get(_stat_key(before))
            if known is not None:
                return known
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        after = os.stat(path)
    except OSError as error:
        reason = error.strerror or error
        raise FingerprintError(f"{os.fspath(path)!r} cannot be read: {reason}.") from error
    value = digest.hexdigest()
    settled = time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _SETTLED_NS
    if remembered is not None and settled and _stat_key(before) == _stat_key(after):
        remembered.add(_stat_key(after), value)
    return value


def folder_sha256(
    folder: str | os.PathLike[str],
    patterns: Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> str:
    """SHA-256 over the names and contents of the files of a folder and its subfolders.

    It is the hash of one line per file, `<sha256> <name as JSON>`, sorted by name (relative, with
    forward slashes, in Unicode code-point order). Hidden files and folders, `__pycache__`,
    editors' backups (`*~`) and everything that is not a regular file do not count. With
    `patterns` (as in fnmatch, matched against the relative name) only matching files count.

    Raises FingerprintError if there is no such folder, no file counts, or one cannot be read.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FingerprintError(f"{str(root)!r} is not a folder.")
    names = sorted(_counting_files(root, patterns))
    if not names:
        raise FingerprintError(f"{str(root)!r} has no files to hash.")
    digest = hashlib.sha256()
    for name in names:
        line = f"{file_sha256(root / name, cache)} {json.dumps(name)}\n"
        digest.update(line.encode("ascii"))
    return digest.hexdigest()


def _counting_files(root: Path, patterns: Sequence[str] | None) -> Iterator[str]:
    for parent, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(".") and f != "__pycache__"]
        for file in files:
            path = Path(parent, file)
            name = path.relative_to(root).as_posix()
            if file.startswith(".") or file.endswith("~") or not path.is_file():
                continue
            if patterns is None or any(fnmatch.fnmatchcase(name, p) for p in patterns):
                yield name


def _stat_key(stat: os.stat_result) -> str:
    numbers = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return ":".join(map(str, numbers))


class _HashCache:
    """What is remembered in an append-only text file: `<crc32> <key> <value>` per line."""

    def __init__(self, path: str):
        self.path = path
        self.entries: dict[str, str] = {}
        self.lines = 0
        self.offset = 0
        self.file_id: tuple[int, int] | None = None

    def get(self, key: str) -> str | None:
        if key not in self.entries:
            self._read_news()
        return self.entries.get(key)

    def add(self, key: str, value: str) -> None:
        self.entries[key] = value
        try:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            # One write of one line in append mode: lines of several processes never mix on a
            # local file system; elsewhere a mixed line fails its checksum. It starts on a line
            # of its own even if a writer before it was cut off.
            line = ("" if self._ends_with_newline() else "\n") + _cache_line(key, value)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, line.encode("ascii"))
            finally:
                os.close(handle)
            if self.lines > max(_COMPACT_ABOVE_LINES, 4 * len(self.entries)):
                self._compact()
        except OSError:
            pass  # read-only or full: the hash is computed again next time

    def _ends_with_newline(self) -> bool:
        try:
            with open(self.path, "rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) == b"\n"
        except OSError:
            return True

    def _read_news(self) -> None:
        try:
            with open(self.path, "rb") as file:
                stat = os.fstat(file.fileno())
                if (stat.st_dev, stat.st_ino) != self.file_id or stat.st_size < self.offset:
                    self.file_id, self.offset, self.lines = (stat.st_dev, stat.st_ino), 0, 0
                if stat.st_size == self.offset:
                    return
                file.seek(self.offset)
                news = file.read()
        except OSError:
            return
        complete = news.rfind(b"\n") + 1
        self.offset += complete
        for line in news[:complete].splitlines():
            self.lines += 1
            parts = line.decode("ascii", "replace").split(" ")
            if len(parts) == 3 and _cache_line(parts[1], parts[2]) == " ".join(parts) + "\n":
                self.entries[parts[1]] = parts[2]

    def _compact(self) -> None:
        temporary = f"{self.path}.{os.getpid()}.tmp"
        with open(temporary, "w", encoding="ascii") as file:
            file.writelines(_cache_line(k, v) for k, v in self.entries.items())
        os.replace(temporary, self.path)
        self.file_id = None


def _cache_line(key: str, value: str) -> str:
    return f"{zlib.crc32(f'{key} {value}'.encode()):08x} {key} {value}\n"


_caches: dict[str, _HashCache] = {}


def _cache_for(path: str | os.PathLike[str]) -> _HashCache:
    absolute = os.path.abspath(path)
    return _caches.setdefault(absolute, _HashCache(absolute))


# -------------------------------------------------------------------------------------- code


def code_fingerprint(
    entry_files: Iterable[str | os.PathLike[str]], cache: str | os.PathLike[str] | None = None
) -> str:
    """SHA-256 of the given scripts and of all our own modules that they import, transitively.

    It changes when, and only when, the code or the name of one of these files changes: comments,
    docstrings and formatting do not count. See `imported_files` for what is found.

    `cache` names a file as `file_sha256` has it, here for what follows from a module's text: most
    of a plan's time goes into parsing modules that have not changed.
    """
    found = _collect(entry_files, cache)
    return _digest((name, _parsed(path, cache).meaning) for path, name in found.items())


def package_fingerprint(
    folder: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None
) -> str:
    """SHA-256 of the code of all modules below a folder, whatever they import.

    Comments, docstrings and formatting do not count. `cache` is that of `code_fingerprint`.

    Raises:
        FingerprintError: if there is no module, or one cannot be read or is no valid Python.
    """
    root = Path(folder)
    modules = sorted(root.rglob("*.py"))
    if not modules:
        raise FingerprintError(f"{str(root)!r} has no modules to hash.")
    return _digest(
        (file.relative_to(root).as_posix(), _parsed(file, cache).meaning) for file in modules
    )


def _digest(named: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over names and hashes, in the order of the names."""
    lines = [f"{meaning} {json.dumps(name)}\n" for name, meaning in sorted(named)]
    return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()


def imported_files(entry_files: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The given scripts and all our own modules that they import, sorted by name.

    Own means: found in the folder of one of the scripts (which Python puts on its path), or below
    the folder that holds the script's own package. Imports are read with `ast`, nothing is run:
    absolute and relative ones, those inside functions, `__init__.py` of every parent package,
    `import_module("…")` with a literal name, and every module beside a file that calls
    `import_siblings(__package__)`. Imports under `if TYPE_CHECKING:` never run, so they do not
    count.

    Raises FingerprintError for a file that is missing or no valid Python.
    """
    found = _collect(entry_files)
    return sorted(found, key=lambda path: (found[path], path))


def _collect(
    entry_files: Iterable[str | os.PathLike[str]], cache: str | os.PathLike[str] | None = None
) -> dict[Path, str]:
    """The scripts and what they import, transitively, each with its name relative to its root."""
    entries = [Path(os.path.abspath(file)) for file in entry_files]
    waiting = [(entry, _root_of(entry)) for entry in entries]
    roots = list(dict.fromkeys(root for _, root in waiting))
    files_of = lru_cache(maxsize=None)(_files_of)
    found: dict[Path, str] = {}
    while waiting:
        path, root = waiting.pop()
        if path in found:
            continue
        relative = path.relative_to(root)
        found[path] = relative.as_posix()
        names = _parsed(path, cache).imports
        for module in _absolute(names, ".".join(relative.with_suffix("").parts)):
            waiting.extend(files_of(module, (root, *roots)))
    return found


def _root_of(path: Path) -> Path:
    """The folder that must be on Python's path for this file to be imported."""
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def _absolute(names: Iterable[str], module: str) -> frozenset[str]:
    """Absolute dotted names of what a module imports; some may be no modules but their names."""
    package = module.rpartition(".")[0]
    return frozenset(_resolve(name, package) for name in names) - {""}


@dataclass(frozen=True)
class _Module:
    """What counts of a module.

    `meaning`: a hash of its code. `imports`: the names that it imports, as they are written
    (relative ones with leading dots).
    """

    meaning: str
    imports: frozenset[str]


def _parsed(path: Path, cache: str | os.PathLike[str] | None = None) -> _Module:
    try:
        text = path.read_bytes()
        return _parse(text) if cache is None else _remembered(text, os.path.abspath(cache))
    except OSError as error:
        reason = error.strerror or error
        raise FingerprintError(f"{str(path)!r} cannot be read: {reason}.") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        raise FingerprintError(f"{str(path)!r} is not valid Python{where}: {error}.") from error


@lru_cache(maxsize=1024)  # most modules are imported by several scripts
def _remembered(text: bytes, cache: str) -> _Module:
    """What counts of a module's text, parsed once for all processes that share a cache."""
    remembered = _cache_for(cache)
    key = f"{_rules()}:{hashlib.sha256(text).hexdigest()}"
    known = remembered.get(key)
    if known is not None:
        meaning, *names = known.split(",")
        return _Module(meaning, frozenset(names))
    module = _parse(text)
    if all(_REMEMBERED_NAME.fullmatch(name) for name in module.imports):
        remembered.add(key, ",".join([module.meaning, *sorted(module.imports)]))
    return module


@lru_cache(maxsize=1)
def _rules() -> str:
    """What decides what counts of a text: this module, and the Python that parses it."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}-{file_sha256(__file__)[:16]}"


@lru_cache(maxsize=1024)
def _parse(text: bytes) -> _Module:
    tree = ast.parse(text)
    meaning = hashlib.sha256("\n".join(_meaning(tree)).encode("ascii")).hexdigest()
    # calls may stand in any expression; without them only statements need a look, which is quick
    calls = any(name in text for name in (b"import_module", b"__import__", b"import_siblings("))
    return _Module(meaning, frozenset(_imported_names(tree, ast.AST if calls else _STATEMENTS)))


def _meaning(node: object) -> Iterator[str]:
    """A syntax tree as text, the same from every version of Python (`ast.dump` is not).

    Positions do not count, nor do fields that are empty, which newer versions add, nor texts that
    stand alone as a statement, such as docstrings.
    """
    if isinstance(node, ast.Constant):
        yield ascii(node.value)
    elif isinstance(node, ast.JoinedStr):  # early versions of 3.12 add empty texts
        yield "JoinedStr["
        for part in node.values:
            if not (isinstance(part, ast.Constant) and part.value == ""):
                yield from _meaning(part)
        yield "]"
    elif isinstance(node, ast.AST):
        yield f"{type(node).__name__}("
        for name in node._fields:
            value = getattr(node, name, None)
            if value is not None and value != [] and name != "ctx":
                yield name
                yield from _meaning(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for one in node:
            if not _is_text_alone(one):
                yield from _meaning(one)
        yield "]"
    else:
        yield ascii(node)


def _is_text_alone(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imported_names(tree: ast.AST, kinds: _Kinds) -> Iterator[str]:
    for node in _running_nodes(tree, kinds):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            joint = "" if base.endswith(".") else "."
            yield from (f"{base}{joint}{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called_name(node) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value
        elif isinstance(node, ast.Call) and _called_name(node) == "import_siblings":
            yield f".{_ALL}"


_Kinds = type[ast.AST] | tuple[type[ast.AST], ...]
_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)
_ALL = "*"  # in place of a module's name: every module of the package


def _running_nodes(tree: ast.AST, kinds: _Kinds) -> Iterator[ast.AST]:
    """The nodes of these kinds, all the way down, but those below `if TYPE_CHECKING:`."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _called_name(node.test) == "TYPE_CHECKING":
            waiting.extend(node.orelse)
        else:
            waiting.extend(n for n in ast.iter_child_nodes(node) if isinstance(n, kinds))


def _called_name(node: ast.AST) -> str:
    """The last name of `name`, `module.name` or of a call of them."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _resolve(name: str, package: str) -> str:
    """An absolute dotted name from one with leading dots, seen from a package."""
    level = len(name) - len(name.lstrip("."))
    if level == 0:
        return name
    parents = package.split(".") if package else []
    parents = parents[: len(parents) - (level - 1)]
    return ".".join([*parents, name[level:]]).strip(".")


def _files_of(module: str, roots: Iterable[Path]) -> list[tuple[Path, Path]]:
    """The files that an import of this dotted name runs, in the first root that has it.

    Each comes with its root; `package.name` gives the package's file if `name` is no module.
    """
    *package, name = module.split(".")
    if name == _ALL:
        folders = ((root.joinpath(*package), root) for root in roots)
        return [(file, root) for folder, root in folders for file in sorted(folder.glob("*.py"))]
    parts = [*package, name]
    if not all(part.isidentifier() for part in parts):
        return []
    for root in roots:
        target = root.joinpath(*parts)
        files = [root.joinpath(*parts[:i], "__init__.py") for i in range(1, len(parts) + 1)]
        files = [file for file in [*files, target.with_suffix(".py")] if file.is_file()]
        if files:
            return [(file, root) for file in files]
    return []
