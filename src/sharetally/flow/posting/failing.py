"""Failing the record of a post that will not happen, so that its user can retry it or declare the share."""

from __future__ import annotations

from sharetally.domain.share import Failure, RecordKey, Trigger
from sharetally.flow.share_commands import Ids, apply_trigger
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import Clock, LockSet, Transaction

UNAVAILABLE = Failure(code="posting-unavailable", message="this version cannot post to the platform on a user's behalf")


def discarded(reason: str) -> Failure:
    """The failure of a post that an operator discarded."""
    return Failure(code="post-discarded", message=reason)


async def fail_post(
    tx: Transaction,
    key: RecordKey,
    failure: Failure,
    *,
    clock: Clock,
    actor: str,
    request_id: str,
    attempt: int | None = None,
) -> None:
    """Fail the record if it is still waiting for its post; with `attempt`, only if that is its newest attempt."""
    rows = UnitOfWork(await tx.lock(LockSet(records=frozenset({key}))), clock.now())
    record = rows.record(key)
    if record is None or (attempt is not None and record.attempt_count != attempt):
        return
    (ids,) = Ids.new(1)
    apply_trigger(rows, key, Trigger.REJECT, ids, actor=actor, request_id=request_id, failure=failure)
    await tx.write(rows.take_writes())
