"""Posts that the database may know less about than the platform: looked for first, and never sent blindly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.platforms.mastodon.client import MastodonPublisher
from sharetally.domain.ids import new_id
from sharetally.domain.post import CannotTell, Post
from sharetally.flow.posting.message import post_delivery
from sharetally.flow.posting.restoring import doubt_unfinished
from sharetally.ports import Writes
from tests.fakes.mastodon import FakeMastodon
from tests.web.api import Api
from tests.web.test_api_posting import api, connect, finished, mastodon, post, posts
from tests.web.test_api_posting_faults import shares

__all__ = ["api", "mastodon"]  # fixtures
pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)


@pytest.fixture
async def overdue(api: Api, mastodon: FakeMastodon) -> Post:
    """A post that is pending, and was due an hour ago."""
    await connect(api, mastodon)
    response = await post(api, scheduledAt=(datetime.now(UTC) + HOUR).isoformat())
    found = await api.database.posts.by_id(UUID(response.json["results"][0]["post"]["id"]))
    assert found is not None
    assert found.scheduled_at is not None
    due = found._replace(created_at=found.created_at - 2 * HOUR, scheduled_at=found.scheduled_at - 2 * HOUR)
    async with api.database.transaction() as tx:
        await tx.write(Writes(changed_posts={due.id: due}))
    return due


async def hold(api: Api) -> int:
    return await api.database.posts.hold_overdue(datetime.now(UTC) - HOUR / 2, "no worker ran")


async def wake(api: Api, held: Post) -> None:
    async with api.database.transaction() as tx:
        await tx.deliveries.enqueue([post_delivery(held, new_id(), "", purpose="wake")])


@pytest.mark.parametrize("sent", [True, False])
async def test_what_was_due_while_no_worker_ran_is_posted_once(
    api: Api, mastodon: FakeMastodon, overdue: Post, sent: bool
) -> None:
    """The database was restored from a backup, and the post was sent between the two, or not."""
    if sent:
        mastodon.add_post(overdue.text)
    assert await hold(api) == 1
    assert (await posts(api))[0]["error"]["code"] == "overdue"
    await wake(api, overdue)
    done = await finished(api, "success")
    assert "error" not in done or done["error"] is None
    assert (len(mastodon.texts()), await shares(api)) == (1, 1)


async def test_what_cannot_be_looked_up_is_held(
    api: Api, mastodon: FakeMastodon, overdue: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(self: MastodonPublisher, *args: Any) -> CannotTell:
        return CannotTell(reason="nobody can")

    monkeypatch.setattr(MastodonPublisher, "look", look)
    await hold(api)
    await wake(api, overdue)
    await finished(api, "unknown")
    assert mastodon.texts() == []
    decided = await api.request("POST", f"/posts/{overdue.record_id}/decide", {"posted": True})
    assert (decided.status, await shares(api)) == (200, 1)


async def test_only_what_is_overdue_is_held(api: Api, mastodon: FakeMastodon) -> None:
    await connect(api, mastodon)
    await post(api, scheduledAt=(datetime.now(UTC) + HOUR).isoformat())
    assert await hold(api) == 0


@pytest.mark.parametrize("sent", [True, False])
async def test_a_withdrawn_post_that_may_be_there_is_looked_for_and_deleted(
    api: Api, mastodon: FakeMastodon, overdue: Post, sent: bool
) -> None:
    if sent:
        mastodon.add_post(overdue.text)
    await hold(api)
    assert (await api.request("DELETE", "/videos/abc/share/mastodon")).status == 204
    await wake(api, overdue)
    await finished(api, "cancelled")
    assert (mastodon.texts(), await shares(api)) == ([], 0)


async def test_a_post_that_may_be_there_has_not_failed_because_its_account_is_of_no_use(
    api: Api, mastodon: FakeMastodon, overdue: Post
) -> None:
    await hold(api)
    mastodon.grants.access.clear()
    mastodon.add_post(overdue.text)
    await wake(api, overdue)
    await finished(api, "unknown")
    await connect(api, mastodon)
    await api.request("POST", "/videos/abc/share/mastodon/retry")
    await finished(api, "success")
    assert (len(mastodon.texts()), await shares(api)) == (1, 1)


async def test_a_post_that_a_repair_doubts_during_its_attempt_is_looked_for(
    api: Api, mastodon: FakeMastodon, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = MastodonPublisher.prepare

    async def doubted_meanwhile(self: MastodonPublisher, *arguments: Any) -> Any:
        await doubt_unfinished(api.database, api.database.posts, DatabaseClock())
        return await prepare(self, *arguments)

    monkeypatch.setattr(MastodonPublisher, "prepare", doubted_meanwhile)
    monkeypatch.setattr("sharetally.adapters.platforms._api.SETTLING", timedelta())
    await connect(api, mastodon)
    await post(api)
    failed = await finished(api, "failed")
    assert (failed["error"]["code"], mastodon.texts()) == ("not-found", [])
