"""How a post gets into a room, and how to see whether it is there.

A homeserver drops a message whose transaction id it has seen in the same session, and answers with the event that it
made the first time. The transaction id is derived from the post, so a repetition is harmless for as long as the
homeserver remembers it. How long that is, the specification does not say; half an hour is what every homeserver keeps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec

from sharetally.domain.account import Account, Tokens
from sharetally.domain.post import (
    AccessDenied,
    CannotTell,
    Draft,
    LookOutcome,
    NotThere,
    OutcomeUnknown,
    Posted,
    PostRejected,
    PublishOutcome,
    TryLater,
)
from sharetally.ports.outbound import Outbound, OutboundError
from sharetally.ports.posting_platform import Publisher
from sharetally.settings import Settings
from sharetally_matrix_example.homeserver import (
    DEVICE,
    USER,
    Homeserver,
    decode,
    failure,
    is_ambiguous,
    join_path,
)

MAX_TEXT_BYTES = 60_000  # an event has at most 65,536 bytes, the rest of it included
CLOCK_SKEW = timedelta(minutes=5)  # between this service and a homeserver
SETTLING = timedelta(minutes=1)  # until a slow request must have arrived
MAX_PAGES = 5
SINCE = "since"  # in `Draft.prepared`: when the attempt began


class _Unsigned(msgspec.Struct, frozen=True, kw_only=True):
    transaction_id: str | None = None  # only the session that sent the event sees it


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    event_id: str
    origin_server_ts: int = 0
    content: dict[str, object] = {}  # of a redacted event, nothing
    unsigned: _Unsigned = _Unsigned()


class _Messages(msgspec.Struct, frozen=True, kw_only=True):
    chunk: tuple[_Event, ...] = ()
    end: str | None = None


class _Sent(msgspec.Struct, frozen=True, kw_only=True):
    event_id: str


def create_publisher(settings: Settings, outbound: Outbound) -> MatrixPublisher:
    """What the entry point names."""
    return MatrixPublisher(outbound)


class MatrixPublisher(Publisher):
    """Posts to the rooms that have been connected."""

    platform = "matrix"
    deduplicates = True
    deduplicates_for = timedelta(minutes=30)

    def __init__(self, outbound: Outbound, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._homeserver = Homeserver(outbound)
        self._now = now

    def text_fault(self, text: str, url: str) -> str | None:
        """Only what no homeserver accepts is too long."""
        try:
            size = len(msgspec.json.encode(text))
        except UnicodeEncodeError:
            return "The text has half a character (an unpaired surrogate), which Matrix does not accept."
        if size <= MAX_TEXT_BYTES:
            return None
        return f"The text has {size} bytes; the limit is {MAX_TEXT_BYTES}."

    def warnings(self, text: str) -> Sequence[str]:
        """None."""
        return ()

    async def prepare(
        self, account: Account, tokens: Tokens, draft: Draft
    ) -> Mapping[str, str] | TryLater | PostRejected | AccessDenied:
        """Note when the attempt begins, and in which session, because transaction ids are known only there."""
        return {SINCE: self._now().isoformat(), DEVICE: tokens.private[DEVICE]}

    async def publish(self, account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        """Send the message, with the post's id as the transaction id."""
        if draft.repeated and draft.prepared[DEVICE] != tokens.private[DEVICE]:
            return OutcomeUnknown(reason="the room was connected with another session, which cannot repeat this post")
        path = join_path("rooms", account.external_id, "send", "m.room.message", str(draft.id))
        try:
            response = await self._homeserver.request(
                "PUT", account.server, path, tokens, {"msgtype": "m.text", "body": draft.text}
            )
        except OutboundError as error:
            reason = f"the homeserver did not answer: {error}"[:200]
            return OutcomeUnknown(reason=reason) if error.request_sent else TryLater(reason=reason)
        sent = decode(response, _Sent) if response.status == 200 else None
        if sent is not None:
            return _posted(account, tokens, sent.event_id)
        if is_ambiguous(response):
            return OutcomeUnknown(reason=f"the homeserver answered {response.status} without the id of an event")
        return failure(response, self._now())

    async def look(self, account: Account, tokens: Tokens, draft: Draft) -> LookOutcome:
        """Read the user's own messages since the attempt: the post has its transaction id, or its own address.

        A post that its user has deleted meanwhile still has the transaction id: it was there, and is not sent again.
        """
        began = datetime.fromisoformat(draft.prepared[SINCE])
        own = msgspec.json.encode({"types": ["m.room.message"], "senders": [tokens.private[USER]]}).decode()
        query = {"dir": "b", "limit": "100", "filter": own}
        for _ in range(MAX_PAGES):
            path = f"{join_path('rooms', account.external_id, 'messages')}?{urlencode(query)}"
            try:
                response = await self._homeserver.request("GET", account.server, path, tokens)
            except OutboundError as error:
                return TryLater(reason=f"the homeserver did not answer: {error}"[:200])
            if response.status != 200:
                refused = failure(response, self._now())
                return CannotTell(reason=refused.message) if isinstance(refused, PostRejected) else refused
            page = decode(response, _Messages)
            if page is None:
                return CannotTell(reason="the homeserver answered without a list of messages")
            for event in page.chunk:
                if event.unsigned.transaction_id == str(draft.id) or _mentions(event, draft.url):
                    return _posted(account, tokens, event.event_id)
            oldest = min((event.origin_server_ts for event in page.chunk), default=None)
            if page.end is None or (oldest is not None and oldest < (began - CLOCK_SKEW).timestamp() * 1000):
                settled = began + SETTLING
                if self._now() < settled:
                    return TryLater(reason="a slow request may still arrive", at=settled)
                return NotThere()
            query["from"] = page.end
        return CannotTell(reason="the user has written too much in the room since")

    async def delete(
        self, account: Account, tokens: Tokens, external_id: str
    ) -> TryLater | PostRejected | AccessDenied | None:
        """Redact the message: the event stays, without its text."""
        path = join_path("rooms", account.external_id, "redact", external_id, f"delete-{external_id}")
        try:
            response = await self._homeserver.request("PUT", account.server, path, tokens)
        except OutboundError as error:
            return TryLater(reason=f"the homeserver did not answer: {error}"[:200])
        return None if response.status == 200 else failure(response, self._now())


def _mentions(event: _Event, url: str) -> bool:
    """Whether the message holds this very address, not a longer one that begins with it."""
    body = event.content.get("body")
    return isinstance(body, str) and re.search(rf"{re.escape(url)}(?![A-Za-z0-9_-])", body) is not None


def _posted(account: Account, tokens: Tokens, event_id: str) -> Posted:
    via = urlencode({"via": tokens.private[USER].partition(":")[2]})
    address = f"https://matrix.to/#/{join_path(account.external_id, event_id)}?{via}"
    return Posted(external_id=event_id, external_url=address)
