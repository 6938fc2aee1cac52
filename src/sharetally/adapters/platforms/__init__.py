"""The platforms: one short file each in this folder, or a package where the service can post.

A file or a package's `__init__.py` defines one class, a `Platform` whose `name` is the name of the file or package, and
`ALIASES` if people also use other names for it. Its docstring shows the address that `intent` returns for the text TEXT
and the link URL, as people expect it. A new platform is one new file and nothing else: a `SharePage` brings its button
for the widget with it. Installed packages
add platforms through entry points of the group `sharetally.platforms`: the name of an entry is the name of the
platform, and its object is a class or function that creates it. An entry with the name of a built-in platform replaces
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType

from sharetally.adapters.platforms._intent import SharePage
from sharetally.domain.errors import ConfigurationError
from sharetally.ports import Button, Platform

ENTRY_POINT_GROUP = "sharetally.platforms"
DEVICE_PLATFORMS = (
    "native",
    "copy",
)  # on the user's own device: always allowed, but shared to only if the request names them


def builtin_platforms() -> dict[str, Platform]:
    """The platforms of this folder by name."""
    platforms = {}
    for module in _modules():
        (platform_class,) = (
            item for item in vars(module).values() if isinstance(item, type) and item.__module__ == module.__name__
        )
        platform: Platform = platform_class()
        platforms[platform.name] = platform
    return platforms


def widget_buttons() -> dict[str, Button]:
    """The buttons that the widget fetches when a page names their platforms, by name."""
    return {name: each.button for name, each in builtin_platforms().items() if isinstance(each, SharePage)}


def load_plugins(entries: Iterable[EntryPoint]) -> dict[str, Platform]:
    """The platforms of these entry points by name; `ConfigurationError` names the first one that is invalid."""
    platforms = {}
    for entry in entries:
        try:
            platform: Platform = entry.load()()
            name = platform.name
        except Exception as error:  # code that is not ours may raise anything
            raise ConfigurationError(f"platform {entry.name!r} ({entry.value}) does not load: {error}") from error
        if name != entry.name or name != canonical(name):
            raise ConfigurationError(f"platform {entry.name!r} ({entry.value}) calls itself {name!r}")
        platforms[entry.name] = platform
    return platforms


def available() -> dict[str, Platform]:
    """Every platform of this installation by name."""
    return builtin_platforms() | load_plugins(entry_points(group=ENTRY_POINT_GROUP))


def canonical(name: str) -> str:
    """The name under which everything else knows a platform: trimmed, lower case, `twitter` for `x`."""
    normalized = name.strip().lower()
    return _aliases().get(normalized, normalized)


def _modules() -> Iterator[ModuleType]:
    for module in iter_modules(__path__):
        if not module.name.startswith("_"):
            yield import_module(f"{__name__}.{module.name}")


@cache
def _aliases() -> Mapping[str, str]:
    return MappingProxyType(
        {alias: module.__name__.rpartition(".")[2] for module in _modules() for alias in getattr(module, "ALIASES", ())}
    )
