"""Which platforms people may share to, and what they are called.

SHARE_PLATFORMS allows platforms. Platforms on the user's own device (`native`, `copy`) are always allowed, but a share
reaches them only if it names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sharetally.domain.content import id_fault
from sharetally.domain.errors import InvalidRequest, NotFound, UnsupportedPlatforms
from sharetally.ports import Platform

MAX_PLATFORM_NAME = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Platforms:
    """`allowed` are those of SHARE_PLATFORMS in their order; `canonical` turns what people write into a name."""

    allowed: Mapping[str, Platform]
    device: Mapping[str, Platform]
    canonical: Callable[[str], str]

    def requested(self, names: Sequence[str] | None) -> list[str]:
        """The canonical names, each once and in their order; without names, all of SHARE_PLATFORMS.

        Raises `UnsupportedPlatforms`, which lists every name that is not allowed.
        """
        if names is None:
            defaults = [name for name in self.allowed if name not in self.device]
            if not defaults:
                raise InvalidRequest(
                    ("platforms", "is required: SHARE_PLATFORMS contains no platform that is shared to by default")
                )
            return defaults
        wanted = list(dict.fromkeys(self.canonical(name) for name in names))
        unknown = [name for name in wanted if name not in self.allowed and name not in self.device]
        if unknown:
            raise UnsupportedPlatforms(unknown, list(self.allowed))
        return wanted

    def existing(self, name: str) -> str:
        """The canonical name of a platform that may have records, even if it is no longer allowed."""
        if id_fault(name) or len(name) > MAX_PLATFORM_NAME:
            raise NotFound("no such platform")
        return self.canonical(name)

    def get(self, name: str) -> Platform:
        """An allowed platform, or one on the user's device; `name` is canonical."""
        return self.allowed.get(name) or self.device[name]
