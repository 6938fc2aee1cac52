"""Where the values of settings come from: the environment, a file, a file per secret, the generated secrets.

`settings.py` uses this module. The environment takes precedence over the file. A variable that has our prefix but is
not a setting stops the start, so that a misspelt name is never silently ignored. A generated secret is written
completely or not at all, and processes that start at the same time all read the same one.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import secrets
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sharetally.domain.errors import ConfigurationError

PREFIX = "SHARETALLY_"
_CONFIG_VARIABLE = "SHARETALLY_CONFIG"
_TEST_PREFIX = "SHARETALLY_TEST_"
_FAILPOINT_VARIABLE = "SHARETALLY_FAILPOINT"  # used by the fault suite; see `adapters/failpoints.py`
_DEFAULT_FILE = "sharetally.toml"
# the variables that Kubernetes sets in every container if a service is called sharetally or sharetally-…
_SERVICE_LINK = re.compile(r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_PORT = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, kw_only=True, slots=True)
class RawSetting:
    """A value before it is parsed, and the place where a person would find it."""

    value: object
    where: str


def read_sources(
    environ: Mapping[str, str], *, cwd: Path, names: Iterable[str], secret: Iterable[str]
) -> dict[str, RawSetting]:
    """Collect the values of the settings `names`; each setting in `secret` may also be in a file of its own.

    Raises `ConfigurationError` for a name that is not a setting, and for a file that is missing or unreadable.
    """
    setting_names = frozenset(names)
    return {
        **_from_file(environ, cwd, setting_names),
        **_from_environment(environ, cwd, setting_names, frozenset(secret)),
    }


def _from_environment(
    environ: Mapping[str, str], cwd: Path, setting_names: frozenset[str], secret: frozenset[str]
) -> dict[str, RawSetting]:
    raw_values: dict[str, RawSetting] = {}
    for variable, value in _own_variables(environ):
        base_variable = variable.removesuffix("_FILE")
        name = base_variable.removeprefix(PREFIX).lower()
        if base_variable == variable and name in setting_names:
            raw_values[name] = RawSetting(value=value, where=variable)
        elif base_variable == variable or name not in secret:
            raise ConfigurationError(f"{variable}: there is no such setting{_suggestion(name, setting_names)}")
        elif base_variable in environ:
            raise ConfigurationError(f"{variable}: {base_variable} is set too; remove one of them")
        else:
            raw_values[name] = RawSetting(value=_read_text(cwd / value, variable).rstrip("\r\n"), where=variable)
    return raw_values


def _own_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable, value in environ.items():
        if (
            not variable.startswith(PREFIX)
            or variable in (_CONFIG_VARIABLE, _FAILPOINT_VARIABLE)
            or variable.startswith(_TEST_PREFIX)
        ):
            continue
        suffix = variable.removeprefix(PREFIX)
        is_service_link = _SERVICE_LINK.fullmatch(suffix) or (suffix.endswith("PORT") and _SERVICE_PORT.match(value))
        if not is_service_link:
            yield variable, value


def _from_file(environ: Mapping[str, str], cwd: Path, setting_names: frozenset[str]) -> dict[str, RawSetting]:
    configured = environ.get(_CONFIG_VARIABLE)
    file = cwd / (configured or _DEFAULT_FILE)
    if not configured and not file.exists():
        return {}
    where = _CONFIG_VARIABLE if configured else _DEFAULT_FILE
    content = _read_text(file, where)
    try:
        table: object = json.loads(content) if file.suffix == ".json" else tomllib.loads(content)
    except (ValueError, RecursionError) as error:
        format_name = "JSON" if file.suffix == ".json" else "TOML"
        raise ConfigurationError(f"{where}: {file} is not valid {format_name}: {error}") from None
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where}: {file} must contain a table of settings")
    for name in table:
        if name not in setting_names:
            raise ConfigurationError(f"{name} in {file}: there is no such setting{_suggestion(name, setting_names)}")
    return {name: RawSetting(value=value, where=f"{name} in {file}") for name, value in table.items()}


def _read_text(file: Path, where: str) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{where}: cannot read {file}: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"{where}: {file} is not UTF-8 text") from None


def _suggestion(name: str, setting_names: frozenset[str]) -> str:
    matches = difflib.get_close_matches(name.lower(), sorted(setting_names), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


# the generated secrets


def ensure_directory(directory: Path) -> None:
    """Create the directory for embedded data, readable by its owner only; an existing directory is not changed."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"DATA_DIR: cannot create {directory}: {error.strerror}") from None


def load_or_create_secret(directory: Path, *, size: int) -> str:
    """Read the secret in this directory; if there is none, create one of `size` random bytes first."""
    return _load_or_create(directory / "jwt_secret", lambda: secrets.token_urlsafe(size), setting="JWT_SECRET")


def load_or_create_token_keys(directory: Path, *, size: int) -> str:
    """Read the keys that encrypt tokens; if there are none, create one of `size` random bytes first."""
    return _load_or_create(
        directory / "token_keys", lambda: f"generated:{secrets.token_urlsafe(size)}", setting="TOKEN_KEYS"
    )


def _load_or_create(file: Path, create: Callable[[], str], *, setting: str) -> str:
    ensure_directory(file.parent)
    if not file.exists():
        _write_once(file, create(), setting=setting)
    if os.name == "posix" and file.stat().st_mode & 0o077:
        advice = "delete it to get a new secret, or run" if setting == "JWT_SECRET" else "run"
        raise ConfigurationError(f"DATA_DIR: other users can read {file}; {advice}: chmod 600 {file}")
    return _read_text(file, "DATA_DIR").strip()


def _write_once(file: Path, content: str, *, setting: str) -> None:
    # a hard link appears complete and fails if the name exists, so a second process reads what the first one wrote
    temporary_file = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    try:
        try:
            descriptor = os.open(temporary_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.link(temporary_file, file)
        finally:
            temporary_file.unlink(missing_ok=True)
    except FileExistsError:
        return
    except OSError as error:
        message = f"DATA_DIR: cannot write {file}: {error.strerror}; make it writable or set {setting}"
        raise ConfigurationError(message) from None
