"""What carries newest counts from whoever counts to whoever shows: at most once, fast, and it says when it gapped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count


class Listener(Protocol):
    """Who is told; no method waits or raises."""

    def on_counts(self, counts: Sequence[Count]) -> None:
        """Announced counts, in any order, perhaps twice; of contents that nobody follows too."""
        ...

    def on_changed(self, contents: Collection[ContentRef]) -> None:
        """These have changed, and what they are now is to be read; of contents that nobody follows too."""
        ...

    def on_minute_counts(self, minute_counts: Sequence[MinuteCount]) -> None:
        """Shares made since the last such word, of whoever counted them."""
        ...

    def on_gap(self) -> None:
        """The channel was away and is back: anything may have been missed."""
        ...


class Channel(Protocol):
    """Tells every process of a counted batch. What is lost on the way is found by reading again.

    One that `carries_counts` tells what contents have now; another only which have moved, and who follows one reads.
    """

    carries_counts: bool

    async def open(self, listener: Listener | None) -> None:
        """Connect, to announce and, with a listener, to hear; keeps trying when nobody answers, and never fails."""
        ...

    async def close(self) -> None:
        """Leave; repeating is fine."""
        ...

    async def announce(self, counts: Sequence[Count], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Tell who listens; gives up within a short time-out, and a fault is nobody's error."""
        ...

    async def announce_changed(self, contents: Sequence[ContentRef], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """The same where nobody has read what they are now."""
        ...

    async def follow(self, contents: Collection[ContentRef]) -> None:
        """Hear of these from when this returns; while the channel is away it returns too, and a gap is told later."""
        ...

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        """No longer; repeating is fine."""
        ...
