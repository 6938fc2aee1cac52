"""The application: from a request to an endpoint and back, errors as problems.

    find the endpoint -> who asks -> may they -> their quota -> path, query, body -> handler -> answer

Pure ASGI: one layer for trusted proxies and one for CORS stand around it (see `wiring_http.py`). Every answer
carries `X-Content-Type-Options` and `X-Request-Id`; that id stands in the log, in the audit and in the job that counts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache

import msgspec
import structlog
from starlette.types import Receive, Scope, Send
from structlog.contextvars import STRUCTLOG_KEY_PREFIX

from sharetally.domain.caller import Caller, is_visitor
from sharetally.domain.errors import Forbidden, NotFound, Refused, SharetallyError
from sharetally.web.answers import NOSNIFF, Answer, Streamed
from sharetally.web.bodies import decoded_body, decoded_query, read_body
from sharetally.web.endpoint import Access, Asked, Endpoint
from sharetally.web.live.socket import live, reject
from sharetally.web.network import block_of, client_address
from sharetally.web.parts import Parts
from sharetally.web.paths import base_path, segments, told, ways
from sharetally.web.problems import problem
from sharetally.web.router import Router
from sharetally.web.schemas.shares import NoQuery
from sharetally.web.who.quota import Fields, rate_limit_fields

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
FOUND = 4096  # paths whose endpoint is known again: what is asked for is mostly asked for often
LONGEST_KEPT = 256
LIVE = "/live"
LAST_WRITE_SECONDS = 5.0
# `structlog` puts what has such a name into every line that is told meanwhile; `bind_contextvars` would look the
# name up for each request.
_REQUEST_ID: ContextVar[str] = ContextVar(f"{STRUCTLOG_KEY_PREFIX}requestId")
NOBODY = frozenset({Access.PUBLIC, Access.OPERATORS, Access.CONSOLE})  # who asks is not looked at
log = structlog.get_logger("sharetally.web")


class Application:
    """ASGI: `endpoints` over HTTP and live counts over WebSocket, served with `parts`."""

    def __init__(self, parts: Parts, endpoints: Sequence[Endpoint]) -> None:
        self._parts = parts
        self._router = Router(endpoints)
        self._found = lru_cache(maxsize=FOUND)(self._find)
        kinds = {id(each.body): each.body for each in endpoints if each.body is not None}
        self._decoders = {key: msgspec.json.Decoder(kind) for key, kind in kinds.items()}
        self._log: structlog.typing.FilteringBoundLogger | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            return await self._socket(scope, receive, send)
        began = time.perf_counter()
        visit = _Visit(scope, receive)
        before = _REQUEST_ID.set(visit.request_id)
        try:
            answer = await self._answered(visit)
            if isinstance(answer, Streamed):
                await _stream(visit, send, answer)
            else:
                await _send(send, answer, visit.request_id, head=scope["method"] == "HEAD")
            if self._tells():
                _tell(scope, answer, time.perf_counter() - began)
        finally:
            _REQUEST_ID.reset(before)

    def _tells(self) -> bool:
        """Whether requests are logged; the level is as it was set when the first one came."""
        if self._log is None:
            self._log = log.bind()
        return self._log.is_enabled_for(logging.INFO)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The one path that speaks WebSocket."""
        parts = self._parts_at(scope)
        paths = ways(told(scope), scope.get("root_path", ""), self._parts.places.root_path)
        request_id = _request_id(_headers(scope))
        if LIVE in paths:
            return await live(parts, scope, receive, send, request_id=request_id)
        await receive()
        missing = problem(NotFound("no such path"), root_path=parts.places.root_path, request_id=request_id)
        await reject(scope, send, missing)

    async def _answered(self, visit: _Visit) -> Answer | Streamed:
        parts = self._parts_at(visit.scope)
        try:
            answer = await self._handled(visit, parts)
        except Exception as error:
            if not isinstance(error, SharetallyError):
                log.exception("broken")
            elif not isinstance(error, Refused):
                log.warning("failed", reason=error.detail, kind=type(error).__name__)
            answer = problem(error, root_path=parts.places.root_path, request_id=visit.request_id)
        return answer._replace(headers=answer.headers + visit.spent) if visit.spent else answer

    def _parts_at(self, scope: Scope) -> Parts:
        """The parts, with our own addresses as they are where a host application mounted us."""
        places = self._parts.places
        if places.root_path or not scope.get("root_path"):
            return self._parts
        return replace(self._parts, places=replace(places, root_path=base_path(scope, places.root_path)))

    async def _handled(self, visit: _Visit, parts: Parts) -> Answer | Streamed:
        scope = visit.scope
        raw_path = told(scope)
        find = self._found if len(raw_path) <= LONGEST_KEPT else self._find
        endpoint, path = find(scope["method"], raw_path, scope.get("root_path", ""))
        caller = await self._admitted(endpoint, scope)
        if endpoint.writes and caller is not None:
            visit.spent = await self._spent(caller, scope)
        raw = await _body(visit, endpoint)
        asked = Asked(
            caller=caller,
            path=path,
            query=decoded_query(scope["query_string"], endpoint.query or NoQuery) if _strict(endpoint) else None,
            body=decoded_body(raw, self._decoders[id(endpoint.body)]) if endpoint.body else None,
            raw_body=raw,
            headers=visit.headers,
            request_id=visit.request_id,
            endpoint=endpoint,
            scope=scope,
        )
        return await endpoint.handler(parts, asked)

    def _find(self, method: str, raw_path: bytes | str, mounted: str) -> tuple[Endpoint, Mapping[str, str]]:
        *others, last = ways(raw_path, mounted, self._parts.places.root_path)
        for path in others:
            with suppress(NotFound):
                return self._router.find(method, segments(path))
        return self._router.find(method, segments(last))

    async def _admitted(self, endpoint: Endpoint, scope: Scope) -> Caller | None:
        """Who asks, if they may; anybody where the endpoint is public."""
        access = endpoint.access
        if access is Access.COUNTS and self._parts.public_counts:
            return await self._parts.callers.if_any(scope)
        if access in NOBODY:
            return None
        caller = await self._parts.callers.of(scope)
        if access is not Access.KNOWN and not access.scopes and is_visitor(caller.user_id):
            raise Forbidden("visitors without an account share, and nothing else")
        if access.scopes and not any(caller.may(scope) for scope in access.scopes):
            raise Forbidden(f"this needs the scope {' or '.join(access.scopes)}")
        return caller

    async def _spent(self, caller: Caller, scope: Scope) -> Fields:
        """A visitor spends what their address may: new visitors cost nothing."""
        address = f"address:{block_of(client_address(scope))}" if is_visitor(caller.user_id) else None
        state = await self._parts.quota.spend(address or caller.user_id)
        return () if state is None else rate_limit_fields(state)


class _Visit:
    """One request on its way; `spent` is what its quota says in the answer."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.headers = _headers(scope)
        self.request_id = _request_id(self.headers)
        self.spent: Fields = ()


async def _body(visit: _Visit, endpoint: Endpoint) -> bytes:
    if endpoint.body is None:
        return b""
    return await read_body(visit.receive, endpoint.limit, visit.headers.get("content-length"))


def _strict(endpoint: Endpoint) -> bool:
    """A short address is followed whatever others hang on to it, like `?utm_source=…`."""
    return endpoint.access is not Access.PUBLIC and endpoint.access is not Access.OPERATORS


def _headers(scope: Scope) -> dict[str, str]:
    """By name; one that came several times is a list (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1"), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _request_id(headers: Mapping[str, str]) -> str:
    told = headers.get("x-request-id")
    return told if told is not None and SANE_ID.fullmatch(told) else _new_request_id()


def _new_request_id() -> str:
    """32 hex digits, a third of them the time in milliseconds: their index in the audit grows at its end."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


async def _stream(visit: _Visit, send: Send, answer: Streamed) -> None:
    """Start, let the answer write itself, end; whoever does not read the end is cut off."""
    headers = [*_encoded(answer.headers), NOSNIFF, (b"x-request-id", visit.request_id.encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})

    async def write(part: bytes) -> None:
        await send({"type": "http.response.body", "body": part, "more_body": True})

    if visit.scope["method"] != "HEAD":
        await answer.write(visit.receive, write)
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WRITE_SECONDS):
            await send({"type": "http.response.body", "body": b""})


def _encoded(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _send(send: Send, answer: Answer, request_id: str, *, head: bool) -> None:
    headers = [*_encoded(answer.headers), NOSNIFF, (b"x-request-id", request_id.encode())]
    if answer.status not in (204, 304):
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


def _tell(scope: Scope, answer: Answer | Streamed, seconds: float) -> None:
    log.info(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=answer.status,
        milliseconds=round(seconds * 1000, 2),
        client=client_address(scope),
    )
