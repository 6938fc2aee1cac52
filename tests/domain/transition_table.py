"""The transition table as the requirements define it, written down here independently of the code.

Rows are statuses, columns are triggers, and entries are the words of `MEANS`. Only a live success counts, so only
transitions into and out of it carry a job that changes the count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sharetally.domain.event import Job
from sharetally.domain.share import Action, Reply, Status, Trigger


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The reply to a trigger, the status afterwards, the audit's action, and the job or post that follows."""

    reply: Reply
    status: Status | None = None
    action: Action | None = None
    job: Job | None = None
    posts: bool = False


def done(status: Status, action: Action, job: Job | None = None, *, posts: bool = False) -> Expected:
    return Expected(reply=Reply.DONE, status=status, action=action, job=job, posts=posts)


MEANS = {
    # nothing is written
    "same": Expected(reply=Reply.UNCHANGED),
    "404": Expected(reply=Reply.NOT_FOUND),
    "409": Expected(reply=Reply.CONFLICT),
    # the user declared it
    "share": done(Status.SUCCESS, Action.SHARED, Job.SHARE_CREATED),
    "again": done(Status.SUCCESS, Action.RESHARED, Job.SHARE_UPDATED),
    "revive": done(Status.SUCCESS, Action.REVIVED, Job.SHARE_CREATED),
    "take back": done(Status.WITHDRAWN, Action.WITHDRAWN, Job.SHARE_DELETED),
    # the server posts
    "order": done(Status.PENDING, Action.REQUESTED, posts=True),
    "reorder": done(Status.PENDING, Action.RETRIED, posts=True),
    "order too": done(Status.SUCCESS, Action.REQUESTED, posts=True),
    "cancel": done(Status.WITHDRAWN, Action.WITHDRAWN),
    "search": done(Status.UNKNOWN, Action.RETRIED, posts=True),
    "send": done(Status.SENDING, Action.SENDING),
    "posted": done(Status.SUCCESS, Action.POSTED, Job.SHARE_CREATED),
    "proven": done(Status.SUCCESS, Action.POSTED, Job.SHARE_UPDATED),
    "fail": done(Status.FAILED, Action.FAILED),
    "lose": done(Status.UNKNOWN, Action.UNKNOWN),
}

MATRIX = """
            | declare | force  | post      | withdraw  | retry   | begin | confirm | reject | lose
  nothing   | share   | share  | order     | 404       | 404     | 404   | 404     | 404    | 404
  pending   | same    | same   | same      | cancel    | 409     | send  | posted  | fail   | lose
  sending   | same    | same   | same      | cancel    | 409     | 409   | posted  | fail   | lose
  success   | same    | again  | order too | take back | 409     | 409   | proven  | 409    | 409
  failed    | share   | share  | order     | 404       | reorder | 409   | 409     | 409    | 409
  unknown   | share   | share  | same      | cancel    | search  | 409   | posted  | fail   | 409
  withdrawn | revive  | revive | order     | 404       | 409     | 409   | 409     | 409    | 409
"""


def cells() -> Iterator[tuple[Status | None, Trigger, str]]:
    """Every entry: the status (None: no record), the trigger, and the word of the entry."""
    head, *rows = [[word.strip() for word in line.split("|")] for line in MATRIX.strip("\n").splitlines()]
    for state, *words in rows:
        for asked, word in zip(head[1:], words, strict=True):
            yield None if state == "nothing" else Status(state), Trigger(asked), word
