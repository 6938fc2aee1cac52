"""The event: a token that says how a change moves the counts; written with the change and burned by counting.

An event changes the total by `delta` and adds `cell_delta` shares to the cell `to` (or removes them, if negative).
A move also names the cell `origin` and does not change the total; it is a single event, so the total never dips.
A job that travels through the broker carries only the id, to find the row, and the content item, to announce its count
again if the row is gone. The row is counted, never the job.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sharetally.domain.content import ContentRef


class Job(StrEnum):
    """Names of jobs: three from the requirement document, and our own. Each is burned by one consumer."""

    SHARE_CREATED = "share_created"
    SHARE_DELETED = "share_deleted"
    SHARE_UPDATED = "share_updated"
    SHARE_COUNT_UPDATE = "share_count_update"
    SHARE_POST = "share_post"
    SHARE_FEED = "share_feed"
    SHARE_INBOUND = "share_inbound"


COUNTED = frozenset({Job.SHARE_CREATED, Job.SHARE_DELETED, Job.SHARE_UPDATED, Job.SHARE_COUNT_UPDATE})


class Cell(NamedTuple):
    """The place of a share in the breakdown; `''` means no channel or no campaign."""

    evidence: str
    channel: str
    campaign: str


class Event(NamedTuple):
    """One row of `events`.

    `job` is a name of `Job` or one that an external consumer owns. `at` is when the change happened (for a move: when
    the share was made). `platform` is set for records only. `payload` is JSON for the consumer of the job, and empty
    for events that are counted.
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
