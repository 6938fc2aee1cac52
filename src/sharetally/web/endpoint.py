"""An endpoint: everything there is to know about one method of one path.

The endpoints in `api/` are the whole API. Dispatching, access, limits and the OpenAPI document all follow from them, so
they cannot contradict each other. A handler's signature names the service it uses and the types of path, query and
body; mypy checks it against its endpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, cast

import msgspec
from starlette.types import Scope

from sharetally.domain.caller import Caller
from sharetally.domain.errors import InvalidRequest, Unauthenticated
from sharetally.flow.unit_of_work import IdempotentCommand
from sharetally.ports import IdempotencyKey, StoredResponse
from sharetally.web.fields import RequestModel
from sharetally.web.responses import Response, StreamingResponse

MAX_BODY = 64 * 1024
MAX_BULK_BODY = 1024 * 1024

Path_co = TypeVar("Path_co", bound=msgspec.Struct, covariant=True)
Query_co = TypeVar("Query_co", bound=msgspec.Struct, covariant=True)
Body_co = TypeVar("Body_co", bound=msgspec.Struct, covariant=True)
Service = TypeVar("Service")
Path = TypeVar("Path", bound=msgspec.Struct)
Query = TypeVar("Query", bound=msgspec.Struct)
Body = TypeVar("Body", bound=msgspec.Struct)
Outcome = TypeVar("Outcome")


class Access(Enum):
    """Who may use an endpoint. `Endpoint.scopes` narrows `ANY_TOKEN` further."""

    PUBLIC = auto()  # everybody
    PUBLIC_COUNTS = auto()  # everybody if PUBLIC_COUNTS is on, otherwise any token but a visitor's
    ANY_TOKEN = auto()  # any token but a visitor's, unless scopes say which tokens
    VISITORS_TOO = auto()  # any token, including that of a visitor without an account
    OPERATORS = auto()  # the handler checks OPS_NETWORKS
    CONSOLE = auto()  # the handler checks the session of the console


class NoPath(RequestModel, frozen=True):
    """The path has no parameters."""


class NoQuery(RequestModel, frozen=True):
    """Takes no parameters; an unknown one is refused."""


class AnyQuery(msgspec.Struct, frozen=True):
    """Accepts any parameters and ignores them, like the `?utm_source=…` that others append to an address."""


class NoBody(RequestModel, frozen=True):
    """Takes no body; one that is sent is ignored."""


class NoService:
    """For handlers that need nothing but the request."""


class Request(NamedTuple, Generic[Path_co, Query_co, Body_co]):
    """A request that is authorised and decoded; `path`, `query` and `body` have the types of its endpoint.

    `root_path` is the path under which the client sees this service: ROOT_PATH, or where a host application mounted it.
    """

    optional_caller: Caller | None
    path: Path_co
    query: Query_co
    body: Body_co
    raw_body: bytes
    headers: Mapping[str, str]
    request_id: str
    root_path: str
    route: str
    scope: Scope

    @property
    def caller(self) -> Caller:
        """The caller; `Unauthenticated` if there is none."""
        if self.optional_caller is None:
            raise Unauthenticated("this needs a token: send 'Authorization: Bearer …'")
        return self.optional_caller

    def idempotent(self, render: Callable[[Outcome], Response]) -> IdempotentCommand | None:
        """The Idempotency-Key with the hash of this request and how its outcome is rendered; None without a key."""
        key = self.headers.get("idempotency-key")
        if key is None:
            return None
        if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
            raise InvalidRequest(("Idempotency-Key", "must be 1 to 255 printable ASCII characters"))
        owner = hashlib.sha256(f"{self.caller.actor}\n{self.caller.user_id}".encode()).hexdigest()
        named = "\n".join((self.route, *msgspec.structs.astuple(self.path)))
        request_hash = hashlib.sha256(named.encode() + b"\n" + self.raw_body).digest()

        def render_stored(outcome: object) -> StoredResponse:
            status, headers, body = render(cast("Outcome", outcome))
            return StoredResponse(request_hash=request_hash, status=status, headers=headers, body=body)

        return IdempotentCommand(
            key=IdempotencyKey(caller=owner, key=key), request_hash=request_hash, render=render_stored
        )


def response_to(outcome: Outcome | StoredResponse, render: Callable[[Outcome], Response]) -> Response:
    """The stored response to a request that was made under an Idempotency-Key, else the rendered outcome."""
    if isinstance(outcome, StoredResponse):
        return Response(status=outcome.status, headers=outcome.headers, body=outcome.body)
    return render(outcome)


Handler: TypeAlias = Callable[[Service, Request[Path, Query, Body]], Awaitable[Response | StreamingResponse]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Endpoint(Generic[Service, Path, Query, Body]):
    """`request` names the types of path, query and body, and `service` the type of the handler's first parameter.

    `responses` maps a status to the type of its body (None: no JSON body); `problems` are error codes. `other_media`
    are further media types of the same response, each with its type. A caller needs one of `scopes`, if there are any.
    An endpoint that `writes` to the ledger spends the caller's quota and takes an Idempotency-Key. `head` says whether
    the endpoint answers HEAD too.
    """

    method: str
    path: str
    handler: Handler[Service, Path, Query, Body]
    service: type[Service]
    request: type[Request[Path, Query, Body]]
    access: Access
    responses: Mapping[int, Any]
    summary: str = ""
    tag: str = ""
    scopes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    writes: bool = False
    head: bool = False
    max_body: int = MAX_BODY
    media_type: str = "application/json"
    other_media: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path_type(self) -> type[msgspec.Struct]:
        """The type of the path's parameters; its fields are in the order of the path."""
        return self._type_arguments[0]

    @property
    def query(self) -> type[msgspec.Struct]:
        """The type of the query string."""
        return self._type_arguments[1]

    @property
    def body(self) -> type[msgspec.Struct] | None:
        """The type of the body, None if the endpoint takes none."""
        found = self._type_arguments[2]
        return None if found is NoBody else found

    @property
    def _type_arguments(self) -> tuple[type[msgspec.Struct], ...]:
        arguments: tuple[type[msgspec.Struct], ...] = self.request.__args__  # type: ignore[attr-defined]
        return arguments


AnyEndpoint: TypeAlias = Endpoint[Any, Any, Any, Any]


class Services:
    """The services that handlers use, one instance of each type."""

    def __init__(self, *services: object) -> None:
        self._by_type: dict[type[object], object] = {type(each): each for each in (*services, NoService())}

    def __getitem__(self, kind: type[Service]) -> Service:
        return cast("Service", self._by_type[kind])
