"""A service that posts, with a fake Mastodon server beside it; and accounts and posts in every state, made by hand.

To the browser the service is `127.0.0.1` and the Mastodon server is `localhost`: two sites, as in real life.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from playwright.async_api import BrowserContext, Route

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.account import AccountAction
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.ids import new_id, to_base62
from sharetally.domain.post import Post, PostStatus, compose
from sharetally.domain.share import Evidence, Status
from sharetally.ports import Writes
from sharetally.ports.accounts import AccountKey, AccountWrite, StoredAccount
from tests.browser.site import Site, open_site
from tests.contracts.database_rows import open_database, record, records_by_key, write_rows
from tests.fakes.mastodon import FakeMastodon
from tests.services.launch import free_port

PLATFORMS = "mastodon,bluesky,linkedin,twitter"
RECORD_STATUS = {PostStatus.CANCELLED: Status.WITHDRAWN}


@dataclass(frozen=True)
class PostingSite:
    """The service, and the Mastodon server that its users name."""

    site: Site
    mastodon: FakeMastodon

    @property
    def server(self) -> str:
        """What users enter."""
        return as_other_site(self.mastodon.url)

    @property
    def database(self) -> str:
        """The URL of the service's database."""
        return database_of(self.site)


@asynccontextmanager
async def open_posting_site(folder: Path, **settings: str) -> AsyncIterator[PostingSite]:
    """Both, until the end."""
    mastodon = FakeMastodon()
    async with mastodon.serving():
        with posting_service(folder, as_other_site(mastodon.url), **settings) as site:
            yield PostingSite(site, mastodon)


def database_of(site: Site) -> str:
    """The URL of a service's database."""
    return f"sqlite:///{site.program.settings['DATA_DIR']}/sharetally.db"


@contextmanager
def posting_service(folder: Path, servers: str, **settings: str) -> Iterator[Site]:
    """A service that may connect to these servers on this machine, separated by commas."""
    port = free_port()
    with open_site(
        folder,
        port,
        **{
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "CONTENT_URLS": '{"video": "https://videos.example.com/{contentId}"}',
            "SHARE_PLATFORMS": PLATFORMS,
            "POST_PLATFORMS": "mastodon,bluesky,linkedin",
            "POST_PRIVATE_SERVERS": servers,
            "LINKEDIN_CLIENT_ID": "client-1",
            "LINKEDIN_CLIENT_SECRET": "a secret of the tests",
            **settings,
        },
    ) as site:
        yield site


def as_other_site(url: str) -> str:
    """The same address by another name."""
    return url.replace("127.0.0.1", "localhost")


async def serve_consent(context: BrowserContext, mastodon: FakeMastodon) -> None:
    """The page on which a Mastodon server asks its user: one link agrees, the other declines."""

    async def consent(route: Route) -> None:
        asked = dict(parse_qsl(urlsplit(route.request.url).query))
        agreed = mastodon.agree(route.request.url)
        declined = {"error": "access_denied", "state": asked["state"]}
        links = "".join(
            f'<a href="{escape(asked["redirect_uri"])}?{escape(urlencode(sent))}">{word}</a> '
            for word, sent in (("Authorise", agreed), ("Deny", declined))
        )
        await route.fulfill(content_type="text/html", body=f"<!doctype html><h1>Authorisation required</h1>{links}")

    await context.route(f"{as_other_site(mastodon.url)}/oauth/authorize?**", consent)


async def add_account(
    database: str,
    handle: str,
    *,
    user: str = "maria",
    platform: str = "mastodon",
    external_id: str = "",
    server: str = "",
    expired: bool = False,
) -> UUID:
    """An account whose tokens are of no use; one that is `expired` has to be connected again."""
    account_id = new_id()

    def line() -> AuditEntry:
        return AuditEntry(
            id=new_id(),
            at=datetime.now(UTC),
            subject_id=account_id,
            content=ContentRef(type="account", id=str(account_id)),
            user_id=user,
            actor=user,
            action=AccountAction.CONNECTED.value,
            platform=platform,
        )

    def write(_: StoredAccount | None) -> AccountWrite:
        return AccountWrite(
            id=account_id, handle=handle, expires_at=None, refresh_at=None, sealed="of no use", audit=line()
        )

    async with open_database(database) as db:
        await db.accounts.connect(AccountKey(user, platform, external_id or handle, server), write)
        if expired:
            stored = await db.accounts.by_id(account_id)
            assert stored is not None
            assert await db.accounts.needs_reauth(account_id, revision=stored.revision, audit=line())
    return account_id


def post(base: str, content: str, status: PostStatus, text: str = "Look: {url}", **changes: Any) -> Post:
    """A post of maria's; nothing moves it on, because it has no delivery."""
    post_id, at = new_id(), datetime.now(UTC)
    url = f"{base}/s/{to_base62(post_id)}"
    user, platform = changes.pop("user", "maria"), changes.pop("platform", "mastodon")
    share = record(content=ContentRef(type="video", id=content), user_id=user, platform=platform)
    stands = Post(
        id=post_id,
        record_id=share.id,
        key=share.key,
        account_id=new_id(),
        number=1,
        status=status,
        text=compose(text, url),
        url=url,
        created_at=at,
        finished_at=None if status in {PostStatus.PENDING, PostStatus.SENDING, PostStatus.UNKNOWN} else at,
    )
    return stands._replace(**changes)


async def add_posts(database: str, posts: Sequence[Post]) -> None:
    """Write posts with their records; the newest one comes last."""
    async with open_database(database) as db:
        await _write(db, posts)


async def _write(db: SqlDatabase, posts: Sequence[Post]) -> None:
    records = [
        record(
            id=each.record_id,
            content=ContentRef(type=each.key.content_type, id=each.key.content_id),
            user_id=each.key.user_id,
            platform=each.key.platform,
            status=RECORD_STATUS.get(each.status) or Status(each.status.value),
            evidence=Evidence.POSTED,
            error_code=each.error_code if each.status is PostStatus.FAILED else None,
            error_message=each.error_message if each.status is PostStatus.FAILED else None,
        )
        for each in posts
    ]
    await write_rows(db, Writes(new_records=records_by_key(*records), new_posts={each.id: each for each in posts}))
