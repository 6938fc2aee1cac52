"""The channel over Redis or Valkey: a topic of pub/sub for each content, one for what was made.

Pub/sub knows no database numbers, so the number stands in every topic's name. What it loses while a connection is
gone nobody gets back: the listener is told of the gap. Needs no more than Redis 3.2 has.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from sharetally.adapters.channels.redis_listener import TopicListener
from sharetally.adapters.guarded_redis import GuardedRedis
from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.ports import Channel, Listener

_MESSAGES_PER_SCRIPT = 500  # words a script run: the server serves nobody else meanwhile
_TWO_ITEM_ARRAY = b"\x92"  # how a list of two begins in MessagePack, as a content is one; a count is a map
_PUBLISH_SCRIPT = """
for i = 1, #ARGV, 2 do
  redis.call('PUBLISH', ARGV[i], ARGV[i + 1])
end
return #ARGV
"""


class RedisChannel(Channel):
    """Announcing waits `timeout` seconds at most; `silence_timeout` is how long a silent server is believed alive."""

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
        """Listen, if somebody wants to hear; announcing connects when there is something to say."""
        self._listener = listener
        if listener is not None:
            await self._topic_listener.open([self._topics.minute_counts], self._on_message, listener.on_gap)

    async def close(self) -> None:
        """Leave; repeating is fine."""
        await self._topic_listener.close()
        await self._redis.close()

    async def announce(self, counts: Sequence[Count], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """Publish all in one round trip."""
        await self._publish_all(
            [(self._topics.topic_of(count.content), self._encode(count)) for count in counts], minute_counts
        )

    async def _publish_all(self, messages: list[tuple[bytes, bytes]], minute_counts: Sequence[MinuteCount]) -> None:
        if minute_counts:
            messages.append((self._topics.minute_counts, self._encode(minute_counts)))
        for start in range(0, len(messages), _MESSAGES_PER_SCRIPT):
            if not self._redis.allows() or not await self._publish_batch(
                messages[start : start + _MESSAGES_PER_SCRIPT]
            ):
                return

    async def announce_changed(self, contents: Sequence[ContentRef], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """The same, and all that is said of a content is its name."""
        await self._publish_all(
            [(self._topics.topic_of(content), self._encode(content)) for content in contents], minute_counts
        )

    async def _publish_batch(self, messages: Sequence[tuple[bytes, bytes]]) -> bool:
        arguments = [part for message in messages for part in message]
        return await self._redis.call(lambda: self._publish_script(args=arguments)) is not None

    async def follow(self, contents: Collection[ContentRef]) -> None:
        """Subscribe, and wait until the server has done so."""
        await self._topic_listener.add([self._topics.topic_of(content) for content in contents])

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        """Unsubscribe."""
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
            return  # another version's, or a stranger's


class _Topics:
    """Topics of one database number. The type goes with its length: no two contents share a name."""

    def __init__(self, database_number: int) -> None:
        self._prefix = f"sharetally:{database_number}:live:"
        self.minute_counts = f"sharetally:{database_number}:made".encode()

    def topic_of(self, content: ContentRef) -> bytes:
        return f"{self._prefix}{len(content.type)}:{content.type}:{content.id}".encode()
