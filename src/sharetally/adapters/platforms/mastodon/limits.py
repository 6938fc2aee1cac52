"""The limits that a Mastodon server has set, as its `/api/v2/instance` tells them (docs.joinmastodon.org, instance)."""

from __future__ import annotations

import time

import msgspec

from sharetally.adapters.platforms._api import decode, is_ambiguous
from sharetally.adapters.platforms.mastodon.text import DEFAULT, Limits
from sharetally.domain.expiring import ExpiringCache
from sharetally.ports.outbound import DEADLINE, Outbound, OutboundError, OutboundResponse

KNOWN_SECONDS = 3600.0
MAX_SERVERS = 1_000
MAX_PAGE_BYTES = 4 * 1024 * 1024
QUICK_DEADLINE = 3.0  # seconds that a user waits for the limits of their server


class _Statuses(msgspec.Struct, frozen=True, kw_only=True):
    max_characters: int = DEFAULT.characters
    characters_reserved_per_url: int = DEFAULT.url


class _Configuration(msgspec.Struct, frozen=True, kw_only=True):
    statuses: _Statuses = _Statuses()


class _Instance(msgspec.Struct, frozen=True, kw_only=True):
    configuration: _Configuration = _Configuration()


class ServerLimits:
    """Reads limits, and knows those that were read within the last hour."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._known = ExpiringCache[str, Limits](capacity=MAX_SERVERS, now=time.monotonic)

    async def read(self, server: str, *, deadline: float = DEADLINE) -> Limits | OutboundResponse:
        """The limits now, or the response of a server that cannot tell them; raises `OutboundError`."""
        response = await self._outbound.request(
            "GET", f"{server}/api/v2/instance", deadline=deadline, max_bytes=MAX_PAGE_BYTES
        )
        if response.status == 429 or is_ambiguous(response):
            return response
        # servers that only resemble Mastodon do not have this page
        instance = (decode(response, _Instance) if response.status == 200 else None) or _Instance()
        statuses = instance.configuration.statuses
        limits = Limits(characters=statuses.max_characters, url=statuses.characters_reserved_per_url)
        self._known.put(server, limits, until=time.monotonic() + KNOWN_SECONDS)
        return limits

    async def quickly(self, server: str) -> Limits | None:
        """The limits of the last hour, or None if the server does not tell them within seconds."""
        if (known := self._known.get(server)) is not None:
            return known
        try:
            found = await self.read(server, deadline=QUICK_DEADLINE)
        except OutboundError:
            return None
        return found if isinstance(found, Limits) else None
