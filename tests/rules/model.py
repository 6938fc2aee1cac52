"""The state in plain dictionaries: nothing here is locked, folded, counted or cached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.web.api import HttpResponse

Content: TypeAlias = tuple[str, str]  # type, id
Key: TypeAlias = tuple[Content, str, str]  # content, platform, user
Cell: TypeAlias = tuple[str, str | None, str | None]  # evidence, channel, campaign
Line: TypeAlias = tuple[str, str, str, str | None, str | None]  # action, user, actor, platform, status


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent; equal requests are the same request to an Idempotency-Key."""

    user: str
    method: str
    target: str
    body: Any = b""
    scope: str = "shares"
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """A share on a platform."""

    status: str
    evidence: str
    attempts: int
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    """A share link; `shown` is what its owner reads."""

    content: Content
    user: str
    shown: Mapping[str, Any]
    live: bool = True


@dataclass(frozen=True, kw_only=True)
class Correction:
    """An adjustment, signed."""

    content: Content
    amount: int
    channel: str | None
    campaign: str | None
    reason: str


@dataclass(kw_only=True)
class Model:
    """Everything that was answered. `orders` are the retries that have not been processed yet."""

    name: str
    records: dict[Key, Record] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    corrections: dict[str, Correction] = field(default_factory=dict)
    audit: list[tuple[Content, Line]] = field(default_factory=list)
    answers: dict[tuple[str, str], tuple[Request, HttpResponse]] = field(default_factory=dict)
    orders: list[Key] = field(default_factory=list)
    shared: Counter[tuple[Content, str]] = field(default_factory=Counter)

    @property
    def contents(self) -> list[Content]:
        """Content items that no other run uses: a video, and one with an id that is hard on paths and collations."""
        return [("video", f"v-{self.name}"), ("article", f"Ä b%é?-{self.name}")]

    def live(self, content: Content) -> Iterator[tuple[Cell, int]]:
        """What counts, each with its cell."""
        for (of, platform, _), record in self.records.items():
            if of == content and record.status == "success":
                yield (record.evidence, platform, None), 1
        for link in self.links.values():
            if link.content == content and link.live:
                yield ("link", link.shown["channelId"], link.shown["campaignId"]), 1
        for item in self.corrections.values():
            if item.content == content:
                yield ("adjusted", item.channel, item.campaign), item.amount

    def total(self, content: Content) -> int:
        """How much counts, corrections included; it may be less than nothing."""
        return sum(amount for _, amount in self.live(content))

    def breakdown(self, content: Content) -> dict[str, dict[str, int]]:
        """The same count by evidence, channel and campaign, as the API returns it."""
        found: dict[str, Counter[str]] = {name: Counter() for name in ("evidence", "channel", "campaign")}
        for cell, amount in self.live(content):
            for cells, value in zip(found.values(), cell, strict=True):
                cells[value or "none"] += amount
        return {name: {value: n for value, n in cells.items() if n > 0} for name, cells in found.items()}

    def lines(self, content: Content) -> list[Line]:
        """What the audit says of a content, oldest first."""
        return [line for of, line in self.audit if of == content]
