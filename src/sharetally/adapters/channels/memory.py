"""The channel inside one process: who counts calls who shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.ports import Channel, Listener


class MemoryChannel(Channel):
    """Loses nothing, so it never gaps."""

    carries_counts = True

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._followed: set[ContentRef] = set()

    async def open(self, listener: Listener | None) -> None:
        """Nothing to connect to."""
        self._listener = listener

    async def close(self) -> None:
        """Nobody is told any more; repeating is fine."""
        self._listener = None
        self._followed.clear()

    async def announce(self, counts: Sequence[Count], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Tell at once."""
        if self._listener is None:
            return
        if followed := [count for count in counts if count.content in self._followed]:
            self._listener.on_counts(followed)
        if minute_counts:
            self._listener.on_minute_counts(minute_counts)

    async def announce_changed(self, contents: Sequence[ContentRef], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Tell at once."""
        if self._listener is None:
            return
        if moved := self._followed.intersection(contents):
            self._listener.on_changed(moved)
        if minute_counts:
            self._listener.on_minute_counts(minute_counts)

    async def follow(self, contents: Collection[ContentRef]) -> None:
        """Hear of these."""
        self._followed.update(contents)

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        """No longer."""
        self._followed.difference_update(contents)
