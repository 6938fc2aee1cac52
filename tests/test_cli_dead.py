"""Parked jobs and dead deliveries by the program: listed, shown, replayed, given up; nothing drifts."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import ANY
from uuid import UUID

import pytest

from sharetally.domain.delivery import Dead
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import Evidence, Status
from sharetally.flow.consumers.external import InboundJob, to_payload
from sharetally.flow.posting.message import NO_ACCOUNT, post_delivery
from sharetally.ports import Backlog, Writes
from tests.contracts.database_rows import (
    AT,
    VIDEO,
    execute_sql,
    insert_shares,
    open_database,
    open_empty_database,
    query_int,
    record,
    records_by_key,
    write_rows,
)
from tests.contracts.delivery_rows import EPOCH, enqueue, finish, registered, states
from tests.program import Program

pytestmark = pytest.mark.anyio


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/data/sharetally.db"


@pytest.fixture
async def program(tmp_path: Path, url: str) -> Program:
    made = Program(tmp_path)
    made.migrate()
    return made


@pytest.fixture
async def event(program: Program, url: str) -> Event:
    """A share whose job is parked."""
    async with open_database(url) as db:
        (made,) = await insert_shares(db, record())
        await db.events.park(made.id, "a poison")
    return made


def proven(program: Program) -> bool:
    return program.run("verify").code == 0


async def test_listing_and_showing(program: Program, event: Event) -> None:
    assert program.run("dead", "list").out == f"{event.id}  share_created  video:abc  a poison\n"
    (listed,) = program.run("dead", "list", "--json").json
    shown = program.run("dead", "show", str(event.id)).json
    assert listed.items() <= shown.items()
    assert (listed["jobId"], listed["reason"], listed["delta"]) == (str(event.id), "a poison", 1)
    assert shown["to"] == {"evidence": "declared", "channelId": "twitter", "campaignId": None}
    assert shown["from"] is None
    assert (listed["userId"], listed["requestId"], listed["attempts"]) == ("anna", "request-1", 0)


async def test_a_job_from_outside_shows_its_text(program: Program, url: str) -> None:
    text = '{"jobId": "7", "contentId": "a/b"}'
    payload = to_payload(InboundJob(name="share_created", text=text))
    strange = Event(id=new_id(), job=Job.SHARE_INBOUND, content=VIDEO, at=AT, payload=payload)
    async with open_database(url) as db:
        await db.events.add_parked(strange, "contentId must not contain '/'")
    shown = program.run("dead", "show", str(strange.id)).json
    assert (shown["payload"], shown["to"], shown["from"]) == (f"share_created\n{text}", None, None)


async def test_a_replayed_job_is_sent_by_the_relay_of_serve(program: Program, url: str, event: Event) -> None:
    result = program.run("dead", "replay", str(event.id), str(new_id()))
    assert (result.code, result.out) == (0, "1 job pending again; the relay will send them within a minute\n")
    assert program.run("dead", "list", "--json").json == []
    assert proven(program)
    async with open_database(url) as db:
        assert (await db.events.backlog()).pending == 1


async def test_replaying_all(program: Program, event: Event) -> None:
    assert program.run("dead", "replay", "--all").out.startswith("1 job pending again")
    assert program.run("dead", "replay", "--all").out.startswith("0 jobs pending again")


async def test_replaying_all_has_no_limit(program: Program, url: str) -> None:
    """Nor does listing hide how many there are."""
    many = 10_001
    async with open_database(url) as db:
        await insert_shares(db, *(record(user_id=f"user-{each}") for each in range(many)))
        await execute_sql(db, "UPDATE events SET parked_reason = 'a poison'")
    result = program.run("dead", "list", "--limit", "2")
    assert (len(result.out.splitlines()), result.err) == (
        2,
        f"{many} parked jobs; only the newest 2 are shown, --limit shows more\n",
    )
    assert program.run("dead", "replay", "--all").out.startswith(f"{many} jobs pending again")
    assert program.run("dead", "list").err == "0 parked jobs\n"
    async with open_database(url) as db:
        assert await db.events.backlog() == Backlog(pending=many, parked=0, oldest=ANY)


async def test_discarding(program: Program, url: str, event: Event) -> None:
    assert proven(program)
    result = program.run("dead", "discard", str(event.id), "--reason", "a test", "--author", "olga")
    assert (result.code, result.out) == (0, "discarded; 1 adjustment cancelled its effect on the count\n")
    assert proven(program)
    async with open_database(url) as db:
        assert (
            await query_int(db, "SELECT sum(amount) FROM adjustments WHERE actor = 'olga' AND reason = 'a test'") == -1
        )
    retry_transient = program.run("dead", "discard", str(event.id), "--reason", "a test")
    assert (retry_transient.code, retry_transient.err) == (2, f"sharetally: no parked job {event.id}\n")


async def test_discarding_needs_a_reason(program: Program, event: Event) -> None:
    assert program.run("dead", "discard", str(event.id)).err == "sharetally: Missing option '--reason'.\n"
    result = program.run("dead", "discard", str(event.id), "--reason", " ")
    assert (result.code, result.err) == (2, "sharetally: reason: must be 1 to 500 characters\n")
    assert len(program.run("dead", "list", "--json").json) == 1


async def test_the_actor_is_the_system_user(program: Program, url: str, event: Event) -> None:
    program.run("dead", "discard", str(event.id), "--reason", "a test")
    who = os.environ.get("USER") or "operator"
    async with open_database(url) as db:
        assert await query_int(db, "SELECT count(*) FROM share_audit WHERE actor = :who", who=who) == 1


async def test_replaying_through_a_broker(tmp_path: Path, postgresql_url: str, amqp_url: str) -> None:
    program = Program(tmp_path, DATABASE_URL=postgresql_url, BROKER_URL=amqp_url)
    async with open_empty_database(postgresql_url) as db:
        events = await insert_shares(db, record(), record(user_id="bert"))
        for each in events:
            await db.events.park(each.id, "a poison")
        result = program.run("dead", "replay", "--all")
        assert (result.code, result.out, result.err) == (0, "2 jobs pending again; sent\n", "")
        with program.start_role("worker", "--consumers", "count") as role:
            role.wait_for_output('"outcome":"counted"')
            assert role.stop() == 0
        assert (await db.events.backlog()).pending == 0
        assert (await db.counts.stored([VIDEO]))[0].shares == 2
    assert proven(program)


# deliveries


@pytest.fixture
async def delivery(program: Program, url: str) -> UUID:
    """A retry whose post is dead; its record is pending."""
    pending = record(user_id="bert", status=Status.PENDING, evidence=Evidence.POSTED, attempt_count=2)
    post = Post(
        id=new_id(),
        record_id=pending.id,
        key=pending.key,
        account_id=NO_ACCOUNT,
        number=2,
        status=PostStatus.PENDING,
        text="",
        url="",
        created_at=datetime.now(UTC),
    )
    made = post_delivery(post, new_id(), "request-7")
    async with open_database(url) as db:
        await write_rows(db, Writes(new_records=records_by_key(pending), new_posts={post.id: post}))
        await enqueue(db, made)
        worker = await registered(db)
        for gate in (await db.deliveries.due({"post"}, EPOCH)).gates:
            (claimed,) = (await db.deliveries.claim(worker, gate, {"post"}, EPOCH, 1)).deliveries
            await finish(db, claimed, worker, Dead(reason="no such platform"))
    return made.id


async def test_dead_deliveries_are_listed_and_shown_with_the_parked_jobs(
    program: Program, event: Event, delivery: UUID
) -> None:
    listed = program.run("dead", "list")
    assert listed.out.splitlines()[0] == f"{delivery}  post  video:abc  no such platform"
    assert listed.err == "1 parked job, 1 dead or unknown delivery\n"
    shown = program.run("dead", "show", str(delivery)).json
    assert (shown["target"], shown["state"], shown["attempts"], shown["userId"]) == (str(NO_ACCOUNT), "dead", 1, "bert")
    assert '"attempt":2' in shown["payload"]


async def test_a_replayed_dead_delivery_waits_again(program: Program, url: str, delivery: UUID) -> None:
    assert program.run("dead", "replay", str(delivery)).out == "1 delivery waiting again for a worker\n"
    assert program.run("dead", "list", "--json").json == []
    async with open_database(url) as db:
        assert await states(db) == {delivery: "waiting"}


async def test_all_of_both_are_replayed(program: Program, event: Event, delivery: UUID) -> None:
    assert program.run("dead", "replay", "--all").out == (
        "1 job pending again; the relay will send them within a minute\n1 delivery waiting again for a worker\n"
    )


async def test_discarding_a_dead_post_lets_its_record_move_on(program: Program, url: str, delivery: UUID) -> None:
    result = program.run("dead", "discard", str(delivery), "--reason", "a test", "--author", "olga")
    assert (result.code, result.out) == (0, "discarded; it will not be delivered\n")
    async with open_database(url) as db:
        found = (await db.shares.of_user(VIDEO, "bert"))["twitter"]
    assert (found.status, found.error_code, found.error_message) == (Status.FAILED, "post-discarded", "a test")
    assert program.run("dead", "discard", str(delivery), "--reason", "a test").code == 2
