"""The token: what a change does to the counts, written with it and burned by counting.

An event moves the total by `delta`, and `cell_delta` shares into the cell `to` (out of it, if negative).
A move names `origin` too and leaves the total alone: one event, so the total never dips.
What travels through the broker is only a job: its id, to find the row, and its content, to announce
again when the row is gone. The row is counted, never the job.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sharetally.domain.content import ContentRef


class Job(StrEnum):
    """Job names: the requirement document's three, and ours. Each is burned by one consumer."""

    SHARE_CREATED = "share_created"
    SHARE_DELETED = "share_deleted"
    SHARE_UPDATED = "share_updated"
    SHARE_COUNT_UPDATE = "share_count_update"
    SHARE_POST = "share_post"
    SHARE_FEED = "share_feed"
    SHARE_INBOUND = "share_inbound"


COUNTED = frozenset({Job.SHARE_CREATED, Job.SHARE_DELETED, Job.SHARE_UPDATED, Job.SHARE_COUNT_UPDATE})


class Cell(NamedTuple):
    """Where a share stands in the breakdown; `''` is no channel, no campaign."""

    evidence: str
    channel: str
    campaign: str


class Event(NamedTuple):
    """One row of `events`.

    `job` is a name of `Job` or one that a foreign consumer owns. `at` is when the change happened
    (for a move: when the share was made). `platform` is set for records only. `payload` is JSON that
    the owner of the job understands, empty for what is counted.
    """

    id: UUID
    job: str
    content: ContentRef
    at: datetime
    delta: int = 0
    cell_delta: int = 0
    to: Cell | None = None
    origin: Cell | None = None
    platform: str | None = None
    share_id: UUID | None = None
    user_id: str | None = None
    request_id: str = ""
    payload: str = ""
