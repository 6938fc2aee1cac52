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

from sharetally.domain.errors import Misconfigured
from sharetally.ports import Platform

GROUP = "sharetally.platforms"
OF_THEIR_OWN = ("native", "copy")  # on the user's own device: need no allowing, and are shared to only by name


def shipped() -> dict[str, Platform]:
    """The platforms of this folder by name."""
    platforms = (_only_platform(module) for module in _modules())
    return {platform.name: platform for platform in platforms}


def found(entries: Iterable[EntryPoint]) -> dict[str, Platform]:
    """The platforms of these entry points by name; `Misconfigured` names the first that does not hold."""
    return {entry.name: _made(entry) for entry in entries}


def available() -> dict[str, Platform]:
    """Every platform of this installation by name."""
    return shipped() | found(entry_points(group=GROUP))


def canonical(name: str) -> str:
    """A platform's name as everything else knows it: trimmed, lower case, `x` is `twitter`."""
    plain = name.strip().lower()
    return _aliases().get(plain, plain)


def _modules() -> Iterator[ModuleType]:
    for module in iter_modules(__path__):
        if not module.name.startswith("_"):
            yield import_module(f"{__name__}.{module.name}")


def _only_platform(module: ModuleType) -> Platform:
    (kind,) = (kind for kind in vars(module).values() if _is_defined_in(module, kind))
    platform: Platform = kind()
    return platform


def _is_defined_in(module: ModuleType, kind: object) -> bool:
    return isinstance(kind, type) and kind.__module__ == module.__name__


def _made(entry: EntryPoint) -> Platform:
    try:
        platform: Platform = entry.load()()
        name = platform.name
    except Exception as fault:  # a stranger's code may fail in any way
        raise Misconfigured(f"platform {entry.name!r} ({entry.value}) does not load: {fault}") from fault
    if name != entry.name or name != canonical(name):
        raise Misconfigured(f"platform {entry.name!r} ({entry.value}) calls itself {name!r}")
    return platform


@cache
def _aliases() -> Mapping[str, str]:
    return MappingProxyType(
        {alias: module.__name__.rpartition(".")[2] for module in _modules() for alias in getattr(module, "ALIASES", ())}
    )
