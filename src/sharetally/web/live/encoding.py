"""Encodes live updates as JSON for a WebSocket or as a Server-Sent Event; each is encoded once for all clients."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from websockets.frames import Frame, Opcode

from sharetally.domain.activity import MinuteCount
from sharetally.domain.count import Count
from sharetally.web.count_responses import count_body
from sharetally.web.live.schemas import ActivityBody, MinuteBody

LiveUpdate = Count | Sequence[MinuteCount]


def to_json(update: LiveUpdate) -> bytes:
    """As JSON: a count as in every other response, or the minutes whose activity changed."""
    if isinstance(update, Count):
        return msgspec.json.encode(count_body(update))
    rows = [MinuteBody(minute=each.minute, channel=each.channel, shares=each.shares) for each in update]
    return msgspec.json.encode(ActivityBody(activity=rows))


def to_text(update: LiveUpdate) -> str:
    """As the text of a WebSocket message."""
    return to_json(update).decode()


def to_frame(update: LiveUpdate) -> bytes:
    """As a complete unmasked frame (RFC 6455, 5.2), the same for every client."""
    return Frame(Opcode.TEXT, to_json(update)).serialize(mask=False)


def to_event(count: Count) -> bytes:
    """As a Server-Sent Event whose id is the version."""
    return b"id: %d\ndata: %b\n\n" % (count.version, to_json(count))
