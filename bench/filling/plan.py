"""Which records a filled ledger holds, the same on every database.

Record number i is on video i // (records of one video), by a user of its own there on each of two platforms,
so that keys come nearly sorted and even ten million are quickly in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.load.tokens import VIDEOS
from sharetally.domain.count import start_of_quarter_hour

PLATFORMS = ("twitter", "whatsapp")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The number of records, all created at one moment."""

    records: int
    at: datetime

    @property
    def each(self) -> int:
        """How many records one video has."""
        return -(-self.records // VIDEOS)

    @property
    def first(self) -> int:
        """The leading half of the first id: UUIDv7's milliseconds and version; the ids after it are consecutive."""
        return (int(self.at.timestamp() * 1000) - self.records // 4096 - 1) << 16 | 0x7000


def plan(records: int) -> Plan:
    """A plan for the present moment."""
    return Plan(records=records, at=datetime.now(UTC))


def counted_cells(at: datetime, moment: str) -> Iterator[str]:
    """The statements that count all records of an uncounted ledger; `moment` is a time in the database's syntax."""
    now = moment.format(_text(at))
    quarter = moment.format(_text(start_of_quarter_hour(at)))
    micros = int(at.timestamp() * 1_000_000)
    grouped = "FROM share_records WHERE status = 'success' GROUP BY content_type, content_id"
    yield (
        "INSERT INTO share_totals (content_type, content_id, shares, version, changed_at) "
        f"SELECT content_type, content_id, count(*), {micros}, {now} {grouped}"
    )
    for dimension, value in (("evidence", "evidence"), ("channel", "platform"), ("platform", "platform")):
        yield _cells(f"'{dimension}' AS cell, {value}", now, f"{grouped}, {value}")
    yield _cells("'campaign' AS cell, ''", now, grouped)
    yield (
        "INSERT INTO share_rollups (content_type, content_id, channel, evidence, bucket, made, withdrawn) "
        f"SELECT content_type, content_id, platform, evidence, {quarter}, count(*), 0 {grouped}, platform, evidence"
    )


def _cells(cell: str, now: str, grouped: str) -> str:
    return (
        "INSERT INTO share_counts (content_type, content_id, dimension, value, shares, last_at) "
        f"SELECT content_type, content_id, {cell}, count(*), {now} {grouped}"
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
