"""Where the values of settings stand: the environment, a file, a file per secret, the generated secret.

Stands under `settings.py`. The environment wins over the file; whatever bears our prefix and is no
setting stops the start, so that a misspelt name is never silently ignored. The generated secret appears
under its name complete or not at all, and of processes that start at once all read the same one.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import secrets
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sharetally.domain.errors import Misconfigured

PREFIX = "SHARETALLY_"
_CONFIG = "SHARETALLY_CONFIG"
_TESTS = "SHARETALLY_TEST_"
_FAILPOINT = "SHARETALLY_FAILPOINT"  # of the fault suite: `adapters/failpoints.py`
_DEFAULT_FILE = "sharetally.toml"
# what Kubernetes puts into every container beside a service that is called sharetally or sharetally-…
_SERVICE_LINK = re.compile(r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_PORT = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """A value before it is read, and where it stood as a person would look for it."""

    value: object
    where: str


def read_sources(
    environ: Mapping[str, str], *, cwd: Path, names: Iterable[str], secret: Iterable[str]
) -> dict[str, Raw]:
    """Collect what is set of the settings `names`; those in `secret` may also stand in a file of their own.

    Raises `Misconfigured` for a name that is no setting, and for a file that is missing or unreadable.
    """
    known = frozenset(names)
    return {**_from_file(environ, cwd, known), **_from_environment(environ, cwd, known, frozenset(secret))}


def _from_environment(
    environ: Mapping[str, str], cwd: Path, known: frozenset[str], secret: frozenset[str]
) -> dict[str, Raw]:
    found: dict[str, Raw] = {}
    for variable, value in _ours(environ):
        plain = variable.removesuffix("_FILE")
        name = plain.removeprefix(PREFIX).lower()
        if plain == variable and name in known:
            found[name] = Raw(value=value, where=variable)
        elif plain == variable or name not in secret:
            raise Misconfigured(f"{variable}: there is no such setting{_meant(name, known)}")
        elif plain in environ:
            raise Misconfigured(f"{variable}: {plain} is set too; keep one of them")
        else:
            found[name] = Raw(value=_read(cwd / value, variable).rstrip("\r\n"), where=variable)
    return found


def _ours(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in (_CONFIG, _FAILPOINT) or variable.startswith(_TESTS):
            continue
        rest = variable.removeprefix(PREFIX)
        link = _SERVICE_LINK.fullmatch(rest) or (rest.endswith("PORT") and _SERVICE_PORT.match(value))
        if not link:
            yield variable, value


def _from_file(environ: Mapping[str, str], cwd: Path, known: frozenset[str]) -> dict[str, Raw]:
    named = environ.get(_CONFIG)
    file = cwd / (named or _DEFAULT_FILE)
    if not named and not file.exists():
        return {}
    table = _table(file, _CONFIG if named else _DEFAULT_FILE)
    for name in table:
        if name not in known:
            raise Misconfigured(f"{name} in {file}: there is no such setting{_meant(name, known)}")
    return {name: Raw(value=value, where=f"{name} in {file}") for name, value in table.items()}


def _table(file: Path, where: str) -> dict[str, object]:
    content = _read(file, where)
    try:
        table: object = json.loads(content) if file.suffix == ".json" else tomllib.loads(content)
    except (ValueError, RecursionError) as fault:
        form = "JSON" if file.suffix == ".json" else "TOML"
        raise Misconfigured(f"{where}: {file} is no valid {form}: {fault}") from None
    if not isinstance(table, dict):
        raise Misconfigured(f"{where}: {file} must hold a table of settings")
    return table


def _read(file: Path, where: str) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as fault:
        raise Misconfigured(f"{where}: cannot read {file}: {fault.strerror}") from None
    except ValueError:
        raise Misconfigured(f"{where}: {file} is not UTF-8 text") from None


def _meant(name: str, known: frozenset[str]) -> str:
    close = difflib.get_close_matches(name.lower(), sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


# the generated secret


def ensure_directory(directory: Path) -> None:
    """Make the directory for embedded data, for its owner alone; one that exists stays as it is."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise Misconfigured(f"DATA_DIR: cannot make {directory}: {fault.strerror}") from None


def generated_secret(directory: Path, *, size: int) -> str:
    """Read the secret that stands in the directory, or make one of `size` random bytes first."""
    ensure_directory(directory)
    file = directory / "jwt_secret"
    if not file.exists():
        _write_once(file, secrets.token_urlsafe(size))
    _check_private(file)
    return _read(file, "DATA_DIR").strip()


def _write_once(file: Path, content: str) -> None:
    # a link appears whole and refuses an existing name: who comes second reads what the first one wrote
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write_private(draft, content)
            os.link(draft, file)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        return
    except OSError as fault:
        message = f"DATA_DIR: cannot write {file}: {fault.strerror}; make it writable or set JWT_SECRET"
        raise Misconfigured(message) from None


def _write_private(file: Path, content: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _check_private(file: Path) -> None:
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise Misconfigured(f"DATA_DIR: others can read {file}: delete it for a new one, or chmod 600 it")
