"""The channel carries new counts from the process that counted to those that show them.

It is fast, and delivers a message at most once. After an interruption it reports a gap, so that listeners read again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count


class Listener(Protocol):
    """Receives what others announce; no method waits or raises."""

    def on_counts(self, counts: Sequence[Count]) -> None:
        """Counts were announced: in any order, perhaps twice, and also of content items that nobody follows."""
        ...

    def on_changed(self, contents: Collection[ContentRef]) -> None:
        """The counts of these content items changed and must be read; nobody may follow some of them."""
        ...

    def on_minute_counts(self, minute_counts: Sequence[MinuteCount]) -> None:
        """Shares that a process has counted since its last message."""
        ...

    def on_gap(self) -> None:
        """The channel works again after an interruption, in which any message may have been lost."""
        ...


class Channel(Protocol):
    """Announces counted batches to every process. What is lost on the way is found by reading again.

    If it `carries_counts`, its messages contain the new counts; otherwise they only name the content items that
    changed, and listeners read those that they follow.
    """

    carries_counts: bool

    async def open(self, listener: Listener | None) -> None:
        """Connect to announce and, with a listener, to receive; never fails, but keeps trying to connect."""
        ...

    async def close(self) -> None:
        """Disconnect; a repeated call does nothing."""
        ...

    async def announce(self, counts: Sequence[Count], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Send counts to all listeners; gives up after a short time-out, and never raises."""
        ...

    async def announce_changed(self, contents: Sequence[ContentRef], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Like `announce`, for content items whose new counts have not been read."""
        ...

    async def follow(self, contents: Collection[ContentRef]) -> None:
        """Receive what is announced about these from when this returns, or, if interrupted, after a reported gap."""
        ...

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        """Receive nothing about these any more; a repeated call does nothing."""
        ...
