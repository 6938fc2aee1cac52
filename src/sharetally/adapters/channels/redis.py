"""The channel over Redis or Valkey: a topic of pub/sub for each content, one for what was made.

Pub/sub knows no database numbers, so the number stands in every topic's name. What it loses while a connection is
gone nobody gets back: the listener is told of the gap. Needs no more than Redis 3.2 has.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from sharetally.adapters.channels.redis_listening import Listening
from sharetally.adapters.redis_asking import Asking
from sharetally.domain.activity import Made
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.ports import Channel, Listener

_BATCH = 500  # words a script run: the server serves nobody else meanwhile
_PAIR = b"\x92"  # how a list of two begins in MessagePack, as a content is one; a count is a map
_PUBLISH = """
for i = 1, #ARGV, 2 do
  redis.call('PUBLISH', ARGV[i], ARGV[i + 1])
end
return #ARGV
"""


class RedisChannel(Channel):
    """Announcing waits `timeout` seconds at most; `patience` is how long a silent server is believed alive."""

    carries_counts = True

    def __init__(self, url: str, *, timeout: float = 0.05, patience: float = 5.0) -> None:
        self._redis = Asking(url, purpose="channel", timeout=timeout)
        self._publish = self._redis.client.register_script(_PUBLISH)
        pool = self._redis.client.connection_pool
        self._names = _Names(pool.connection_kwargs.get("db", 0))
        self._listening = Listening(pool.make_connection, patience=patience)
        self._encode = msgspec.msgpack.Encoder().encode
        self._count = msgspec.msgpack.Decoder(Count)
        self._content = msgspec.msgpack.Decoder(ContentRef)
        self._made = msgspec.msgpack.Decoder(tuple[Made, ...])
        self._listener: Listener | None = None

    def __repr__(self) -> str:
        return f"<RedisChannel {self._redis!r}>"

    async def open(self, listener: Listener | None) -> None:
        """Listen, if somebody wants to hear; announcing connects when there is something to say."""
        self._listener = listener
        if listener is not None:
            await self._listening.open([self._names.made], self._heard, listener.gapped)

    async def close(self) -> None:
        """Leave; repeating is fine."""
        await self._listening.close()
        await self._redis.close()

    async def announce(self, counts: Sequence[Count], made: Sequence[Made] = ()) -> None:
        """Publish all in one round trip."""
        await self._announce([(self._names.of(count.content), self._encode(count)) for count in counts], made)

    async def _announce(self, words: list[tuple[bytes, bytes]], made: Sequence[Made]) -> None:
        if made:
            words.append((self._names.made, self._encode(made)))
        for start in range(0, len(words), _BATCH):
            if not self._redis.admits() or not await self._said(words[start : start + _BATCH]):
                return

    async def announce_moved(self, contents: Sequence[ContentRef], made: Sequence[Made] = ()) -> None:
        """The same, and all that is said of a content is its name."""
        await self._announce([(self._names.of(content), self._encode(content)) for content in contents], made)

    async def _said(self, words: Sequence[tuple[bytes, bytes]]) -> bool:
        arguments = [each for word in words for each in word]
        return await self._redis.ask(lambda: self._publish(args=arguments)) is not None

    async def follow(self, contents: Collection[ContentRef]) -> None:
        """Subscribe, and wait until the server has done so."""
        await self._listening.add([self._names.of(content) for content in contents])

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        """Unsubscribe."""
        await self._listening.remove([self._names.of(content) for content in contents])

    def _heard(self, name: bytes, word: bytes) -> None:
        if self._listener is None:
            return
        try:
            if name == self._names.made:
                self._listener.made(self._made.decode(word))
            elif word.startswith(_PAIR):
                self._listener.moved((self._content.decode(word),))
            else:
                self._listener.heard((self._count.decode(word),))
        except msgspec.MsgspecError:
            return  # another version's, or a stranger's


class _Names:
    """Topics of one database number. The type goes with its length: no two contents share a name."""

    def __init__(self, number: int) -> None:
        self._prefix = f"sharetally:{number}:live:"
        self.made = f"sharetally:{number}:made".encode()

    def of(self, content: ContentRef) -> bytes:
        return f"{self._prefix}{len(content.type)}:{content.type}:{content.id}".encode()
