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
from sharetally.flow.batch import Keyed, Wish
from sharetally.flow.committer import Committer
from sharetally.flow.delivery.stuck import StuckDeliveries
from sharetally.flow.hooks import Hooks
from sharetally.flow.live import Live
from sharetally.flow.looking import Looking
from sharetally.flow.queries import Queries
from sharetally.ports import (
    Broker,
    CallerKey,
    Clock,
    Insight,
    KeyStore,
    Meter,
    Outbox,
    Platform,
    Proving,
    Reading,
    StoredAnswer,
    Waiting,
)
from sharetally.web.answers import Answer
from sharetally.web.count_answers import CountAnswers
from sharetally.web.endpoint import Asked
from sharetally.web.network import Network
from sharetally.web.operation import Health
from sharetally.web.who.callers import Callers
from sharetally.web.who.identity import Identity
from sharetally.web.who.quota import Quota
from sharetally.web.who.sessions import Sessions
from sharetally.web.who.visitors import Visitors


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
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
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "must be an absolute http(s) URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must be an absolute http(s) URL"
    if not host.isascii():
        return "must have its host in ASCII, like xn--bcher-kva.example"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name or password"
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Everything a handler may use."""

    committer: Committer
    queries: Queries
    count_answers: CountAnswers
    reading: Reading
    proving: Proving
    insight: Insight
    analytics: Analytics
    outbox: Outbox
    stuck: StuckDeliveries
    broker: Broker
    keys: KeyStore
    looking: Looking
    waiting: Callable[[], Awaitable[Waiting]]
    hooks: Hooks
    identity: Identity
    sessions: Sessions
    callers: Callers
    oidc: bool
    quota: Quota
    meter: Meter
    clock: Clock
    places: Places
    platforms: Mapping[str, Platform]
    own_platforms: Mapping[str, Platform]
    canonical: Callable[[str], str]
    public_counts: bool
    cors_origins: Sequence[str]
    live: Live
    health: Health
    exposition: Callable[[], Awaitable[tuple[bytes, str]]]
    ops_networks: Sequence[Network]
    visitors: Visitors | None = None

    async def commit(self, asked: Asked, wish: Wish[Any], render: Callable[[Any], Answer]) -> Answer:
        """Commit a wish and answer; under an Idempotency-Key, as it was answered the first time."""
        key = asked.headers.get("idempotency-key")
        if key is None:
            return render(await self.committer.submit(wish))
        keyed = Keyed(
            key=CallerKey(caller=_caller_digest(asked.signed), key=_checked_key(key)),
            request_hash=_request_hash(asked),
            render=lambda outcome: _stored(render(outcome), asked),
        )
        stored = await self.committer.submit_keyed(wish, keyed)
        return Answer(status=stored.status, headers=stored.headers, body=stored.body)


def content_of(asked: Asked) -> ContentRef:
    """The content in the path; a `videoId` is content of type `video`."""
    if "videoId" in asked.path:
        return checked_content("video", asked.path["videoId"], named="videoId")
    return checked_content(asked.path["contentType"], asked.path["contentId"])


def path_id(asked: Asked, name: str = "id") -> UUID:
    """The id in the path; one that is none is the id of nothing."""
    try:
        return UUID(asked.path[name])
    except ValueError:
        raise NotFound("there is nothing with this id") from None


def checked_content(kind: str, name: str, *, within: str = "", named: str = "contentId") -> ContentRef:
    """A content, if both parts are what they must be; `within` is where in the body they stand."""
    if len(kind) <= MAX_TYPE and len(name) <= MAX_ID and (good := _good_content(kind, name)):
        return good
    faults = [(f"{within}contentType", content_type_fault(kind)), (f"{within}{named}", id_fault(name))]
    raise InvalidRequest(*((where, fault) for where, fault in faults if fault))


@lru_cache(maxsize=4096)
def _good_content(kind: str, name: str) -> ContentRef | None:
    return None if content_type_fault(kind) or id_fault(name) else ContentRef(type=kind, id=name)


def _checked_key(key: str) -> str:
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise InvalidRequest(("Idempotency-Key", "must be 1 to 255 printable ASCII characters"))
    return key


def _caller_digest(caller: Caller) -> str:
    return hashlib.sha256(f"{caller.actor}\n{caller.user_id}".encode()).hexdigest()


def _request_hash(asked: Asked) -> bytes:
    endpoint = asked.endpoint
    named = "\n".join((endpoint.method, endpoint.path, *asked.path.values()))
    return hashlib.sha256(named.encode() + b"\n" + asked.raw_body).digest()


def _stored(answer: Answer, asked: Asked) -> StoredAnswer:
    return StoredAnswer(
        request_hash=_request_hash(asked), status=answer.status, headers=answer.headers, body=answer.body
    )
