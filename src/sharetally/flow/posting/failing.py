"""A post that will not happen fails its record, so that its user can retry it or declare the share."""

from __future__ import annotations

from sharetally.domain.share import Failure, RecordKey, Request
from sharetally.flow.sharing import Ids, apply_trigger
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import Clock, LockSet, Transaction

UNAVAILABLE = Failure(code="posting-unavailable", message="this version cannot post to the platform on a user's behalf")


def discarded(reason: str) -> Failure:
    """What a record says of a post that an operator gave up."""
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
    """Fail the record if it still waits for its post, and for this attempt where one is named."""
    rows = UnitOfWork(await tx.lock(LockSet(records=frozenset({key}))), clock.now())
    record = rows.record(key)
    if record is None or (attempt is not None and record.attempt_count != attempt):
        return
    (ids,) = Ids.new(1)
    apply_trigger(rows, key, Request.REJECT, ids, actor=actor, request_id=request_id, failure=failure)
    await tx.write(rows.take_writes())
