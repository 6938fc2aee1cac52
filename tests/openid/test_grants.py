"""Accounts over a real authorization server: PKCE is required, refresh tokens rotate, and a replay ends the grant."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import pytest

from sharetally.adapters.migrations.runner import upgrade
from sharetally.domain.account import Account, Tokens
from sharetally.domain.ids import new_id
from sharetally.domain.post import AccessDenied, Draft, Posted
from sharetally.flow.accounts.errors import ReconnectNeeded
from sharetally.flow.accounts.schedule import AHEAD
from sharetally.ports.posting_platform import Connector, GrantLost
from sharetally.wiring import Core
from sharetally.wiring_accounts import create_sealing
from tests.contracts.database_rows import SERVERS
from tests.openid.provider import log_in
from tests.openid.x import ADDRESS, X, connector, install_package, open_x
from tests.web.api import SECRET, Api, make_settings, start_api
from tests.web.connecting import begin, come_back

pytestmark = pytest.mark.anyio
PUBLIC_URL = "https://shares.example"
CALLBACK = f"{PUBLIC_URL}/oauth/twitter/callback"
PROCESSES, POSTS = 8, 50
TIMEOUT = 120.0  # seconds: eight processes start at the same time
ROOT = Path(__file__).parents[2]
POSTS_BY_PROCESS = [POSTS // PROCESSES + (number < POSTS % PROCESSES) for number in range(PROCESSES)]


@pytest.fixture
def x(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[X]:
    """The server, and the package that adds it to every process of this test."""
    with open_x(tmp_path, CALLBACK) as running:
        monkeypatch.setenv(ADDRESS, running.url)
        monkeypatch.syspath_prepend(install_package(tmp_path))
        yield running


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


def settings_for(x: X) -> dict[str, str]:
    return {
        "PUBLIC_URL": PUBLIC_URL,
        "TOKEN_KEYS": f"one:{b64encode(b'k' * 32).decode()}",
        "POST_PRIVATE_SERVERS": x.url,
    }


@pytest.fixture
async def api(x: X, url: str, tmp_path: Path) -> AsyncIterator[Api]:
    await asyncio.to_thread(upgrade, url)
    async with start_api(make_settings(tmp_path, url, **settings_for(x))) as made:
        yield made


async def connect(api: Api, user: str) -> UUID:
    """The user logs in at the server and agrees; the id of the account."""
    begun = await begin(api, "twitter", user=user)
    sent = dict(parse_qsl(urlsplit(await log_in(begun.url, user)).query))
    page = await come_back(api, "twitter", sent, begun.cookie)
    assert page.status == 200, page
    (account,) = (await api.request("GET", "/accounts", user=user)).json["items"]
    assert account["externalId"] == user
    return UUID(account["id"])


async def access(api: Api, account_id: UUID, *, rejected: Tokens | None = None) -> Tokens:
    """Tokens that are good, for whoever posts."""
    assert api.core.accounts.access is not None
    return (await api.core.accounts.access.access(account_id, rejected=rejected))[1]


async def status(api: Api, user: str) -> str:
    (account,) = (await api.request("GET", "/accounts", user=user)).json["items"]
    return str(account["status"])


async def stored(core: Core, account_id: UUID) -> tuple[Account, Tokens]:
    """The account and its tokens as they are in the database, without a refresh."""
    found, sealing = await core.database.accounts.by_id(account_id), create_sealing(core.settings)
    assert found is not None
    assert sealing is not None
    return found.account, sealing.open_tokens(found)


def thief(api: Api) -> Connector:
    """Somebody else with the same client and a copy of the tokens."""
    return connector(api.core.settings, api.core.posting_outbound)


def new_draft(name: str) -> Draft:
    url = f"https://shares.example/s/{name}"
    return Draft(id=new_id(), text=f"Post {name} {url}", url=url, created_at=datetime.now(UTC))


@asynccontextmanager
async def posting_processes(api: Api, x: X, account_id: UUID) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Processes of the same service that are about to post, each with connections of its own."""
    settings = api.core.settings
    more = {"DATABASE_URL": settings.database_url, "DATA_DIR": str(settings.data_dir), "JWT_SECRET": SECRET}
    ours = {f"SHARETALLY_{name}": value for name, value in (settings_for(x) | more).items()}
    path = os.pathsep.join([*sys.path[:1], os.environ.get("PYTHONPATH", "")])  # the package was put first
    environment = {**os.environ, **ours, "PYTHONPATH": path}
    started = list[asyncio.subprocess.Process]()
    try:
        for number, posts in enumerate(POSTS_BY_PROCESS):
            arguments = ("-m", "tests.openid.posting_process", str(account_id), str(number), str(posts))
            process = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, cwd=ROOT, env=environment, stdin=PIPE, stdout=PIPE
            )
            started.append(process)
        assert [await read_line(each) for each in started] == ["ready"] * PROCESSES
        yield started
    finally:
        for each in started:
            if each.returncode is None:
                each.kill()
            await each.wait()


async def read_line(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT):
        line = await process.stdout.readline()
    assert line, "it ended; its errors are on standard error"
    return json.loads(line)


async def test_fifty_posts_at_token_expiry_in_eight_processes_make_one_refresh(api: Api, x: X) -> None:
    account_id = await connect(api, "mara")
    account, expiring = await stored(api.core, account_id)
    assert account.expires_at is not None
    assert account.expires_at < datetime.now(UTC) + AHEAD
    async with posting_processes(api, x, account_id) as processes:
        for each in processes:
            assert each.stdin is not None
            each.stdin.write(b"\n")
        outcomes = [outcome for each in processes for outcome in await read_line(each)]
    assert outcomes == ["Posted"] * POSTS
    seen = x.seen()
    assert len({each["text"] for each in seen["posts"]}) == len(seen["posts"]) == POSTS
    assert {each["user"] for each in seen["posts"]} == {"mara"}
    assert (seen["refreshes"], seen["refusedRefreshes"], seen["revokedGrants"]) == (1, 0, 0)
    _, renewed = await stored(api.core, account_id)
    assert renewed.refresh not in {None, expiring.refresh}
    assert await status(api, "mara") == "connected"
    actions = [line["action"] for line in await api.audit_lines(f"account/{account_id}")]
    assert actions == ["account_connected", "account_refreshed"]


async def test_a_refresh_token_that_somebody_replays_ends_the_grant_and_the_user_is_told(api: Api, x: X) -> None:
    account_id = await connect(api, "mara")
    account, old = await stored(api.core, account_id)
    new = await access(api, account_id)
    assert new.refresh != old.refresh
    publisher = api.core.publishers["twitter"]
    assert isinstance(await publisher.publish(account, new, new_draft("one")), Posted)
    with pytest.raises(GrantLost):
        await thief(api).refresh(account, old)
    assert x.seen()["revokedGrants"] == 1
    assert isinstance(await publisher.publish(account, new, new_draft("two")), AccessDenied)
    assert await status(api, "mara") == "connected", "nothing has been believed yet"
    with pytest.raises(ReconnectNeeded):
        await access(api, account_id, rejected=new)
    assert await status(api, "mara") == "needs_reauth"
    assert await connect(api, "mara") == account_id
    assert isinstance(await publisher.publish(account, await access(api, account_id), new_draft("three")), Posted)
    assert len(x.seen()["posts"]) == 2


async def test_a_request_without_pkce_gets_no_code(api: Api, x: X) -> None:
    """The server is as strict as this test takes it for."""
    begun = await begin(api, "twitter")
    split = urlsplit(begun.url)
    query = [(name, value) for name, value in parse_qsl(split.query) if not name.startswith("code_challenge")]
    sent = dict(parse_qsl(urlsplit(await log_in(split._replace(query=urlencode(query)).geturl(), "mara")).query))
    assert (sent["error"], "code" in sent) == ("invalid_request", False)
    page = await come_back(api, "twitter", sent, begun.cookie)
    assert (page.status, b"invalid_request" in page.body) == (403, True)
    assert (await api.request("GET", "/accounts")).json["items"] == []


async def test_a_code_of_somebody_else_under_ones_own_state_connects_nothing(api: Api, x: X) -> None:
    """Code injection: the attacker's code comes with the state and the cookie of the victim, but not its verifier."""
    attackers, victims = await begin(api, "twitter", user="mallory"), await begin(api, "twitter", user="anna")
    code = dict(parse_qsl(urlsplit(await log_in(attackers.url, "mallory")).query))["code"]
    state = dict(parse_qsl(urlsplit(victims.url).query))["state"]
    page = await come_back(api, "twitter", {"code": code, "state": state}, victims.cookie)
    assert (page.status, b"does not accept the code" in page.body) == (409, True)
    for user in ("anna", "mallory"):
        assert (await api.request("GET", "/accounts", user=user)).json["items"] == []


async def test_a_disconnected_account_is_of_no_use_to_anybody(api: Api, x: X) -> None:
    account_id = await connect(api, "mara")
    account, tokens = await stored(api.core, account_id)
    assert (await api.request("DELETE", f"/accounts/{account_id}", user="mara")).status == 204
    with pytest.raises(GrantLost):
        await thief(api).refresh(account, tokens)
    refused = await api.core.publishers["twitter"].publish(account, tokens, new_draft("one"))
    assert isinstance(refused, AccessDenied)
    assert x.seen()["posts"] == []
