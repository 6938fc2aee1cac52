"""How live news looks on the wire: JSON in a WebSocket's text, or an event of a stream. Each is made once for all."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from websockets.frames import Frame, Opcode

from sharetally.domain.activity import MinuteCount
from sharetally.domain.count import Count
from sharetally.web.count_responses import count_body
from sharetally.web.live.schemas import ActivityBody, MinuteBody

LiveNews = Count | Sequence[MinuteCount]


def to_json(news: LiveNews) -> bytes:
    """As JSON: a count as every route tells it, or the minutes that changed."""
    return msgspec.json.encode(count_body(news) if isinstance(news, Count) else _activity_body(news))


def _activity_body(news: Sequence[MinuteCount]) -> ActivityBody:
    rows = [MinuteBody(minute=each.minute, channel=each.channel, shares=each.shares) for each in news]
    return ActivityBody(activity=rows)


def to_text(news: LiveNews) -> str:
    """As the text of a message."""
    return to_json(news).decode()


def to_frame(news: LiveNews) -> bytes:
    """As a whole unmasked frame (RFC 6455, 5.2), the same for every client."""
    return Frame(Opcode.TEXT, to_json(news)).serialize(mask=False)


def to_event(count: Count) -> bytes:
    """As an event whose id is the version."""
    return b"id: %d\ndata: %b\n\n" % (count.version, to_json(count))
