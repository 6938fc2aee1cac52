"""Rows in memory while wishes are folded: each sees the earlier ones, a refused one leaves no trace."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.count import fold
from sharetally.domain.errors import Conflict, IdempotencyKeyReused, JobIdReused, NotFound, Refused
from sharetally.domain.ids import new_id
from sharetally.domain.share import Evidence, RecordKey, Request, ShareRecord, Status
from sharetally.flow.adjusting import Adjust
from sharetally.flow.batch import Batch, EntityChange, Keyed, Wish, union
from sharetally.flow.linking import CreateLink, DeleteLink, PatchLink
from sharetally.flow.posting.message import decode_post
from sharetally.flow.sharing import Ids, Retry, record_cell, take_step
from sharetally.ports import CallerKey, Locked, References, StoredAnswer, Writes
from tests.flow.committing import VIDEO, caller, keyed, share, withdraw

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = RecordKey(content_type="video", content_id="abc", platform="twitter", user_id="anna")
NOTHING = Locked(answers={}, records={}, links={}, adjustments={})


def over(*records: ShareRecord) -> Batch:
    return Batch(Locked(answers={}, records={each.key: each for each in records}, links={}, adjustments={}), NOW)


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


def applied(batch: Batch, *wishes: Wish[object]) -> list[EntityChange]:
    """Fold wishes in; the changes of the last."""
    told: list[list[EntityChange]] = []
    for wish in wishes:
        told.append(batch.begin())
        try:
            wish.apply(batch)
        except Refused:
            batch.undo()
            raise
    return told[-1]


def refused(batch: Batch, wish: Wish[object]) -> None:
    with pytest.raises(Refused):
        applied(batch, wish)


# new, changed, final


def test_what_is_new_is_inserted_with_its_final_state() -> None:
    batch = over()
    applied(batch, share(), withdraw(), share())
    writes = batch.take_writes()
    assert writes.changed_records == {}
    assert [(each.status, each.attempt_count) for each in writes.new_records.values()] == [(Status.SUCCESS, 2)]
    assert [line.action for line in writes.audit] == ["shared", "withdrawn", "revived"]
    assert [event.delta for event in writes.events] == [1, -1, 1]


def test_what_stands_is_updated_to_its_final_state() -> None:
    before = stored()
    batch = over(before)
    applied(batch, withdraw(), share())
    writes = batch.take_writes()
    assert writes.new_records == {}
    assert [(each.id, each.status) for each in writes.changed_records.values()] == [(before.id, Status.SUCCESS)]


def test_what_changes_nothing_writes_nothing() -> None:
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
    assert (moves.delta, moves.moved) == (0, 1)
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


def test_somebody_elses_link_is_not_there() -> None:
    batch = over()
    made = a_link()
    applied(batch, made)
    with pytest.raises(NotFound):
        applied(batch, DeleteLink(link_id=made.id, caller=caller("berta")))


# what is refused


def test_a_refused_wish_leaves_no_trace() -> None:
    batch = over()
    applied(batch, Adjust(adjustments=[correction("a")], user_id="ops"))
    with pytest.raises(JobIdReused):
        applied(batch, Adjust(adjustments=[correction("b"), correction("a", 2)], user_id="ops"))
    assert batch.adjustment("b") is None
    writes = batch.take_writes()
    assert list(writes.adjustments) == ["a"]
    assert (len(writes.audit), len(writes.events)) == (1, 1)


def test_what_stood_before_a_refused_wish_stands_again() -> None:
    before = stored()
    batch = over(before)

    class ChangesItsMind:
        def references(self) -> References:
            return References(records=frozenset({KEY}))

        def apply(self, batch: Batch) -> None:
            withdraw().apply(batch)
            raise Conflict("on second thoughts")

    refused(batch, ChangesItsMind())
    assert batch.record(KEY) == before
    assert batch.take_writes() == Writes()


def test_a_retry_is_for_what_failed() -> None:
    retry = Retry(content=VIDEO, caller=caller("anna"), platform="twitter")
    with pytest.raises(NotFound):
        applied(over(), retry)
    with pytest.raises(Conflict):
        applied(over(stored(Status.SUCCESS)), retry)
    assert [change.after for change in applied(over(stored(Status.FAILED)), retry)] != []


def test_a_withdrawal_is_for_what_is_live() -> None:
    for status in set(Status) - {Status.SUCCESS}:
        with pytest.raises(NotFound):
            applied(over(stored(status)), withdraw())


# who is told


def test_changes_tell_what_stood_before_each_step() -> None:
    batch = over()
    (made,) = applied(batch, share())
    assert made.before is None
    (gone,) = applied(batch, withdraw())
    assert gone.before == made.after


def test_what_was_written_already_counts_as_stored() -> None:
    batch = over()
    applied(batch, share())
    assert len(batch.take_writes().new_records) == 1
    applied(batch, withdraw())
    writes = batch.take_writes()
    assert (len(writes.new_records), len(writes.changed_records)) == (0, 1)


def test_what_was_written_in_a_part_that_failed_is_new_again() -> None:
    batch = over()

    batch.begin()
    share().apply(batch)
    batch.take_writes()
    batch.undo()
    applied(batch, share())
    assert len(batch.take_writes().new_records) == 1


# keys


def test_the_same_request_under_a_key_finds_its_answer() -> None:
    batch, asked = over(), keyed("k")
    answer = StoredAnswer(request_hash=asked.request_hash, status=200, headers=(), body=b"{}")
    assert batch.answer(asked) is None
    batch.put_answer(asked.key, answer)
    assert batch.answer(asked) == answer
    assert batch.take_writes().answers == {CallerKey(caller="anna", key="k"): answer}


def test_another_request_under_a_key_is_refused() -> None:
    asked = keyed("k")
    answer = StoredAnswer(request_hash=asked.request_hash, status=200, headers=(), body=b"{}")
    batch = Batch(Locked(answers={asked.key: answer}, records={}, links={}, adjustments={}), NOW)
    other: Keyed = keyed("k", asked="something else")
    with pytest.raises(IdempotencyKeyReused):
        batch.answer(other)


def test_references_are_joined() -> None:
    one, other = share("anna").references(), share("berta", "email").references()
    link = new_id()
    joined = union([one, other, References(links=frozenset({link}), adjustments=frozenset({"job"}))])
    assert joined.records == one.records | other.records
    assert (joined.links, joined.adjustments, joined.keys) == (frozenset({link}), frozenset({"job"}), frozenset())


# every walk through the table ends with cells that say what the record says


def test_events_of_every_walk_add_up_to_the_record() -> None:
    for walk in product(Request, repeat=4):
        batch = Batch(NOTHING, NOW)
        for request in walk:
            (ids,) = Ids.new(1)
            take_step(batch, KEY, request, ids, actor="anna", request_id="")
        record = batch.record(KEY)
        change = fold(batch.take_writes().events).get(VIDEO)
        found = {key: shares for key, shares in change.cells.items() if shares} if change else {}
        assert found == cells(record)
        assert (change.delta if change else 0) == sum(1 for _ in [record] if record and record.live)


def cells(record: ShareRecord | None) -> dict[tuple[str, str], int]:
    """Where a record stands in the breakdown, if it is live."""
    if record is None or not record.live:
        return {}
    cell = record_cell(record)
    by_dimension = (("evidence", cell.evidence), ("channel", cell.channel), ("campaign", cell.campaign))
    return dict(Counter([*by_dimension, ("platform", record.platform)]))


def test_a_record_stands_in_its_platforms_channel_and_in_no_campaign() -> None:
    cell = record_cell(stored(evidence=Evidence.POSTED))
    assert (cell.evidence, cell.channel, cell.campaign) == ("posted", "twitter", "")


def test_an_order_to_post_is_a_delivery_and_no_event() -> None:
    batch = over()
    applied(batch, share(request=Request.POST))
    assert batch.take_writes().events == []
    (delivery,) = batch.take_deliveries()
    post = decode_post(delivery.payload)
    assert (delivery.target.kind, delivery.target.name, post.attempt) == ("post", "twitter", 1)
    assert (post.contentType, post.contentId, post.userId, post.platform) == ("video", "abc", "anna", "twitter")
    assert batch.take_deliveries() == []


def test_what_is_taken_back_posts_nothing() -> None:
    batch = over()
    batch.begin()
    applied(batch, share(request=Request.POST))
    batch.undo()
    assert batch.take_deliveries() == []
