"""An endpoint: everything there is to know about one method of one path.

The table of endpoints is the API on one screen: dispatching, access, limits and the OpenAPI document all
follow from it, so that none can say something else than the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from starlette.types import Scope

from sharetally.domain.caller import Caller
from sharetally.domain.errors import Unauthenticated
from sharetally.web.responses import Response, StreamingResponse

MAX_BODY = 64 * 1024
MAX_BULK_BODY = 1024 * 1024


class Access(StrEnum):
    """Who may: anybody; anybody while PUBLIC_COUNTS; whoever has a token; whoever has that scope, or one of several.

    The token of a visitor without an account is good for KNOWN and VISITS alone. Of OPERATORS the handler
    itself asks where they sit, and of CONSOLE whose session it is.
    """

    PUBLIC = "public"
    COUNTS = "counts"
    SIGNED = "signed"
    SIGNED_OR_VISITOR = "signed, visitors too"
    SHARES = "shares"
    VISITS = "shares or visits"
    ADMIN = "admin"
    ACT_AS = "act-as"
    ANALYTICS = "analytics"
    CONTENT = "analytics or audit or admin"
    STATUS = "analytics or admin"
    OPERATORS = "operators"
    CONSOLE = "console"

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of which one is needed; none where no scope is."""
        return () if self in _WITHOUT_SCOPE else tuple(self.value.split(" or "))


_WITHOUT_SCOPE = frozenset(
    {Access.PUBLIC, Access.COUNTS, Access.SIGNED, Access.SIGNED_OR_VISITOR, Access.OPERATORS, Access.CONSOLE}
)


class Request(NamedTuple):
    """A request, checked as far as types go: `body` and `query` are the endpoint's own."""

    optional_caller: Caller | None
    path: Mapping[str, str]
    query: Any
    body: Any
    raw_body: bytes
    headers: Mapping[str, str]
    request_id: str
    endpoint: Endpoint
    scope: Scope

    @property
    def caller(self) -> Caller:
        """The caller of an endpoint that needs one."""
        return self.require_caller()

    def require_caller(self) -> Caller:
        """The caller; `Unauthenticated` where there is none."""
        if self.optional_caller is None:
            raise Unauthenticated("this needs a token: send 'Authorization: Bearer …'")
        return self.optional_caller


Handler = Callable[[Any, Request], Awaitable[Response | StreamingResponse]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """`responses` maps a status to the type of its body (None: no JSON body); `problems` are error codes.

    `other_media` are what the same answer may be instead of `media_type`, each with its type.

    What `writes` to the ledger spends the caller's quota and takes an Idempotency-Key.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    access: Access
    responses: Mapping[int, Any]
    body: Any = None
    query: Any = None
    problems: tuple[str, ...] = ()
    writes: bool = False
    max_body: int = MAX_BODY
    media_type: str = "application/json"
    other_media: Mapping[str, Any] = field(default_factory=dict)
