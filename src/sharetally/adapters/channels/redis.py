"""The channel on Redis or Valkey: one pub/sub topic per content, and one for the shares of the current minute.

Pub/sub ignores database numbers, so the name of each topic contains the number. Messages that are published while a
listener is disconnected are lost, so the listener is told of the gap. Redis 3.2 is enough.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import msgspec

from sharetally.adapters.channels.redis_listener import TopicListener
from sharetally.adapters.guarded_redis import GuardedRedis
from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.ports import Channel, Listener

_MESSAGES_PER_SCRIPT = 500  # limits how long one script keeps the server from other clients
_TWO_ITEM_ARRAY = b"\x92"  # the first byte of a content in MessagePack; a count is a map
_PUBLISH_SCRIPT = """
for i = 1, #ARGV, 2 do
  redis.call('PUBLISH', ARGV[i], ARGV[i + 1])
end
return #ARGV
"""


class RedisChannel(Channel):
    """The channel on the server at `url`.

    Announcing takes at most `timeout` seconds. A server that is silent for `silence_timeout` seconds is checked.
    """

    carries_counts = True

    def __init__(self, url: str, *, timeout: float = 0.05, silence_timeout: float = 5.0) -> None:
        self._redis = GuardedRedis(url, purpose="channel", timeout=timeout)
        self._publish_script = self._redis.client.register_script(_PUBLISH_SCRIPT)
        pool = self._redis.client.connection_pool
        self._topics = _Topics(pool.connection_kwargs.get("db", 0))
        self._topic_listener = TopicListener(pool.make_connection, silence_timeout=silence_timeout)
        self._encode = msgspec.msgpack.Encoder().encode
        self._count_decoder = msgspec.msgpack.Decoder(Count)
        self._content_decoder = msgspec.msgpack.Decoder(ContentRef)
        self._minute_counts_decoder = msgspec.msgpack.Decoder(tuple[MinuteCount, ...])
        self._listener: Listener | None = None

    def __repr__(self) -> str:
        return f"<RedisChannel {self._redis!r}>"

    async def open(self, listener: Listener | None) -> None:
        """Start listening if there is a listener; announcing connects with the first announcement."""
        self._listener = listener
        if listener is not None:
            await self._topic_listener.open([self._topics.minute_counts], self._on_message, listener.on_gap)

    async def close(self) -> None:
        """Close all connections; a repeated call does nothing."""
        await self._topic_listener.close()
        await self._redis.close()

    async def announce(self, counts: Sequence[Count], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Publish the counts, 500 in one round trip."""
        await self._publish_all(
            [(self._topics.topic_of(count.content), self._encode(count)) for count in counts], minute_counts
        )

    async def announce_changed(self, contents: Sequence[ContentRef], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Publish the names of these contents without their counts."""
        await self._publish_all(
            [(self._topics.topic_of(content), self._encode(content)) for content in contents], minute_counts
        )

    async def _publish_all(self, messages: list[tuple[bytes, bytes]], minute_counts: Sequence[MinuteCount]) -> None:
        if minute_counts:
            messages.append((self._topics.minute_counts, self._encode(minute_counts)))
        for start in range(0, len(messages), _MESSAGES_PER_SCRIPT):
            if not self._redis.allows():
                return
            batch = messages[start : start + _MESSAGES_PER_SCRIPT]
            arguments = [part for message in batch for part in message]
            if await self._redis.call(partial(self._publish_script, args=arguments)) is None:
                return

    async def follow(self, contents: Collection[ContentRef]) -> None:
        """Subscribe to these contents, and return once the server has done so."""
        await self._topic_listener.add([self._topics.topic_of(content) for content in contents])

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        """Unsubscribe from these contents."""
        await self._topic_listener.remove([self._topics.topic_of(content) for content in contents])

    def _on_message(self, topic: bytes, message: bytes) -> None:
        if self._listener is None:
            return
        try:
            if topic == self._topics.minute_counts:
                self._listener.on_minute_counts(self._minute_counts_decoder.decode(message))
            elif message.startswith(_TWO_ITEM_ARRAY):
                self._listener.on_changed((self._content_decoder.decode(message),))
            else:
                self._listener.on_counts((self._count_decoder.decode(message),))
        except msgspec.MsgspecError:
            return  # from another version, or not from this service


class _Topics:
    """The topics of one database number; the length before the type makes each name unique to one content."""

    def __init__(self, database_number: int) -> None:
        self._prefix = f"sharetally:{database_number}:live:"
        self.minute_counts = f"sharetally:{database_number}:made".encode()

    def topic_of(self, content: ContentRef) -> bytes:
        return f"{self._prefix}{len(content.type)}:{content.type}:{content.id}".encode()
