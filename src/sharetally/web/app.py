"""The application: from a request to a handler and back, with errors as problems.

    find the endpoint -> authenticate -> authorise -> spend quota -> decode path, query and body -> handler -> response

Pure ASGI; `wiring_http.py` wraps it in one layer for trusted proxies and one for CORS. Every response carries
`X-Content-Type-Options` and `X-Request-Id`. That id is also in the log, in the audit, and in the job that counts.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any, NamedTuple

import msgspec
import structlog
from starlette.types import Receive, Scope, Send
from structlog.contextvars import STRUCTLOG_KEY_PREFIX

from sharetally.domain.caller import Caller, is_visitor
from sharetally.domain.errors import Forbidden, NotFound, Rejected, SharetallyError
from sharetally.web.auth.authenticator import Authenticator
from sharetally.web.auth.quota import HeaderFields, Quota, rate_limit_fields
from sharetally.web.decoding import decode_body, decode_query, read_body
from sharetally.web.endpoint import Access, AnyEndpoint, AnyQuery, NoBody, Request, Services
from sharetally.web.live.credentials import LiveCounts
from sharetally.web.live.websocket import serve_live
from sharetally.web.network import address_block, client_address
from sharetally.web.problems import problem
from sharetally.web.responses import Response, StreamingResponse, send_response
from sharetally.web.routing import Router, base_path, decode_segments, mounted_paths, raw_path

REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
ROUTE_CACHE_SIZE = 4096  # paths whose endpoint is remembered: most requests are for paths that were requested before
MAX_CACHED_PATH = 256
LIVE_PATH = "/live"
# structlog adds a variable with this prefix to every log line; `bind_contextvars` would look the name up per request.
_REQUEST_ID: ContextVar[str] = ContextVar(f"{STRUCTLOG_KEY_PREFIX}requestId")
_NO_BODY = NoBody()
_ANY_QUERY = AnyQuery()
log = structlog.get_logger("sharetally.web")


class _Bound(NamedTuple):
    """An endpoint's handler with its service, and the decoder of its body, if it takes one."""

    handle: Callable[[Request[Any, Any, Any]], Awaitable[Response | StreamingResponse]]
    decoder: msgspec.json.Decoder[Any] | None


class Application:
    """ASGI: `endpoints` over HTTP and live counts over WebSocket. Each handler is bound to its service once, here."""

    def __init__(
        self,
        endpoints: Sequence[AnyEndpoint],
        services: Services,
        *,
        authenticator: Authenticator,
        quota: Quota,
        root_path: str,
        public_counts: bool,
    ) -> None:
        self._serve_live = partial(serve_live, services[LiveCounts])
        self._authenticator = authenticator
        self._quota = quota
        self._root_path = root_path
        self._public_counts = public_counts
        self._router = Router(endpoints)
        self._find_cached = lru_cache(maxsize=ROUTE_CACHE_SIZE)(self._find)
        self._bound = {
            each: _Bound(
                partial(each.handler, services[each.service]), msgspec.json.Decoder(each.body) if each.body else None
            )
            for each in endpoints
        }
        self._log: structlog.typing.FilteringBoundLogger | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: dict[str, str] = {}
        for raw, value in scope["headers"]:
            name, text = raw.decode("latin-1"), value.decode("latin-1")
            headers[name] = f"{headers[name]}, {text}" if name in headers else text  # a list (RFC 9110, 5.3)
        request_id = _request_id(headers)
        root_path = base_path(scope, self._root_path)
        if scope["type"] == "websocket":
            exists = LIVE_PATH in mounted_paths(raw_path(scope), scope.get("root_path", ""), self._root_path)
            return await self._serve_live(
                scope, receive, send, exists=exists, root_path=root_path, request_id=request_id
            )
        started_at = time.perf_counter()
        reset_token = _REQUEST_ID.set(request_id)
        quota_fields: HeaderFields = ()
        response: Response | StreamingResponse
        try:
            try:
                encoded_path = raw_path(scope)
                find = self._find_cached if len(encoded_path) <= MAX_CACHED_PATH else self._find
                endpoint, path = find(scope["method"], encoded_path, scope.get("root_path", ""))
                caller = await self._authorize(endpoint, scope)
                if endpoint.writes and caller is not None:
                    key = caller.user_id
                    if is_visitor(key):  # by address, because new visitors cost nothing
                        key = f"address:{address_block(client_address(scope))}"
                    if (state := await self._quota.spend(key)) is not None:
                        quota_fields = rate_limit_fields(state)
                handle, decoder = self._bound[endpoint]
                raw_body = (
                    await read_body(receive, endpoint.max_body, headers.get("content-length")) if decoder else b""
                )
                response = await handle(
                    Request(
                        optional_caller=caller,
                        path=path,
                        query=_ANY_QUERY
                        if endpoint.query is AnyQuery
                        else decode_query(scope["query_string"], endpoint.query),
                        body=decode_body(raw_body, decoder) if decoder else _NO_BODY,
                        raw_body=raw_body,
                        headers=headers,
                        request_id=request_id,
                        root_path=root_path,
                        route=f"{endpoint.method}\n{endpoint.path}",
                        scope=scope,
                    )
                )
            except Exception as error:
                if not isinstance(error, SharetallyError):
                    log.exception("broken")
                elif not isinstance(error, Rejected):
                    log.warning("failed", reason=error.detail, kind=type(error).__name__)
                response = problem(error, root_path=root_path, request_id=request_id)
            own_fields = (*quota_fields, ("x-request-id", request_id))
            complete = response._replace(headers=(*response.headers, *own_fields))
            await send_response(complete, receive, send, is_head=scope["method"] == "HEAD")
            if self._log is None:
                self._log = log.bind()  # with the level that is configured when the first request comes
            if self._log.is_enabled_for(logging.INFO):
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=response.status,
                    milliseconds=round((time.perf_counter() - started_at) * 1000, 2),
                    client=client_address(scope),
                )
        finally:
            _REQUEST_ID.reset(reset_token)

    def _find(self, method: str, encoded_path: bytes | str, mount_path: str) -> tuple[AnyEndpoint, msgspec.Struct]:
        *other_paths, last_path = mounted_paths(encoded_path, mount_path, self._root_path)
        for path in other_paths:
            with suppress(NotFound):
                return self._router.find(method, decode_segments(path))
        return self._router.find(method, decode_segments(last_path))

    async def _authorize(self, endpoint: AnyEndpoint, scope: Scope) -> Caller | None:
        """The caller, if they may use the endpoint; None where nobody needs to say who they are."""
        match endpoint.access:
            case Access.PUBLIC | Access.OPERATORS | Access.CONSOLE:
                return None
            case Access.PUBLIC_COUNTS if self._public_counts:
                return await self._authenticator.authenticate_if_present(scope)
        caller = await self._authenticator.authenticate(scope)
        if endpoint.scopes:
            if not any(caller.may(each) for each in endpoint.scopes):
                raise Forbidden(f"this needs the scope {' or '.join(endpoint.scopes)}")
        elif endpoint.access is not Access.VISITORS_TOO and is_visitor(caller.user_id):
            raise Forbidden("visitors without an account share, and nothing else")
        return caller


def _request_id(headers: Mapping[str, str]) -> str:
    """The caller's id if it is acceptable, else 32 hex digits.

    A third of those are the time in milliseconds, so that the index in the audit grows at its end.
    """
    sent = headers.get("x-request-id")
    if sent is not None and REQUEST_ID_PATTERN.fullmatch(sent):
        return sent
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
