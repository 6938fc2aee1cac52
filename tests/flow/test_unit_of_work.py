"""Rows in memory while commands are applied: each command sees the earlier ones, a rejected one leaves no trace."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.count import fold
from sharetally.domain.errors import Conflict, IdempotencyKeyReused, JobIdReused, NotFound, Rejected
from sharetally.domain.ids import new_id
from sharetally.domain.share import Evidence, RecordKey, ShareRecord, Status, Trigger
from sharetally.flow.adjustments import Adjust
from sharetally.flow.link_commands import CreateLink, DeleteLink, PatchLink
from sharetally.flow.posting.message import NO_ACCOUNT, decode_post
from sharetally.flow.share_commands import Ids, apply_trigger, record_cell
from sharetally.flow.unit_of_work import Command, EntityChange, IdempotentCommand, UnitOfWork, merge_lock_sets
from sharetally.flow.withdraw_commands import Retry
from sharetally.ports import IdempotencyKey, LockedRows, LockSet, StoredResponse, Writes
from tests.flow.running_committer import VIDEO, caller, idempotent, share, withdraw

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = RecordKey(content_type="video", content_id="abc", platform="twitter", user_id="anna")
NOTHING = LockedRows(responses={}, records={}, links={}, adjustments={})


def over(*records: ShareRecord) -> UnitOfWork:
    return UnitOfWork(
        LockedRows(responses={}, records={each.key: each for each in records}, links={}, adjustments={}), NOW
    )


def stored(status: Status = Status.SUCCESS, evidence: Evidence = Evidence.DECLARED) -> ShareRecord:
    return ShareRecord(
        id=new_id(),
        content=VIDEO,
        platform="twitter",
        user_id="anna",
        status=status,
        evidence=evidence,
        attempt_count=1,
    )


def correction(key: str, amount: int = 1) -> Adjustment:
    return Adjustment(
        id=new_id(), request_key=key, content=VIDEO, amount=amount, channel="", campaign="", reason="r", actor="ops"
    )


def applied(batch: UnitOfWork, *commands: Command[object]) -> list[EntityChange]:
    """Apply commands and return the changes of the last one."""
    told: list[list[EntityChange]] = []
    for command in commands:
        told.append(batch.begin_command())
        try:
            command.apply(batch)
        except Rejected:
            batch.undo_command()
            raise
    return told[-1]


def refused(batch: UnitOfWork, command: Command[object]) -> None:
    with pytest.raises(Rejected):
        applied(batch, command)


# new, changed, final


def test_a_new_record_is_inserted_with_its_final_state() -> None:
    batch = over()
    applied(batch, share(), withdraw(), share())
    writes = batch.take_writes()
    assert writes.changed_records == {}
    assert [(each.status, each.attempt_count) for each in writes.new_records.values()] == [(Status.SUCCESS, 2)]
    assert [line.action for line in writes.audit] == ["shared", "withdrawn", "revived"]
    assert [event.delta for event in writes.events] == [1, -1, 1]


def test_an_existing_row_is_updated_to_its_final_state() -> None:
    before = stored()
    batch = over(before)
    applied(batch, withdraw(), share())
    writes = batch.take_writes()
    assert writes.new_records == {}
    assert [(each.id, each.status) for each in writes.changed_records.values()] == [(before.id, Status.SUCCESS)]


def test_a_command_that_changes_nothing_writes_nothing() -> None:
    batch = over(stored())
    applied(batch, share(), share())
    assert batch.take_writes() == Writes()


def test_a_link_that_was_made_and_deleted_in_one_batch_is_inserted_deleted() -> None:
    batch = over()
    made = a_link()
    applied(batch, made, DeleteLink(link_id=made.id, caller=caller("anna")))
    writes = batch.take_writes()
    assert [link.deleted_at for link in writes.new_links.values()] == [NOW]
    assert writes.changed_links == {}
    assert [event.delta for event in writes.events] == [1, -1]


def a_link(channel: str = "x") -> CreateLink:
    return CreateLink(
        content=VIDEO, caller=caller("anna"), url="https://example.org", channel=channel, campaign="", expires_at=None
    )


def test_a_patch_of_the_channel_is_one_event_that_moves() -> None:
    batch = over()
    made = a_link("x")
    applied(batch, made, PatchLink(link_id=made.id, caller=caller("anna"), fields={"channel": "y"}))
    (_, moves) = batch.take_writes().events
    assert (moves.delta, moves.cell_delta) == (0, 1)
    assert moves.origin is not None
    assert moves.to is not None
    assert (moves.origin.channel, moves.to.channel) == ("x", "y")


@pytest.mark.parametrize("fields", [{"url": "https://example.org/2"}, {"expires_at": NOW + timedelta(days=1)}])
def test_a_patch_of_something_else_moves_nothing(fields: dict[str, object]) -> None:
    batch = over()
    made = a_link()
    applied(batch, made, PatchLink(link_id=made.id, caller=caller("anna"), fields=fields))
    writes = batch.take_writes()
    assert len(writes.events) == 1
    assert [line.action for line in writes.audit] == ["link_created", "link_updated"]


def test_a_patch_to_the_same_writes_nothing() -> None:
    batch = over()
    made = a_link("x")
    applied(batch, made)
    batch.take_writes()
    applied(batch, PatchLink(link_id=made.id, caller=caller("anna"), fields={"channel": "x"}))
    assert batch.take_writes() == Writes()


def test_a_second_delete_finds_nothing() -> None:
    batch = over()
    made = a_link()
    applied(batch, made, DeleteLink(link_id=made.id, caller=caller("anna")))
    refused(batch, DeleteLink(link_id=made.id, caller=caller("anna")))
    assert len(batch.take_writes().events) == 2


def test_another_users_link_is_not_found() -> None:
    batch = over()
    made = a_link()
    applied(batch, made)
    with pytest.raises(NotFound):
        applied(batch, DeleteLink(link_id=made.id, caller=caller("berta")))


# what is refused


def test_a_rejected_command_leaves_no_trace() -> None:
    batch = over()
    applied(batch, Adjust(adjustments=[correction("a")], user_id="ops"))
    with pytest.raises(JobIdReused):
        applied(batch, Adjust(adjustments=[correction("b"), correction("a", 2)], user_id="ops"))
    assert batch.adjustment("b") is None
    writes = batch.take_writes()
    assert list(writes.adjustments) == ["a"]
    assert (len(writes.audit), len(writes.events)) == (1, 1)


def test_a_rejected_command_restores_earlier_state() -> None:
    before = stored()
    batch = over(before)

    class ChangesItsMind:
        def lock_set(self) -> LockSet:
            return LockSet(records=frozenset({KEY}))

        def apply(self, batch: UnitOfWork) -> None:
            withdraw().apply(batch)
            raise Conflict("on second thoughts")

    refused(batch, ChangesItsMind())
    assert batch.record(KEY) == before
    assert batch.take_writes() == Writes()


def test_only_failed_posts_can_be_retried() -> None:
    retry = Retry(content=VIDEO, caller=caller("anna"), platform="twitter")
    with pytest.raises(NotFound):
        applied(over(), retry)
    with pytest.raises(Conflict):
        applied(over(stored(Status.SUCCESS)), retry)
    assert [change.after for change in applied(over(stored(Status.FAILED)), retry)] != []


def test_what_is_neither_live_nor_under_way_cannot_be_withdrawn() -> None:
    for status in (Status.FAILED, Status.WITHDRAWN):
        with pytest.raises(NotFound):
            applied(over(stored(status)), withdraw())


def test_withdrawing_what_is_under_way_uncounts_nothing() -> None:
    for status in (Status.PENDING, Status.SENDING, Status.UNKNOWN):
        batch = over(stored(status))
        (changed,) = applied(batch, withdraw())
        assert isinstance(changed.after, ShareRecord)
        assert changed.after.status is Status.WITHDRAWN
        assert batch.take_writes().events == []


# which hooks are called


def test_changes_contain_the_row_before_each_step() -> None:
    batch = over()
    (made,) = applied(batch, share())
    assert made.before is None
    (gone,) = applied(batch, withdraw())
    assert gone.before == made.after


def test_a_record_that_is_already_written_counts_as_stored() -> None:
    batch = over()
    applied(batch, share())
    assert len(batch.take_writes().new_records) == 1
    applied(batch, withdraw())
    writes = batch.take_writes()
    assert (len(writes.new_records), len(writes.changed_records)) == (0, 1)


def test_a_record_written_by_an_undone_command_is_new_again() -> None:
    batch = over()

    batch.begin_command()
    share().apply(batch)
    batch.take_writes()
    batch.undo_command()
    applied(batch, share())
    assert len(batch.take_writes().new_records) == 1


# keys


def test_the_same_request_under_a_key_finds_its_answer() -> None:
    batch, asked = over(), idempotent("k")
    answer = StoredResponse(request_hash=asked.request_hash, status=200, headers=(), body=b"{}")
    assert batch.stored_response(asked) is None
    batch.put_response(asked.key, answer)
    assert batch.stored_response(asked) == answer
    assert batch.take_writes().responses == {IdempotencyKey(caller="anna", key="k"): answer}


def test_another_request_under_a_key_is_refused() -> None:
    asked = idempotent("k")
    answer = StoredResponse(request_hash=asked.request_hash, status=200, headers=(), body=b"{}")
    batch = UnitOfWork(LockedRows(responses={asked.key: answer}, records={}, links={}, adjustments={}), NOW)
    other: IdempotentCommand = idempotent("k", asked="something else")
    with pytest.raises(IdempotencyKeyReused):
        batch.stored_response(other)


def test_lock_sets_are_merged() -> None:
    one, other = share("anna").lock_set(), share("berta", "email").lock_set()
    link = new_id()
    joined = merge_lock_sets([one, other, LockSet(links=frozenset({link}), adjustments=frozenset({"job"}))])
    assert joined.records == one.records | other.records
    assert (joined.links, joined.adjustments, joined.keys) == (frozenset({link}), frozenset({"job"}), frozenset())


# every walk through the table ends with cells that say what the record says


def test_events_of_every_transition_path_add_up_to_the_record() -> None:
    for walk in product(Trigger, repeat=4):
        batch = UnitOfWork(NOTHING, NOW)
        for request in walk:
            (ids,) = Ids.new(1)
            apply_trigger(batch, KEY, request, ids, actor="anna", request_id="")
        record = batch.record(KEY)
        change = fold(batch.take_writes().events).get(VIDEO)
        found = {key: shares for key, shares in change.cells.items() if shares} if change else {}
        assert found == cells(record)
        assert (change.delta if change else 0) == sum(1 for _ in [record] if record and record.live)


def cells(record: ShareRecord | None) -> dict[tuple[str, str], int]:
    """The cell of a record in the breakdown, if it is live."""
    if record is None or not record.live:
        return {}
    cell = record_cell(record)
    by_dimension = (("evidence", cell.evidence), ("channel", cell.channel), ("campaign", cell.campaign))
    return dict(Counter([*by_dimension, ("platform", record.platform)]))


def test_a_record_counts_in_its_platforms_channel_and_in_no_campaign() -> None:
    cell = record_cell(stored(evidence=Evidence.POSTED))
    assert (cell.evidence, cell.channel, cell.campaign) == ("posted", "twitter", "")


def test_an_order_to_post_is_a_delivery_and_no_event() -> None:
    batch = over()
    applied(batch, share(request=Trigger.POST))
    assert batch.take_writes().events == []
    (delivery,) = batch.take_deliveries()
    post = decode_post(delivery.payload)
    assert (delivery.target.kind, delivery.target.name, post.attempt) == ("post", str(NO_ACCOUNT), 1)
    assert (post.contentType, post.contentId, post.userId, post.platform) == ("video", "abc", "anna", "twitter")
    assert batch.take_deliveries() == []


def test_an_undone_command_posts_nothing() -> None:
    batch = over()
    batch.begin_command()
    applied(batch, share(request=Trigger.POST))
    batch.undo_command()
    assert batch.take_deliveries() == []
