"""The whole service in this process, called as a server would call it: raw paths, raw bodies, raw headers.

`start_api` gives an `Api` with its own database: the application as `serve` would run it, with the `memory:` broker,
relay and worker inside. `request` sends one request and returns the response; `problem` and `HttpResponse.json`
inspect it. Unless a test says otherwise, the caller is anna, with a token that has the scope `shares`.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.content import ContentRef
from sharetally.domain.share import Evidence, ShareRecord, Status
from sharetally.ports import Writes
from sharetally.settings import Settings, load
from sharetally.web.auth.api_keys import new_key
from sharetally.wiring import Core, start_embedded_workers
from sharetally.wiring_http import http_app
from tests.contracts.database_rows import record, records_by_key, write_rows
from tests.oracle.tokens import token_signer
from tests.web.forging import with_secret

SECRET = "a secret that is long enough for every test"
CLIENT = ("203.0.113.9", 40000)  # an address without any privileges
TIMEOUT = 20.0
EMPTY = b""
LEAKED = re.compile(r"sql|postgres|maria|disk|table|column|connection|127\.0\.0\.1|errno|python|\.db", re.IGNORECASE)
Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """What came back; header names are lower case, cookies a line each."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def problem(response: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """The members of an error, after a look at what every error must have (RFC 9457)."""
    assert (response.status, response.headers["content-type"]) == (status, "application/problem+json"), response
    body: dict[str, Any] = response.json
    assert body["type"].endswith(f"/problems/{code}"), body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert response.headers["x-request-id"]
    return body


def invalid_paths(response: HttpResponse) -> list[str]:
    """The paths that a 400 names."""
    body = problem(response, 400, "invalid-request")
    assert all(set(each) == {"path", "reason"} and each["reason"] for each in body["invalid"]), body
    return [each["path"] for each in body["invalid"]]


def assert_unavailable(response: HttpResponse) -> None:
    """A 503 as it must be: when to ask again, the id to look for, and nothing of the database."""
    body = problem(response, 503, "unavailable")
    assert int(response.headers["retry-after"]) >= 1
    assert body["requestId"] == response.headers["x-request-id"]
    assert not LEAKED.search(response.body.decode()), response.body


async def call(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    chunks: Sequence[bytes] = (EMPTY,),
    root_path: str = "",
    client: tuple[str, int] | None = CLIENT,
) -> HttpResponse:
    """One request to any ASGI application; `target` is the request line's target, still encoded."""
    scope = _scope(method, target) | {"headers": list(headers), "root_path": root_path, "client": client}
    sent: list[Message] = []
    waiting = [
        {"type": "http.request", "body": part, "more_body": place < len(chunks) - 1}
        for place, part in enumerate(chunks)
    ]

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return _response_from(sent)


def _scope(method: str, target: str) -> dict[str, Any]:
    raw, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(raw).decode("utf-8", "replace"),
        "raw_path": raw.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


def _response_from(sent: Sequence[Message]) -> HttpResponse:
    start, *rest = sent
    pairs = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
    assert all(name == name.lower() for name, _ in pairs), pairs
    cookies = [value for name, value in pairs if name == "set-cookie"]
    others = [pair for pair in pairs if pair[0] != "set-cookie"]
    assert len(dict(others)) == len(others), f"a header twice: {pairs}"
    headers = dict(others) | ({"set-cookie": "\n".join(cookies)} if cookies else {})
    return HttpResponse(status=start["status"], headers=headers, body=b"".join(each.get("body", b"") for each in rest))


class Api:
    """One service. `core` is what runs, for tests that look behind the counter."""

    def __init__(self, core: Core, app: ASGIApp) -> None:
        self.core = core
        self.app = app
        self._tokens = {"shares": token_signer(SECRET)}

    @property
    def database(self) -> SqlDatabase:
        """The database, to write what only posting would."""
        return self.core.database

    def token(self, user: str = "anna", scope: str = "shares") -> str:
        """A token that holds for an hour."""
        return self._tokens.setdefault(scope, token_signer(SECRET, scope))(user)

    async def key(self, name: str, *scopes: str) -> str:
        """A new API key's text."""
        plain, key = new_key(name, set(scopes), clock=DatabaseClock())
        await self.database.keys.add(key)
        return plain

    async def request(
        self,
        method: str,
        target: str,
        body: object = EMPTY,
        *,
        user: str | None = "anna",
        scope: str = "shares",
        headers: Headers = (),
        chunks: Sequence[bytes] | None = None,
        root_path: str = "",
        client: tuple[str, int] = CLIENT,
    ) -> HttpResponse:
        """One request. A `body` that is not bytes is sent as JSON; `user` None sends no token."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if user is not None:
            given.append(("authorization", f"Bearer {self.token(user, scope)}"))
        if raw and chunks is None:
            given += [("content-type", "application/json"), ("content-length", str(len(raw)))]
        pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in given]
        return await call(
            self.app, method, target, headers=pairs, chunks=chunks or (raw,), root_path=root_path, client=client
        )

    async def seed(self, video: str, status: Status, platform: str = "twitter", **fields: Any) -> ShareRecord:
        """A record of anna's as only posting would leave it."""
        content = ContentRef(type="video", id=video)
        made = record(content=content, platform=platform, status=status, evidence=Evidence.POSTED, **fields)
        await write_rows(self.database, Writes(new_records=records_by_key(made)))
        return made

    async def share(self, video: str, *platforms: str, **how: Any) -> HttpResponse:
        """Share a video; on all platforms if none is named."""
        return await self.request(
            "POST", f"/videos/{video}/share", {"platforms": platforms} if platforms else {}, **how
        )

    async def exact_count(self, content: str) -> int:
        """The exact count of `type/id`."""
        response = await self.request("GET", f"/share-links/count/{content}?consistent=true")
        return int(response.json["shareCount"])

    async def counted(self, content: str) -> Any:
        """The plain count of `type/id` once it is all that is committed."""
        plain = f"/share-links/count/{content}"

        async def settled() -> Any:
            exact = (await self.request("GET", f"{plain}?consistent=true")).json
            shown = (await self.request("GET", plain, user=None)).json
            proof = (await self.request("GET", f"/proof/{content}")).json
            same = all(shown[name] == exact[name] for name in ("shareCount", "breakdown"))
            return shown if same and proof["pending"] == 0 else None

        return await eventually(settled)

    async def audit_lines(self, content: str) -> list[Any]:
        """Everything that the audit says of `type/id`, oldest first."""
        kind, name = content.split("/")
        target = f"/audit?contentType={kind}&contentId={name}&pageSize=200"
        return list(reversed((await self.request("GET", target, scope="audit")).json["items"]))


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` finds, once it finds anything that is true."""
    deadline = time.monotonic() + TIMEOUT
    while not (found := await look()):
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.01)
    return found


def make_settings(folder: Path, database_url: str, **more: str | None) -> Settings:
    """Settings as the environment would give them; names without their prefix, None for one that is not set."""
    named = {"DATA_DIR": str(folder), "DATABASE_URL": database_url, "JWT_SECRET": SECRET, "RATE_LIMIT": "off"} | more
    return load({f"SHARETALLY_{name}": value for name, value in named.items() if value is not None}, cwd=folder)


@asynccontextmanager
async def start_api(chosen: Settings, *, counting: bool = True) -> AsyncIterator[Api]:
    """The service over a database that is at its head already; without `counting` all events stay pending."""
    async with Core(chosen, role="serve") as core:
        end = start_embedded_workers(core) if counting else None
        try:
            yield Api(core, http_app(core))
        finally:
            if end is not None:
                await end()


def forge_token(claims: Mapping[str, object], *, algorithm: str = "HS256", secret: str = SECRET) -> str:
    """A token that says just this."""
    return with_secret({"alg": algorithm, "typ": "JWT"}, claims, secret.encode())
