"""What the answers promised: the ledger, its audit and every count, as the clients may expect to find them.

A model in the plainest form there is: dictionaries, one method per thing that can happen, and the counts worked
out from scratch. Only what was answered is entered here (or what the audit says of a request that got no answer),
so whatever the database holds beyond or below it was never promised, or was lost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TypeAlias

Content: TypeAlias = tuple[str, str]  # type, id
RecordKey: TypeAlias = tuple[Content, str, str]  # content, platform, user
AuditKey: TypeAlias = tuple[str, Content, str, str]  # user, content, platform, action
CellKey: TypeAlias = tuple[Content, str, str]  # content, dimension, value
RollupKey: TypeAlias = tuple[Content, str, str]  # content, channel, evidence


@dataclass(frozen=True, slots=True)
class Record:
    """A share: live or withdrawn, and how often it was requested."""

    live: bool
    attempts: int


@dataclass(frozen=True, slots=True)
class Link:
    """A share link; no channel and no campaign are `''`."""

    content: Content
    user: str
    channel: str
    campaign: str
    live: bool = True


@dataclass(frozen=True, slots=True)
class Correction:
    """An adjustment by an admin, signed."""

    content: Content
    user: str
    amount: int
    channel: str
    campaign: str


class Expected:
    """Everything that must be found at the end, neither more nor less."""

    def __init__(self) -> None:
        self.records: dict[RecordKey, Record] = {}
        self.links: dict[str, Link] = {}
        self.corrections: dict[str, Correction] = {}
        self.audit: Counter[AuditKey] = Counter()
        self.rollups: defaultdict[RollupKey, list[int]] = defaultdict(_nothing)  # made, withdrawn

    def live(self, key: RecordKey) -> bool:
        """Whether this share is live."""
        return key in self.records and self.records[key].live

    def share(self, key: RecordKey, *, force: bool) -> None:
        """Somebody shared: made, revived, shared again by force, or already there."""
        content, platform, user = key
        stands = self.records.get(key)
        if stands is not None and stands.live and not force:
            return
        action = "shared" if stands is None else "reshared" if stands.live else "revived"
        self.records[key] = Record(True, stands.attempts + 1 if stands else 1)
        self.audit[user, content, platform, action] += 1
        if action != "reshared":
            self.rollups[content, platform, "declared"][0] += 1

    def withdraw(self, key: RecordKey) -> None:
        """Somebody took a live share back."""
        content, platform, user = key
        self.records[key] = replace(self.records[key], live=False)
        self.audit[user, content, platform, "withdrawn"] += 1
        self.rollups[content, platform, "declared"][1] += 1

    def create_link(self, link_id: str, link: Link) -> None:
        """Somebody made a link."""
        self.links[link_id] = link
        self.audit[link.user, link.content, "", "link_created"] += 1
        self.rollups[link.content, link.channel, "link"][0] += 1

    def patch_link(self, link_id: str, *, channel: str, campaign: str, touched: bool) -> None:
        """Somebody moved a link; `touched`: a field changed that moves nothing."""
        stands = self.links[link_id]
        moved = replace(stands, channel=channel, campaign=campaign)
        if moved != stands:
            self.rollups[stands.content, stands.channel, "link"][0] -= 1
            self.rollups[stands.content, channel, "link"][0] += 1
        if moved != stands or touched:
            self.audit[stands.user, stands.content, "", "link_updated"] += 1
        self.links[link_id] = moved

    def delete_link(self, link_id: str) -> None:
        """Somebody deleted a live link."""
        stands = self.links[link_id]
        self.links[link_id] = replace(stands, live=False)
        self.audit[stands.user, stands.content, "", "link_deleted"] += 1
        self.rollups[stands.content, stands.channel, "link"][1] += 1

    def correct(self, job_id: str, correction: Correction) -> None:
        """An admin corrected a count."""
        self.corrections[job_id] = correction
        self.audit[correction.user, correction.content, "", "adjusted"] += 1
        side = 0 if correction.amount > 0 else 1
        self.rollups[correction.content, correction.channel, "adjusted"][side] += abs(correction.amount)

    def join(self, other: Expected) -> None:
        """Take over what others were promised: users, links and job ids belong to one of them."""
        self.records |= other.records
        self.links |= other.links
        self.corrections |= other.corrections
        self.audit += other.audit
        for key, sides in other.rollups.items():
            for side, shares in enumerate(sides):
                self.rollups[key][side] += shares

    def cells(self) -> dict[CellKey, int]:
        """The total and every cell of the breakdown, from scratch; the total's dimension is `total`."""
        found: Counter[CellKey] = Counter()
        for (content, platform, _), record in self.records.items():
            if record.live:
                found[content, "platform", platform] += 1
                _count(found, content, ("declared", platform, ""), 1)
        for link in self.links.values():
            if link.live:
                _count(found, link.content, ("link", link.channel, link.campaign), 1)
        for item in self.corrections.values():
            _count(found, item.content, ("adjusted", item.channel, item.campaign), item.amount)
        return {key: shares for key, shares in found.items() if shares}


def _nothing() -> list[int]:
    return [0, 0]


def _count(found: Counter[CellKey], content: Content, cell: tuple[str, str, str], amount: int) -> None:
    found[content, "total", ""] += amount
    for dimension, value in zip(("evidence", "channel", "campaign"), cell, strict=True):
        found[content, dimension, value] += amount
