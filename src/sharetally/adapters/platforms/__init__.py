"""The platforms: one short file each, found by being here.

A file here holds one class, a `Platform` whose `name` is the file's, and `ALIASES` where people write it
otherwise too. A new platform is one new file and nothing else. Others come from installed packages,
through entry points of the group `sharetally.platforms`: an entry's name is the platform's, its object a
class or function that makes it; one of the same name takes the place of the shipped one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType

from sharetally.domain.errors import ConfigurationError
from sharetally.ports import Platform

ENTRY_POINT_GROUP = "sharetally.platforms"
DEVICE_PLATFORMS = ("native", "copy")  # on the user's own device: need no allowing, and are shared to only by name


def builtin_platforms() -> dict[str, Platform]:
    """The platforms of this folder by name."""
    platforms = (_platform_in(module) for module in _modules())
    return {platform.name: platform for platform in platforms}


def load_plugins(entries: Iterable[EntryPoint]) -> dict[str, Platform]:
    """The platforms of these entry points by name; `ConfigurationError` names the first that does not hold."""
    return {entry.name: _load(entry) for entry in entries}


def available() -> dict[str, Platform]:
    """Every platform of this installation by name."""
    return builtin_platforms() | load_plugins(entry_points(group=ENTRY_POINT_GROUP))


def canonical(name: str) -> str:
    """A platform's name as everything else knows it: trimmed, lower case, `x` is `twitter`."""
    normalized = name.strip().lower()
    return _aliases().get(normalized, normalized)


def _modules() -> Iterator[ModuleType]:
    for module in iter_modules(__path__):
        if not module.name.startswith("_"):
            yield import_module(f"{__name__}.{module.name}")


def _platform_in(module: ModuleType) -> Platform:
    (candidate,) = (candidate for candidate in vars(module).values() if _is_defined_in(module, candidate))
    platform: Platform = candidate()
    return platform


def _is_defined_in(module: ModuleType, candidate: object) -> bool:
    return isinstance(candidate, type) and candidate.__module__ == module.__name__


def _load(entry: EntryPoint) -> Platform:
    try:
        platform: Platform = entry.load()()
        name = platform.name
    except Exception as error:  # a stranger's code may fail in any way
        raise ConfigurationError(f"platform {entry.name!r} ({entry.value}) does not load: {error}") from error
    if name != entry.name or name != canonical(name):
        raise ConfigurationError(f"platform {entry.name!r} ({entry.value}) calls itself {name!r}")
    return platform


@cache
def _aliases() -> Mapping[str, str]:
    return MappingProxyType(
        {alias: module.__name__.rpartition(".")[2] for module in _modules() for alias in getattr(module, "ALIASES", ())}
    )
