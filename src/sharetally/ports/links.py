"""The store of share links.

Commands lock and write links within the transaction of `ports/ledger`; this store only reads them, without a lock.
Every method may raise `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from sharetally.domain.link import ShareLink


class LinkTarget(NamedTuple):
    """Where a short URL leads. `expired` is judged by the database's clock."""

    url: str
    expired: bool
    deleted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkFilter:
    """Selects live links; a field that is None selects all."""

    content_type: str | None = None
    content_id: str | None = None
    user_id: str | None = None
    campaign: str | None = None


class LinkStore(Protocol):
    """Share links, read only."""

    async def by_id(self, link_id: UUID) -> ShareLink | None:
        """The link with this id, even if it was deleted; None if there is none."""
        ...

    async def targets(self, codes: Sequence[str]) -> Mapping[str, LinkTarget | None]:
        """Where each of these codes leads, deleted and expired links included; None for a code that does not exist."""
        ...

    async def page(self, criteria: LinkFilter, *, limit: int, after: UUID | None) -> list[ShareLink]:
        """At most `limit` live links, newest first, that follow the link `after` in that order; None starts at the top.

        An empty list means that there are no more.
        """
        ...
