"""How live news looks on the wire: JSON in a WebSocket's text, or an event of a stream. Each is made once for all."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from websockets.frames import Frame, Opcode

from sharetally.domain.activity import Made
from sharetally.domain.count import Count
from sharetally.web.count_answers import count_body
from sharetally.web.schemas.live import ActivityBody, MinuteBody

News = Count | Sequence[Made]


def encoded(news: News) -> bytes:
    """As JSON: a count as every route tells it, or the minutes that changed."""
    return msgspec.json.encode(count_body(news) if isinstance(news, Count) else _activity(news))


def _activity(news: Sequence[Made]) -> ActivityBody:
    rows = [MinuteBody(minute=each.minute, channel=each.channel, shares=each.shares) for each in news]
    return ActivityBody(activity=rows)


def text(news: News) -> str:
    """As the text of a message."""
    return encoded(news).decode()


def frame(news: News) -> bytes:
    """As a whole unmasked frame (RFC 6455, 5.2), the same for every client."""
    return Frame(Opcode.TEXT, encoded(news)).serialize(mask=False)


def event(count: Count) -> bytes:
    """As an event whose id is the version."""
    return b"id: %d\ndata: %b\n\n" % (count.version, encoded(count))
