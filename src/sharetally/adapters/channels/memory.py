"""The channel within one process: an announcement calls the listener directly."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.ports import Channel, Listener


class MemoryChannel(Channel):
    """Loses no announcement, so it never reports a gap."""

    carries_counts = True

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._followed: set[ContentRef] = set()

    async def open(self, listener: Listener | None) -> None:
        """Set the listener; there is nothing to connect to."""
        self._listener = listener

    async def close(self) -> None:
        """Stop announcing; a repeated call does nothing."""
        self._listener = None
        self._followed.clear()

    async def announce(self, counts: Sequence[Count], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Call the listener with the counts of followed contents."""
        if self._listener is None:
            return
        if followed := [count for count in counts if count.content in self._followed]:
            self._listener.on_counts(followed)
        if minute_counts:
            self._listener.on_minute_counts(minute_counts)

    async def announce_changed(self, contents: Sequence[ContentRef], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Call the listener with those contents that somebody follows."""
        if self._listener is None:
            return
        if followed := self._followed.intersection(contents):
            self._listener.on_changed(followed)
        if minute_counts:
            self._listener.on_minute_counts(minute_counts)

    async def follow(self, contents: Collection[ContentRef]) -> None:
        """Announce these contents to the listener from now on."""
        self._followed.update(contents)

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        """Stop announcing these contents."""
        self._followed.difference_update(contents)
