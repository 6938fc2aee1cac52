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
from sharetally.domain.errors import Forbidden, NotFound, Rejected, SharetallyError
from sharetally.web.auth.quota import HeaderFields, rate_limit_fields
from sharetally.web.decoding import decode_body, decode_query, read_body
from sharetally.web.endpoint import Access, Endpoint, Request
from sharetally.web.live.websocket import reject_handshake, serve_live
from sharetally.web.network import address_block, client_address
from sharetally.web.paths import base_path, decode_segments, mounted_paths, raw_path
from sharetally.web.problems import problem
from sharetally.web.responses import NOSNIFF, Response, StreamingResponse
from sharetally.web.router import Router
from sharetally.web.schemas.shares import NoQuery
from sharetally.web.services import Services

REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
ROUTE_CACHE_SIZE = 4096  # paths whose endpoint is known again: what is asked for is mostly asked for often
MAX_CACHED_PATH = 256
LIVE_PATH = "/live"
LAST_WRITE_SECONDS = 5.0
# `structlog` puts what has such a name into every line that is told meanwhile; `bind_contextvars` would look the
# name up for each request.
_REQUEST_ID: ContextVar[str] = ContextVar(f"{STRUCTLOG_KEY_PREFIX}requestId")
ANONYMOUS_ACCESS = frozenset({Access.PUBLIC, Access.OPERATORS, Access.CONSOLE})  # who asks is not looked at
log = structlog.get_logger("sharetally.web")


class Application:
    """ASGI: `endpoints` over HTTP and live counts over WebSocket, served with `services`."""

    def __init__(self, services: Services, endpoints: Sequence[Endpoint]) -> None:
        self._services = services
        self._router = Router(endpoints)
        self._find_cached = lru_cache(maxsize=ROUTE_CACHE_SIZE)(self._find)
        kinds = {id(each.body): each.body for each in endpoints if each.body is not None}
        self._decoders = {key: msgspec.json.Decoder(kind) for key, kind in kinds.items()}
        self._log: structlog.typing.FilteringBoundLogger | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            return await self._websocket(scope, receive, send)
        started_at = time.perf_counter()
        context = _RequestContext(scope, receive)
        reset_token = _REQUEST_ID.set(context.request_id)
        try:
            response = await self._respond(context)
            if isinstance(response, StreamingResponse):
                await _stream(context, send, response)
            else:
                await _send(send, response, context.request_id, head=scope["method"] == "HEAD")
            if self._logs_requests():
                _log_request(scope, response, time.perf_counter() - started_at)
        finally:
            _REQUEST_ID.reset(reset_token)

    def _logs_requests(self) -> bool:
        """Whether requests are logged; the level is as it was set when the first one came."""
        if self._log is None:
            self._log = log.bind()
        return self._log.is_enabled_for(logging.INFO)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The one path that speaks WebSocket."""
        services = self._services_at_mount(scope)
        paths = mounted_paths(raw_path(scope), scope.get("root_path", ""), self._services.url_policy.root_path)
        request_id = _request_id(_headers(scope))
        if LIVE_PATH in paths:
            return await serve_live(services, scope, receive, send, request_id=request_id)
        await receive()
        missing = problem(NotFound("no such path"), root_path=services.url_policy.root_path, request_id=request_id)
        await reject_handshake(scope, send, missing)

    async def _respond(self, context: _RequestContext) -> Response | StreamingResponse:
        services = self._services_at_mount(context.scope)
        try:
            response = await self._handle(context, services)
        except Exception as error:
            if not isinstance(error, SharetallyError):
                log.exception("broken")
            elif not isinstance(error, Rejected):
                log.warning("failed", reason=error.detail, kind=type(error).__name__)
            response = problem(error, root_path=services.url_policy.root_path, request_id=context.request_id)
        return (
            response._replace(headers=response.headers + context.quota_headers) if context.quota_headers else response
        )

    def _services_at_mount(self, scope: Scope) -> Services:
        """The parts, with our own addresses as they are where a host application mounted us."""
        url_policy = self._services.url_policy
        if url_policy.root_path or not scope.get("root_path"):
            return self._services
        return replace(self._services, url_policy=replace(url_policy, root_path=base_path(scope, url_policy.root_path)))

    async def _handle(self, context: _RequestContext, services: Services) -> Response | StreamingResponse:
        scope = context.scope
        encoded_path = raw_path(scope)
        find = self._find_cached if len(encoded_path) <= MAX_CACHED_PATH else self._find
        endpoint, path = find(scope["method"], encoded_path, scope.get("root_path", ""))
        caller = await self._authorize(endpoint, scope)
        if endpoint.writes and caller is not None:
            context.quota_headers = await self._spend_quota(caller, scope)
        raw = await _read_body(context, endpoint)
        request = Request(
            optional_caller=caller,
            path=path,
            query=decode_query(scope["query_string"], endpoint.query or NoQuery)
            if _rejects_unknown_query(endpoint)
            else None,
            body=decode_body(raw, self._decoders[id(endpoint.body)]) if endpoint.body else None,
            raw_body=raw,
            headers=context.headers,
            request_id=context.request_id,
            endpoint=endpoint,
            scope=scope,
        )
        return await endpoint.handler(services, request)

    def _find(self, method: str, encoded_path: bytes | str, mounted: str) -> tuple[Endpoint, Mapping[str, str]]:
        *other_paths, last_path = mounted_paths(encoded_path, mounted, self._services.url_policy.root_path)
        for path in other_paths:
            with suppress(NotFound):
                return self._router.find(method, decode_segments(path))
        return self._router.find(method, decode_segments(last_path))

    async def _authorize(self, endpoint: Endpoint, scope: Scope) -> Caller | None:
        """Who asks, if they may; anybody where the endpoint is public."""
        access = endpoint.access
        if access is Access.COUNTS and self._services.public_counts:
            return await self._services.authenticator.authenticate_if_present(scope)
        if access in ANONYMOUS_ACCESS:
            return None
        caller = await self._services.authenticator.authenticate(scope)
        if access is not Access.SIGNED_OR_VISITOR and not access.scopes and is_visitor(caller.user_id):
            raise Forbidden("visitors without an account share, and nothing else")
        if access.scopes and not any(caller.may(scope) for scope in access.scopes):
            raise Forbidden(f"this needs the scope {' or '.join(access.scopes)}")
        return caller

    async def _spend_quota(self, caller: Caller, scope: Scope) -> HeaderFields:
        """A visitor spends what their address may: new visitors cost nothing."""
        address = f"address:{address_block(client_address(scope))}" if is_visitor(caller.user_id) else None
        state = await self._services.quota.spend(address or caller.user_id)
        return () if state is None else rate_limit_fields(state)


class _RequestContext:
    """One request on its way; `quota_headers` is what its quota says in the answer."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.headers = _headers(scope)
        self.request_id = _request_id(self.headers)
        self.quota_headers: HeaderFields = ()


async def _read_body(context: _RequestContext, endpoint: Endpoint) -> bytes:
    if endpoint.body is None:
        return b""
    return await read_body(context.receive, endpoint.max_body, context.headers.get("content-length"))


def _rejects_unknown_query(endpoint: Endpoint) -> bool:
    """A short address is followed whatever others hang on to it, like `?utm_source=…`."""
    return endpoint.access is not Access.PUBLIC and endpoint.access is not Access.OPERATORS


def _headers(scope: Scope) -> dict[str, str]:
    """By name; one that came several times is a list (RFC 9110, 5.3)."""
    combined: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1"), value.decode("latin-1")
        combined[name] = f"{combined[name]}, {text}" if name in combined else text
    return combined


def _request_id(headers: Mapping[str, str]) -> str:
    sent = headers.get("x-request-id")
    return sent if sent is not None and REQUEST_ID_PATTERN.fullmatch(sent) else _new_request_id()


def _new_request_id() -> str:
    """32 hex digits, a third of them the time in milliseconds: their index in the audit grows at its end."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


async def _stream(context: _RequestContext, send: Send, response: StreamingResponse) -> None:
    """Start, let the answer write itself, end; whoever does not read the end is cut off."""
    headers = [*_encode_headers(response.headers), NOSNIFF, (b"x-request-id", context.request_id.encode())]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})

    async def write(part: bytes) -> None:
        await send({"type": "http.response.body", "body": part, "more_body": True})

    if context.scope["method"] != "HEAD":
        await response.write(context.receive, write)
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WRITE_SECONDS):
            await send({"type": "http.response.body", "body": b""})


def _encode_headers(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _send(send: Send, response: Response, request_id: str, *, head: bool) -> None:
    headers = [*_encode_headers(response.headers), NOSNIFF, (b"x-request-id", request_id.encode())]
    if response.status not in (204, 304):
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else response.body})


def _log_request(scope: Scope, response: Response | StreamingResponse, seconds: float) -> None:
    log.info(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=response.status,
        milliseconds=round(seconds * 1000, 2),
        client=client_address(scope),
    )
