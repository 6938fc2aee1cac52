"""Every status that the OpenAPI document names is one that the service really gives, route by route."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from sharetally import wiring, wiring_http
from sharetally.domain.errors import Conflict, Unavailable
from sharetally.domain.ids import new_id
from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import Status
from sharetally.ports import Writes
from sharetally.web.api import API_ENDPOINTS, PROBE_ENDPOINTS
from sharetally.web.documents.examples import EXAMPLES
from sharetally.web.documents.openapi import document
from sharetally.web.endpoint import Access, AnyEndpoint
from tests.contracts.database_rows import write_rows
from tests.flow.fake_platform import PASSWORD, FakePlatform
from tests.web.api import Api, HttpResponse
from tests.web.browser import CROSS_ORIGIN, Browser, create_sign_in_link, sign_in
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
EVERY = (*API_ENDPOINTS, *PROBE_ENDPOINTS)
DOCUMENT = document(EVERY, server="")
PATH = {"videoId": "abc", "contentType": "video", "contentId": "abc", "platform": "twitter", "code": "aB3dE5fG7h"}
PATH["id"] = PATH["recordId"] = "0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f"
ALWAYS = {"x-content-type-options"}  # documented once, in the description of the whole API
LINK = {"contentType": "video", "contentId": "abc"}
EVERYTHING = "shares audit analytics admin"
Recipe = Callable[[MakeApi, pytest.MonkeyPatch, AnyEndpoint], Awaitable[HttpResponse]]


def documented() -> Iterator[Any]:
    for endpoint in EVERY:
        for status in DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]["responses"]:
            yield pytest.param(endpoint, int(status), id=f"{endpoint.method} {endpoint.path} {status}")


@pytest.mark.parametrize(("endpoint", "status"), list(documented()))
async def test_every_documented_status_occurs(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, endpoint: AnyEndpoint, status: int
) -> None:
    recipe = RECIPES.get((endpoint.method, endpoint.path, status)) or RECIPES[status]
    response = await recipe(make_api, monkeypatch, endpoint)
    assert response.status == status, response
    answer = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]["responses"][str(status)]
    kind = response.headers.get("content-type", "").partition(";")[0]
    assert kind in (answer.get("content") or {"": None})
    told = {name.lower() for name in answer["headers"]} | ALWAYS | {"cache-control", "content-type", "content-length"}
    assert ALWAYS <= set(response.headers) <= told


async def ask(api: Api, endpoint: AnyEndpoint, *, query: str = "", **how: Any) -> HttpResponse:
    """This endpoint with everything that it needs."""
    path = re.sub(r"{(\w+)}", lambda name: PATH[name[1]], endpoint.path)
    body = EXAMPLES[endpoint.body] if endpoint.body else b""
    if endpoint.scopes == ("act-as",):
        headers = {"x-api-key": await api.key("shop", *EVERYTHING.split(), "act-as"), **how.pop("headers", {})}
        how = {"user": None, "headers": headers, **how}
    return await api.request(endpoint.method, path + query, how.pop("body", body), **{"scope": EVERYTHING, **how})


# what any route may answer


async def plain(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api(LINK_HOSTS="*", ANONYMOUS_SHARES="true") as api:
        await api.share("abc", "twitter")
        return await ask(api, endpoint)


async def malformed(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        if endpoint.access is Access.OPERATORS:
            return await ask(api, endpoint, user=None, headers=[("x-user-id", "a"), ("x-user-id", "b")])
        if endpoint.access is Access.PUBLIC:
            return await api.request(endpoint.method, endpoint.path.replace("{code}", "%00"))
        return await ask(api, endpoint, query="?nobody=knows")


async def forged(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        return await ask(api, endpoint, user=None, headers={"authorization": "Bearer nonsense"})


async def not_theirs(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        bearer = {"authorization": f"Bearer {api.token()}", "x-user-id": "somebody"}
        return await api.request(endpoint.method, re.sub(r"{\w+}", "a", endpoint.path), user=None, headers=bearer)


async def too_large(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        return await ask(api, endpoint, body=b" " * (endpoint.max_body + 1))


async def key_reused(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api(LINK_HOSTS="*") as api:
        key = {"idempotency-key": "key"}
        await api.share("other", "facebook", headers=key)
        return await ask(api, endpoint, headers=key)


async def too_many(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    limits = {"RATE_LIMIT": "1/hour", "ANONYMOUS_RATE": "1/hour", "CONNECT_RATE": "1/hour"}
    async with make_api(**limits, LINK_HOSTS="*", ANONYMOUS_SHARES="true") as api:
        await ask(api, endpoint)
        if endpoint.scopes != ("act-as",):
            return await ask(api, endpoint)
        headers = {"x-api-key": await api.key("again", "shares", "act-as"), "x-user-id": "carla"}
        await ask(api, endpoint, headers=headers)
        return await ask(api, endpoint, headers=headers)


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Iterator[None]:
    """Every handler fails so."""

    async def handler(*_: object) -> Any:
        raise error

    for name in ("API_ENDPOINTS", "PROBE_ENDPOINTS"):
        broken = tuple(replace(each, handler=handler) for each in getattr(wiring_http, name))
        monkeypatch.setattr(wiring_http, name, broken)
    yield


async def broken(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    with failing(monkeypatch, RuntimeError("a fault")):
        async with make_api() as api:
            return await ask(api, endpoint)


async def away(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    with failing(monkeypatch, Unavailable("the database does not answer")):
        async with make_api() as api:
            return await ask(api, endpoint)


# what only some do


class RefusingHook:
    """A hook that lets nothing through."""

    async def before_create(self, _: object) -> None:
        raise Conflict("not now")

    before_delete = before_create

    async def after_update(self, *_: object) -> None:
        raise Conflict("not now")


def hooked(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(name="refusing", load=lambda: RefusingHook)

    def found(*, group: str) -> Any:
        return [entry] if group == wiring.HOOKS_GROUP else entry_points(group=group)

    monkeypatch.setattr(wiring, "entry_points", found)


@asynccontextmanager
async def with_link(make_api: MakeApi) -> AsyncIterator[tuple[Api, dict[str, Any]]]:
    async with make_api(LINK_HOSTS="*") as api:
        yield api, (await api.request("POST", "/share-links", LINK)).json


async def link_request(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with with_link(make_api) as (api, link):
        body = EXAMPLES[endpoint.body] if endpoint.body else b""
        return await api.request(endpoint.method, endpoint.path.format(**link), body)


async def refused_by_hook(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with with_link(make_api) as (api, link):
        await api.share("abc", "twitter")
    hooked(monkeypatch)
    async with make_api(LINK_HOSTS="*") as api:
        path = re.sub(r"{(\w+)}", lambda name: (PATH | link)[name[1]], endpoint.path)
        other: Any = {"platforms": ["facebook"]} if path.endswith("/share") else EXAMPLES.get(endpoint.body, b"")
        return await api.request(endpoint.method, path, other)


async def after_deleting(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with with_link(make_api) as (api, link):
        await api.request("DELETE", f"/share-links/{link['id']}")
        return await api.request(endpoint.method, endpoint.path.format(**link))


async def missing(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api(LINK_HOSTS="*") as api:
        return await ask(api, endpoint)


def seeded(status: Status) -> Recipe:
    async def recipe(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
        async with make_api() as api:
            await api.seed("abc", status)
            return await ask(api, endpoint)

    return recipe


async def known_already(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        return await ask(api, endpoint, headers={"if-none-match": "*"})


async def without_secret(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    issuer = "https://issuer.example"
    async with make_api(JWKS_URL=f"{issuer}/jwks.json", JWT_ISSUER=issuer, JWT_SECRET=None) as api:
        return await ask(api, endpoint)


async def by_link(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        return await Browser(api).redeem(await create_sign_in_link(api))


async def by_unknown_link(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        return await Browser(api).redeem("A" * 43)


async def in_session(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        return await (await sign_in(api)).request(endpoint.method, endpoint.path)


async def from_elsewhere(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        body = EXAMPLES[endpoint.body] if endpoint.body else b""
        return await (await sign_in(api)).request(endpoint.method, endpoint.path, body, headers=CROSS_ORIGIN)


async def not_ready(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async def revision(_: object) -> str:
        raise Unavailable

    async with make_api() as api:
        monkeypatch.setattr(type(api.database.schema), "revision", revision)
        return await ask(api, endpoint)


async def parked_job(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api(counting=False) as api:
        await api.share("abc", "twitter")
        (event,) = await api.database.events.claim(["share_created"], None, 1)
        await api.database.events.park(event.id, "poison")
        return await api.request(endpoint.method, endpoint.path.format(id=event.id), scope=EVERYTHING)


async def create_history(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        await api.share("abc", "twitter")
        (line,) = await api.audit_lines("video/abc")
        return await api.request(endpoint.method, endpoint.path.format(**line))


async def of_key(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        made = (await api.request("POST", "/keys", {"name": "shop", "scopes": ["shares"]}, scope=EVERYTHING)).json
        return await api.request(endpoint.method, endpoint.path.format(**made), scope=EVERYTHING)


async def name_in_use(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        await ask(api, endpoint)
        return await ask(api, endpoint)


async def verification_running(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
    async with make_api() as api:
        assert await api.database.verification_runs.extend_lease(60)
        return await ask(api, endpoint)


def with_account(before: str = "") -> Recipe:
    """The caller has an account on a fake platform; `before` is what happens to it before the request."""

    async def perform(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
        fake = FakePlatform(now=lambda: datetime.now(UTC))
        connectors = {fake.platform: fake}
        monkeypatch.setattr("sharetally.wiring_accounts.create_connectors", lambda settings, outbound: connectors)
        async with make_api(PUBLIC_URL="https://shares.example") as api:
            path = f"/accounts/{fake.platform}/connect"
            password = {"identifier": "anna", "appPassword": PASSWORD}
            if endpoint.path == "/accounts/{platform}/connect":
                fake.down = before == "away"
                wrong = password | {"appPassword": "wrong"}
                body = {"": {}, "password": password, "away": password, "refused": wrong}[before]
                return await api.request("POST", path, body)
            account = (await api.request("POST", path, password)).json
            fake.down = before == "away"
            if before == "being refreshed":
                assert await api.database.accounts.take_lease(UUID(account["id"]), new_id(), seconds=60)
            changes = EXAMPLES[endpoint.body] if endpoint.body else b""
            return await api.request(endpoint.method, f"/accounts/{account['id']}", changes)

    return perform


def undecided(status: PostStatus, headers: dict[str, str] | None = None) -> Recipe:
    """The caller has a post with this status."""

    async def perform(make_api: MakeApi, _: pytest.MonkeyPatch, endpoint: AnyEndpoint) -> HttpResponse:
        async with make_api(LINK_HOSTS="*") as api:
            record = await api.seed("abc", Status.UNKNOWN)
            post = Post(
                id=new_id(), record_id=record.id, key=record.key, account_id=new_id(), number=1, status=status,
                text="", url="", created_at=datetime.now(UTC),
            )  # fmt: skip
            await write_rows(api.database, Writes(new_posts={post.id: post}))
            if headers:
                await api.share("other", "facebook", headers=headers)
            path = endpoint.path.format(recordId=record.id)
            return await api.request("POST", path, {"posted": False}, headers=headers or {})

    return perform


RECIPES: dict[Any, Recipe] = {
    **dict.fromkeys((200, 201, 202, 204), plain),
    302: link_request,
    304: known_already,
    400: malformed,
    401: forged,
    403: not_theirs,
    404: missing,
    409: refused_by_hook,
    410: after_deleting,
    413: too_large,
    422: key_reused,
    429: too_many,
    500: broken,
    503: away,
    **{(each, "/share-links/{id}", 200): link_request for each in ("GET", "PATCH")},
    ("DELETE", "/share-links/{id}", 204): link_request,
    ("POST", "/tokens", 409): without_secret,
    ("POST", "/console/session", 200): by_link,
    ("POST", "/console/session", 401): by_unknown_link,
    ("GET", "/console/session", 200): in_session,
    ("DELETE", "/console/session", 204): in_session,
    **{(each, "/console/session", 403): from_elsewhere for each in ("POST", "GET", "DELETE")},
    ("GET", "/dead/{id}", 200): parked_job,
    ("GET", "/audit/records/{recordId}", 200): create_history,
    ("GET", "/keys/{id}", 200): of_key,
    ("DELETE", "/keys/{id}", 204): of_key,
    ("POST", "/operation/verify", 409): verification_running,
    ("POST", "/keys", 409): name_in_use,
    ("POST", "/accounts/{platform}/connect", 200): with_account(),
    ("POST", "/accounts/{platform}/connect", 201): with_account("password"),
    ("POST", "/accounts/{platform}/connect", 409): with_account("refused"),
    ("POST", "/accounts/{platform}/connect", 502): with_account("away"),
    ("PATCH", "/accounts/{id}", 200): with_account(),
    ("DELETE", "/accounts/{id}", 204): with_account(),
    ("DELETE", "/accounts/{id}", 502): with_account("away"),
    ("DELETE", "/accounts/{id}", 409): with_account("being refreshed"),
    ("POST", "/posts/{recordId}/decide", 200): undecided(PostStatus.UNKNOWN),
    ("POST", "/posts/{recordId}/decide", 409): undecided(PostStatus.FAILED),
    ("POST", "/posts/{recordId}/decide", 422): undecided(PostStatus.UNKNOWN, {"idempotency-key": "key"}),
    **{("GET", each, 503): not_ready for each in ("/health", "/health/ready")},
    **{
        ("POST", f"{base}/share/{{platform}}/retry", status): seeded(state)
        for base in ("/videos/{videoId}", "/content/{contentType}/{contentId}")
        for status, state in ((202, Status.FAILED), (409, Status.PENDING))
    },
    **{
        ("POST", f"{base}/share", 202): seeded(Status.PENDING)
        for base in ("/videos/{videoId}", "/content/{contentType}/{contentId}")
    },
}
