"""What posting to one platform has that the others have not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sharetally.adapters.platforms.linkedin.client import LinkedInPublisher
from sharetally.domain.post import CannotTell, NotThere, OutcomeUnknown, Posted, PostRejected, TryLater
from sharetally.domain.spending import DOLLAR, FREE
from tests.fakes import facebook, linkedin, threads, twitter
from tests.fakes.api_server import Ending, Fault, Reply
from tests.fakes.facebook import FakeFacebook
from tests.fakes.graph import graph_error
from tests.fakes.linkedin import FakeLinkedIn
from tests.fakes.threads import FakeThreads
from tests.fakes.twitter import FakeTwitter
from tests.platforms.cases import URL, new_draft, opened, within

pytestmark = pytest.mark.anyio
LATER = timedelta(minutes=2)  # when a list shows what was accepted

# X


async def test_x_calls_a_repeated_post_a_duplicate_and_the_look_finds_it() -> None:
    async with opened("twitter") as case:
        draft = await case.prepared()
        first = await case.publisher.publish(case.account, case.tokens, draft)
        assert isinstance(await case.publisher.publish(case.account, case.tokens, draft), OutcomeUnknown)
        assert await case.publisher.look(case.account, case.tokens, draft) == first
        assert isinstance(first, Posted)
        assert first.external_url == f"https://x.com/example/status/{first.external_id}"
        assert case.copies() == 1


async def test_x_calls_a_post_a_duplicate_that_nobody_finds() -> None:
    async with opened("twitter") as case:
        draft = await case.prepared()
        reply = twitter.problem(403, "Forbidden", detail=twitter.DUPLICATE)
        case.fake.fail("create", Fault(carried_out=False, reply=reply))
        assert isinstance(await case.publisher.publish(case.account, case.tokens, draft), OutcomeUnknown)


async def test_a_look_at_x_reads_nothing_older_than_the_attempt() -> None:
    """Each post that is read costs money."""
    async with opened("twitter") as case:
        assert isinstance(case.fake, FakeTwitter)
        case.fake.now = datetime.now(UTC) - timedelta(hours=1)
        for number in range(20):
            case.fake.add_post(f"older {number}")
        case.draft = replace(case.draft, created_at=datetime.now(UTC) - timedelta(days=9))  # it was scheduled
        await case.prepared()
        case.clock.ahead += LATER
        assert isinstance(await case.publisher.look(case.account, case.tokens, case.draft), NotThere)
        assert case.fake.reads == 0


@pytest.mark.parametrize(("newer", "found"), [(0, True), (99, True), (100, False)])
async def test_a_look_at_x_costs_what_it_reads_and_no_more_than_it_says(newer: int, found: bool) -> None:
    async with opened("twitter") as case:
        assert isinstance(case.fake, FakeTwitter)
        await case.publisher.publish(case.account, case.tokens, await case.prepared())
        for number in range(newer):
            case.fake.add_post(f"newer {number} https://share.example.com/s/other{number}")
        looked = await case.publisher.look(case.account, case.tokens, case.draft)
        assert isinstance(looked, Posted if found else CannotTell)
        assert looked.cost is not None
        assert looked.cost == case.fake.reads * 1_000 == min(newer + 1, 100) * 1_000
        assert looked.cost <= case.publisher.costs(case.draft).look


async def test_a_look_at_x_wants_the_very_address() -> None:
    async with opened("twitter") as case:
        assert isinstance(case.fake, FakeTwitter)
        for text in (f"{URL}x", f"{URL}/more", URL[:-1], "no address"):
            case.fake.add_post(text)
        draft = await case.prepared()
        case.clock.ahead += LATER
        assert isinstance(await case.publisher.look(case.account, case.tokens, draft), NotThere)


async def test_a_partial_answer_of_x_is_no_look() -> None:
    async with opened("twitter") as case:
        reply = Reply(json={"errors": [{"title": "Authorization Error", "detail": "Sorry"}]})
        case.fake.fail("timeline", Fault(carried_out=False, reply=reply))
        assert isinstance(await case.publisher.look(case.account, case.tokens, await case.prepared()), CannotTell)


async def test_a_look_at_x_without_credits_waits() -> None:
    async with opened("twitter") as case:
        case.fake.fail("timeline", Fault(carried_out=False, reply=twitter.OUT_OF_CREDITS))
        assert isinstance(await case.publisher.look(case.account, case.tokens, await case.prepared()), TryLater)


@pytest.mark.parametrize(
    ("text", "dollars"),
    [
        ("Worth a look {url}", 0.2),
        ("see example.com", 0.2),
        ("see https://nowhere", 0.2),
        ("no address", 0.015),
    ],
)
async def test_what_x_costs(text: str, dollars: float) -> None:
    async with opened("twitter") as case:
        costs = case.publisher.costs(replace(case.draft, text=text.replace("{url}", URL)))
        assert (costs.post / DOLLAR, costs.look / DOLLAR, costs.delete / DOLLAR) == (dollars, 0.1, 0.01)


@pytest.mark.parametrize("platform", ["linkedin", "facebook", "threads"])
async def test_the_others_cost_nothing(platform: str) -> None:
    async with opened(platform) as case:
        assert case.publisher.costs(case.draft) == FREE


async def test_what_x_refuses_costs_nothing_and_what_it_does_not_answer_may() -> None:
    async with opened("twitter") as case:
        draft = await case.prepared()
        case.fake.fail("timeline", Fault(carried_out=False, reply=twitter.UNAVAILABLE))
        refused = await case.publisher.look(case.account, case.tokens, draft)
        case.fake.fail("timeline", Fault(carried_out=True, ending=Ending.RESET))
        lost = await case.publisher.look(case.account, case.tokens, draft)
        assert isinstance(refused, TryLater)
        assert isinstance(lost, TryLater)
        assert (refused.cost, lost.cost) == (0, None)


# LinkedIn


async def test_linkedin_shows_the_text_as_it_was_written() -> None:
    """What is not escaped would be cut there, without an error."""
    async with opened("linkedin") as case:
        assert isinstance(case.fake, FakeLinkedIn)
        case.draft = new_draft("Tom (and @Mara) say: #1_of_2 * <b> [x] {y} ~ | \\ done {url} — end")
        outcome = await case.publisher.publish(case.account, case.tokens, await case.prepared())
        assert isinstance(outcome, Posted)
        assert outcome.external_url == f"https://www.linkedin.com/feed/update/{outcome.external_id}/"
        assert case.fake.texts() == [case.draft.text]


async def test_a_duplicate_at_linkedin_is_probably_posted() -> None:
    """It may name a post that is not there any more, so this is no proof."""
    async with opened("linkedin") as case:
        draft = await case.prepared()
        await case.publisher.publish(case.account, case.tokens, draft)
        again = await case.publisher.publish(case.account, case.tokens, draft)
        assert isinstance(again, OutcomeUnknown)
        assert "probably posted" in again.reason
        top_level = linkedin.error(422, "DUPLICATE_POST", "Duplicate post is detected: urn:li:share:1")
        case.fake.fail("create", Fault(carried_out=False, reply=top_level))
        assert again == await case.publisher.publish(case.account, case.tokens, draft)


async def test_another_422_of_linkedin_is_a_refusal() -> None:
    async with opened("linkedin") as case:
        reply = linkedin.error(422, "INVALID_STRING_LENGTH", "ERROR :: /commentary :: duplicate post DUPLICATE_POST")
        case.fake.fail("create", Fault(carried_out=False, reply=reply))
        outcome = await case.publisher.publish(case.account, case.tokens, await case.prepared())
        assert isinstance(outcome, PostRejected)
        assert outcome.code == "INVALID_STRING_LENGTH"


async def test_an_ended_version_of_linkedin_names_the_version() -> None:
    async with opened("linkedin") as case:
        publisher = LinkedInPublisher(case.outbound, api_version="202511", base_url=case.fake.url)
        outcome = await publisher.publish(case.account, case.tokens, case.draft)
        assert isinstance(outcome, TryLater)
        assert "202511" in outcome.reason


async def test_linkedins_limits_begin_anew_at_midnight() -> None:
    async with opened("linkedin", lambda: datetime(2026, 11, 30, 23, 10, 5, 77, UTC)) as case:
        case.fake.fail("create", Fault(carried_out=False, reply=linkedin.LIMITED))
        outcome = await case.publisher.publish(case.account, case.tokens, case.draft)
        assert isinstance(outcome, TryLater)
        assert outcome.at == datetime(2026, 12, 1, tzinfo=UTC)


# Facebook


async def test_facebook_calls_a_repeated_post_a_duplicate_and_the_look_finds_it() -> None:
    async with opened("facebook") as case:
        draft = await case.prepared()
        first = await case.publisher.publish(case.account, case.tokens, draft)
        again = await case.publisher.publish(case.account, case.tokens, draft)
        assert isinstance(first, Posted)
        assert isinstance(again, Posted)
        assert again.external_id == first.external_id
        assert case.copies() == 1
        case.fake.fail("create", Fault(carried_out=False, reply=facebook.DUPLICATE))
        other = replace(draft, url=f"{URL}-other")
        assert isinstance(await case.publisher.publish(case.account, case.tokens, other), OutcomeUnknown)


async def test_facebook_gets_the_address_as_the_link() -> None:
    async with opened("facebook") as case:
        await case.publisher.publish(case.account, case.tokens, await case.prepared())
        (request,) = [request for request in case.fake.requests if request.target.endswith("/feed")]
        assert request.form == {"message": case.draft.text, "link": URL}


@pytest.mark.parametrize("newer", [0, 100, 499, 500])
async def test_a_look_at_facebook_finds_only_the_pages_own_post(newer: int) -> None:
    async with opened("facebook") as case:
        assert isinstance(case.fake, FakeFacebook)
        draft = await case.prepared()
        case.fake.add_post(f"a visitor shares it, too: {URL}", author="visitor")
        for text in (f"{URL}x", f"x{URL}-", "no address"):
            case.fake.add_post(text)
        case.clock.ahead += LATER
        assert isinstance(await case.publisher.look(case.account, case.tokens, draft), NotThere)
        own = case.fake.add_post(f"own ({URL}).")
        for number in range(newer):
            case.fake.add_post(f"newer {number}")
        looked = await case.publisher.look(case.account, case.tokens, draft)
        assert isinstance(looked, CannotTell) if newer == 500 else isinstance(looked, Posted)
        assert isinstance(looked, CannotTell) or looked == Posted(
            external_id=own, external_url=f"https://www.facebook.com/{facebook.PAGE_ID}/posts/{own.partition('_')[2]}"
        )


async def test_a_look_at_facebook_reads_nothing_older_than_the_attempt() -> None:
    async with opened("facebook") as case:
        assert isinstance(case.fake, FakeFacebook)
        case.fake.now = datetime.now(UTC) - timedelta(hours=1)
        case.fake.add_post(URL)
        draft = await case.prepared()
        case.clock.ahead += LATER
        assert isinstance(await case.publisher.look(case.account, case.tokens, draft), NotThere)


# Threads


async def test_a_container_of_threads_is_published_once() -> None:
    async with opened("threads") as case:
        draft = await case.prepared()
        first = await case.publisher.publish(case.account, case.tokens, draft)
        assert await case.publisher.publish(case.account, case.tokens, draft) == first
        assert isinstance(first, Posted)
        assert first.external_url == f"https://www.threads.com/@example/post/{first.external_id}"
        assert case.copies() == 1


async def test_a_container_is_kept_for_the_next_attempt() -> None:
    async with opened("threads") as case:
        assert isinstance(case.fake, FakeThreads)
        first = (await case.prepared()).prepared
        assert (await case.prepared()).prepared == first
        for status, kept in (("PUBLISHED", True), ("IN_PROGRESS", True), ("EXPIRED", False)):
            case.fake.containers[first["container"]].status = status
            assert ((await case.prepared()).prepared == first) is kept
            case.draft = replace(case.draft, prepared=first)
        assert len(case.fake.containers) == 2


async def test_a_container_that_is_not_ready_waits() -> None:
    async with opened("threads") as case:
        draft = await case.prepared()
        case.fake.fail("publish", Fault(carried_out=False, reply=threads.NOT_READY))
        outcome = await case.publisher.publish(case.account, case.tokens, draft)
        assert isinstance(outcome, TryLater)
        assert outcome.pause is None
        assert within(outcome.at, 10, timedelta(seconds=30))
        assert isinstance(await case.publisher.publish(case.account, case.tokens, draft), Posted)


async def test_another_24_of_threads_is_a_refusal() -> None:
    async with opened("threads") as case:
        draft = await case.prepared()
        case.fake.fail("publish", Fault(carried_out=False, reply=graph_error(24, "not found", subcode=4_279_010)))
        outcome = await case.publisher.publish(case.account, case.tokens, draft)
        assert isinstance(outcome, PostRejected)
        assert outcome.code == "24-4279010"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("FINISHED", NotThere), ("EXPIRED", NotThere), ("ERROR", NotThere), ("IN_PROGRESS", TryLater)],
)
async def test_the_status_of_a_container_is_exact(status: str, expected: type) -> None:
    async with opened("threads") as case:
        assert isinstance(case.fake, FakeThreads)
        draft = await case.prepared()
        case.fake.containers[draft.prepared["container"]].status = status
        assert isinstance(await case.publisher.look(case.account, case.tokens, draft), expected)


async def test_a_published_container_whose_post_is_gone_is_for_a_person() -> None:
    """The user may have deleted it, or Threads does not list it yet; it must not be sent again."""
    async with opened("threads") as case:
        assert isinstance(case.fake, FakeThreads)
        draft = await case.prepared()
        await case.publisher.publish(case.account, case.tokens, draft)
        case.fake.posts.clear()
        assert isinstance(await case.publisher.look(case.account, case.tokens, draft), CannotTell)
        assert isinstance(await case.publisher.publish(case.account, case.tokens, draft), OutcomeUnknown)


async def test_a_container_that_is_not_known_is_no_proof_and_the_list_of_posts_is() -> None:
    """After a restore from a backup, nobody knows the container of a post that was published since."""
    async with opened("threads") as case:
        assert isinstance(await case.publisher.look(case.account, case.tokens, case.draft), TryLater)
        case.clock.ahead += LATER
        assert isinstance(await case.publisher.look(case.account, case.tokens, case.draft), NotThere)
        posted = await case.publisher.publish(case.account, case.tokens, await case.prepared())
        assert await case.publisher.look(case.account, case.tokens, replace(case.draft, prepared={})) == posted


@pytest.mark.parametrize("ending", list(Ending))
async def test_a_container_that_was_lost_is_created_again(ending: Ending) -> None:
    """Creating one publishes nothing."""
    async with opened("threads") as case:
        case.fake.fail("create", Fault(carried_out=True, ending=ending))
        case.outbound.deadline = 0.3
        assert isinstance(await case.publisher.prepare(case.account, case.tokens, case.draft), TryLater)
        case.outbound.deadline = 10
        assert isinstance(await case.publisher.publish(case.account, case.tokens, await case.prepared()), Posted)
        assert case.copies() == 1


async def test_a_post_without_its_address_is_a_post_all_the_same() -> None:
    async with opened("threads") as case:
        draft = await case.prepared()
        case.fake.fail("read", Fault(carried_out=False, ending=Ending.RESET))
        outcome = await case.publisher.publish(case.account, case.tokens, draft)
        assert isinstance(outcome, Posted)
        assert outcome.external_url is None


# all


@pytest.mark.parametrize(
    ("platform", "deduplicates"), [("twitter", False), ("linkedin", False), ("facebook", False), ("threads", True)]
)
async def test_who_drops_a_repeated_post(platform: str, deduplicates: bool) -> None:
    async with opened(platform) as case:
        assert case.publisher.deduplicates is deduplicates
        assert case.publisher.deduplicates_for is None


@pytest.mark.parametrize("platform", ["twitter", "linkedin", "facebook", "threads"])
async def test_a_text_that_is_too_long_is_known_before(platform: str) -> None:
    async with opened(platform) as case:
        assert case.publisher.text_fault(case.draft.text, URL) is None
        assert case.publisher.text_fault("a" * 70_000, URL) is not None
        assert len(case.publisher.warnings("hello @mara")) == (1 if platform == "twitter" else 0)
