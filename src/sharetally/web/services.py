"""What the handlers work with: put together in `wiring_http.py`, handed to every request."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from sharetally.domain.caller import Caller
from sharetally.domain.content import MAX_ID, MAX_TYPE, ContentRef, content_type_fault, id_fault
from sharetally.domain.errors import InvalidRequest, NotFound
from sharetally.flow.analytics import Analytics
from sharetally.flow.committer import Committer
from sharetally.flow.delivery.stuck import StuckDeliveries
from sharetally.flow.hooks import Hooks
from sharetally.flow.live import Live
from sharetally.flow.queries import Queries
from sharetally.flow.unit_of_work import Command, IdempotentCommand
from sharetally.flow.verification import VerificationRunner
from sharetally.ports import (
    AuditStore,
    BacklogReport,
    Broker,
    Clock,
    ContentItemStore,
    EventStore,
    IdempotencyKey,
    KeyStore,
    LinkStore,
    Meter,
    Platform,
    ProofStore,
    ShareStore,
    StoredResponse,
)
from sharetally.web.auth.authenticator import Authenticator
from sharetally.web.auth.credentials import CredentialAuthenticator
from sharetally.web.auth.quota import Quota
from sharetally.web.auth.sessions import Sessions
from sharetally.web.auth.visitors import VisitorTokenIssuer
from sharetally.web.count_responses import CountResponseCache
from sharetally.web.endpoint import Request
from sharetally.web.network import Network
from sharetally.web.ops import Health
from sharetally.web.responses import Response


@dataclass(frozen=True, kw_only=True, slots=True)
class UrlPolicy:
    """Where things are: this service, contents, and hosts that links may lead to."""

    public_url: str | None
    root_path: str
    content_urls: Mapping[str, str]
    link_hosts: tuple[str, ...]

    def content_url(self, content: ContentRef) -> str | None:
        """Where a content lives, or None where CONTENT_URLS does not tell."""
        template = self.content_urls.get(content.type)
        return template.replace("{contentId}", quote(content.id, safe="")) if template else None

    def short_url(self, code: str) -> str:
        """The short address; a path alone where PUBLIC_URL is not set."""
        return f"{self.public_url or self.root_path}/s/{code}"

    def check_target(self, url: str, path: str) -> str:
        """The URL, if links may lead there."""
        if fault := self._target_fault(url):
            raise InvalidRequest((path, fault))
        return url

    def _target_fault(self, url: str) -> str | None:
        if fault := url_fault(url):
            return fault
        host = urlsplit(url).hostname
        if not {"*", host, f"[{host}]"} & set(self.link_hosts):
            return f"must be on one of these hosts: {', '.join(self.link_hosts)} (LINK_HOSTS)"
        return None


def url_fault(url: str) -> str | None:
    """Why this is no address to lead people to."""
    if not url.isprintable() or " " in url or "\\" in url:
        return "must not contain spaces, backslashes or control characters"
    try:
        split = urlsplit(url)
        host, _ = split.hostname, split.port
    except ValueError:
        return "must be an absolute http(s) URL"
    if split.scheme not in ("http", "https") or not host:
        return "must be an absolute http(s) URL"
    if not host.isascii():
        return "must have its host in ASCII, like xn--bcher-kva.example"
    if split.username is not None or split.password is not None:
        return "must not contain a user name or password"
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Everything a handler may use."""

    committer: Committer
    queries: Queries
    count_responses: CountResponseCache
    shares: ShareStore
    links: LinkStore
    audit: AuditStore
    proof: ProofStore
    content_items: ContentItemStore
    analytics: Analytics
    events: EventStore
    stuck: StuckDeliveries
    broker: Broker
    keys: KeyStore
    verification: VerificationRunner
    read_backlog: Callable[[], Awaitable[BacklogReport]]
    hooks: Hooks
    credentials: CredentialAuthenticator
    sessions: Sessions
    authenticator: Authenticator
    oidc_enabled: bool
    quota: Quota
    meter: Meter
    clock: Clock
    url_policy: UrlPolicy
    platforms: Mapping[str, Platform]
    device_platforms: Mapping[str, Platform]
    canonical_platform: Callable[[str], str]
    public_counts: bool
    cors_origins: Sequence[str]
    live: Live
    health: Health
    exposition: Callable[[], Awaitable[tuple[bytes, str]]]
    ops_networks: Sequence[Network]
    visitor_tokens: VisitorTokenIssuer | None = None

    async def commit(self, request: Request, command: Command[Any], render: Callable[[Any], Response]) -> Response:
        """Commit a wish and answer; under an Idempotency-Key, as it was answered the first time."""
        key = request.headers.get("idempotency-key")
        if key is None:
            return render(await self.committer.submit(command))
        idempotent = IdempotentCommand(
            key=IdempotencyKey(caller=_caller_digest(request.caller), key=_validated_key(key)),
            request_hash=_request_hash(request),
            render=lambda outcome: _stored_response(render(outcome), request),
        )
        stored = await self.committer.submit_idempotent(command, idempotent)
        return Response(status=stored.status, headers=stored.headers, body=stored.body)


def content_from_path(request: Request) -> ContentRef:
    """The content in the path; a `videoId` is content of type `video`."""
    if "videoId" in request.path:
        return validated_content("video", request.path["videoId"], id_name="videoId")
    return validated_content(request.path["contentType"], request.path["contentId"])


def id_from_path(request: Request, name: str = "id") -> UUID:
    """The id in the path; one that is none is the id of nothing."""
    try:
        return UUID(request.path[name])
    except ValueError:
        raise NotFound("there is nothing with this id") from None


def validated_content(kind: str, name: str, *, within: str = "", id_name: str = "contentId") -> ContentRef:
    """A content, if both parts are what they must be; `within` is where in the body they stand."""
    if len(kind) <= MAX_TYPE and len(name) <= MAX_ID and (valid := _valid_content(kind, name)):
        return valid
    faults = [(f"{within}contentType", content_type_fault(kind)), (f"{within}{id_name}", id_fault(name))]
    raise InvalidRequest(*((where, fault) for where, fault in faults if fault))


@lru_cache(maxsize=4096)
def _valid_content(kind: str, name: str) -> ContentRef | None:
    return None if content_type_fault(kind) or id_fault(name) else ContentRef(type=kind, id=name)


def _validated_key(key: str) -> str:
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise InvalidRequest(("Idempotency-Key", "must be 1 to 255 printable ASCII characters"))
    return key


def _caller_digest(caller: Caller) -> str:
    return hashlib.sha256(f"{caller.actor}\n{caller.user_id}".encode()).hexdigest()


def _request_hash(request: Request) -> bytes:
    endpoint = request.endpoint
    id_name = "\n".join((endpoint.method, endpoint.path, *request.path.values()))
    return hashlib.sha256(id_name.encode() + b"\n" + request.raw_body).digest()


def _stored_response(response: Response, request: Request) -> StoredResponse:
    return StoredResponse(
        request_hash=_request_hash(request), status=response.status, headers=response.headers, body=response.body
    )
