"""Posts after a restore from a backup: what was published since is found, and nothing is sent blindly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.platforms import _api
from sharetally.domain.backoff import Backoff
from sharetally.flow.posting import outcomes
from sharetally.flow.posting.restoring import doubt_unfinished
from tests.fakes.mastodon import FakeMastodon
from tests.web.api import Api
from tests.web.test_api_posting import api, connect, finished, mastodon, my_status, post, posts

__all__ = ["api", "mastodon"]  # fixtures
pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow at once, and a look believes a list of posts at once."""
    monkeypatch.setattr(outcomes, "LOOKS", Backoff(first=0.01, longest=0.05))
    monkeypatch.setattr(_api, "SETTLING", timedelta())


@pytest.fixture
async def waiting(api: Api, mastodon: FakeMastodon) -> str:
    """The text of a post that waits, as a restored database has it; no worker may begin before `restored`."""
    await connect(api, mastodon)
    await api.database.deliveries.close_gate("mastodon", "the service is stopped")
    await post(api, text="Look: {url}")
    (waiting,) = await posts(api)
    return f"Look: {waiting['shortUrl']}"


async def restored(api: Api) -> int:
    """What `repair --restored` does to posts; then the workers start."""
    doubted = await doubt_unfinished(api.database, api.database.posts, DatabaseClock())
    await api.database.deliveries.open_gate("mastodon")
    return doubted


@pytest.mark.parametrize("honours_keys", [True, False])
async def test_a_post_that_was_published_after_the_backup_is_found(
    api: Api, mastodon: FakeMastodon, waiting: str, honours_keys: bool
) -> None:
    mastodon.honours_keys = honours_keys
    mastodon.add_post(waiting)
    assert await restored(api) == 1
    done = await finished(api, "success")
    assert mastodon.texts() == [waiting]
    assert (await my_status(api))["myPost"]["url"] == done["url"]
    assert (await api.counted("video/abc"))["shareCount"] == 1
    assert [line["action"] for line in await api.audit_lines("video/abc")] == ["requested", "unknown", "posted"]


async def test_a_post_that_is_not_there_is_not_sent_before_its_user_says_so(
    api: Api, mastodon: FakeMastodon, waiting: str
) -> None:
    """Its user may have seen and deleted it after the backup."""
    assert await restored(api) == 1
    failed = await finished(api, "failed")
    assert (failed["error"]["code"], mastodon.texts()) == ("not-found", [])
    assert (await api.request("POST", "/videos/abc/share/mastodon/retry")).status == 202
    await finished(api, "success")
    assert (len(mastodon.texts()), (await api.counted("video/abc"))["shareCount"]) == (1, 1)


async def test_a_declared_share_keeps_counting_while_its_post_is_looked_for(api: Api, mastodon: FakeMastodon) -> None:
    await connect(api, mastodon)
    await api.share("abc", "mastodon")
    await api.database.deliveries.close_gate("mastodon", "the service is stopped")
    await post(api)
    assert await doubt_unfinished(api.database, api.database.posts, DatabaseClock()) == 1
    mine = await my_status(api)
    assert (mine["myStatus"], mine["myPost"]["status"]) == ("success", "unknown")
    assert (await api.counted("video/abc"))["breakdown"]["evidence"] == {"declared": 1}


async def test_a_post_that_is_scheduled_for_later_stays_as_it_is(api: Api, mastodon: FakeMastodon) -> None:
    await connect(api, mastodon)
    await post(api, scheduledAt=(datetime.now(UTC) + timedelta(seconds=3)).isoformat())
    assert await restored(api) == 0
    await finished(api, "success")
    assert len(mastodon.texts()) == 1
