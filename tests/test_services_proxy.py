"""The line that fails: what each way of failing looks like to the client and to the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from tests.services.proxy import Direction, Proxy, open_proxy

pytestmark = pytest.mark.anyio
TIMEOUT = 10.0  # seconds; only what is broken takes so long
A_WHILE = 0.2  # seconds in which nothing comes over a line that stalls

Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    """Answers each line with the line and `!`, and keeps what it received."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.left = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line[:-1] + b"!\n")
        self.left.set()
        writer.close()


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[Proxy]:
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(await asyncio.start_server(server.talk, "127.0.0.1", 0))
        port = listener.sockets[0].getsockname()[1]
        yield await stack.enter_async_context(open_proxy(f"amqp://me:secret@127.0.0.1:{port}/host"))


@asynccontextmanager
async def called(proxy: Proxy) -> AsyncIterator[Side]:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(proxy.url).port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(side: Side, line: bytes = b"") -> bytes:
    """Say this, if anything, and return the next answer."""
    side[1].write(line)
    async with asyncio.timeout(TIMEOUT):
        return await side[0].readuntil(b"\n")


async def nothing_comes(side: Side) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(A_WHILE):
            await side[0].read(1)


async def ended(side: Side) -> bool:
    """Whether the connection ended without any more data."""
    async with asyncio.timeout(TIMEOUT):
        try:
            return await side[0].read() == b""
        except ConnectionResetError:
            return True


async def test_it_passes_bytes_in_both_directions(proxy: Proxy, server: Server) -> None:
    assert proxy.url.startswith("amqp://me:secret@127.0.0.1:")
    assert proxy.url.endswith("/host")
    async with called(proxy) as one, called(proxy) as two:
        assert await answer(one, b"a\n") == b"a!\n"
        assert await answer(two, b"b\n") == b"b!\n"
        one[1].write(b"c\nd\n")
        one[1].write_eof()
        async with asyncio.timeout(TIMEOUT):
            await server.left.wait()
    assert server.heard == [b"a\n", b"b\n", b"c\n", b"d\n"]


async def test_much_arrives_whole(proxy: Proxy) -> None:
    async with called(proxy) as side:
        for _ in range(100):
            side[1].write(b"x" * 60_000 + b"\n")
            assert len(await answer(side)) == 60_002


async def test_a_stalled_connection_delivers_nothing_and_loses_nothing(proxy: Proxy, server: Server) -> None:
    async with called(proxy) as side:
        await answer(side, b"a\n")
        proxy.stall()
        side[1].write(b"b\n")
        await nothing_comes(side)
        async with called(proxy) as newcomer:
            newcomer[1].write(b"c\n")
            await nothing_comes(newcomer)
            assert server.heard == [b"a\n"]
            proxy.release()
            assert await answer(side) == b"b!\n"
            assert await answer(newcomer) == b"c!\n"


async def test_existing_connections_can_be_stalled_alone(proxy: Proxy) -> None:
    async with called(proxy) as side:
        await answer(side, b"a\n")
        proxy.stall(new_connections=False)
        side[1].write(b"b\n")
        async with called(proxy) as newcomer:
            assert await answer(newcomer, b"c\n") == b"c!\n"
        await nothing_comes(side)


async def test_one_way_can_stall_alone(proxy: Proxy, server: Server) -> None:
    async with called(proxy) as side:
        await answer(side, b"a\n")
        proxy.stall(Direction.TO_CLIENT)
        side[1].write(b"b\n")
        await nothing_comes(side)
        assert server.heard == [b"a\n", b"b\n"]
        proxy.stall(Direction.TO_SERVER)
        assert await answer(side) == b"b!\n"
        side[1].write(b"c\n")
        await nothing_comes(side)
        assert server.heard == [b"a\n", b"b\n"]


async def test_a_stalled_connection_hides_that_the_peer_left(proxy: Proxy, server: Server) -> None:
    async with called(proxy) as side:
        await answer(side, b"a\n")
        proxy.stall()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(server.left.wait(), A_WHILE)
    proxy.release()
    await asyncio.wait_for(server.left.wait(), TIMEOUT)


async def test_a_reset_is_one_and_new_connections_are_welcome(proxy: Proxy) -> None:
    async with called(proxy) as side:
        await answer(side, b"a\n")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await answer(side)
        async with called(proxy) as newcomer:
            assert await answer(newcomer, b"b\n") == b"b!\n"


async def test_a_cut_line_refuses_until_it_is_fixed_at_the_same_port(proxy: Proxy, server: Server) -> None:
    url = proxy.url
    async with called(proxy) as side:
        await answer(side, b"a\n")
        await proxy.cut()
        assert await ended(side)
        await asyncio.wait_for(server.left.wait(), TIMEOUT)
    with pytest.raises(ConnectionRefusedError):
        async with called(proxy):
            pass
    await proxy.restore()
    assert proxy.url == url
    async with called(proxy) as again:
        assert await answer(again, b"b\n") == b"b!\n"


async def test_the_reply_to_a_request_is_lost_and_no_other(proxy: Proxy, server: Server) -> None:
    async with called(proxy) as side, called(proxy) as other:
        await answer(side, b"COMMIT 1\n")
        proxy.cut_reply(b"COMMIT")
        assert await answer(side, b"SELECT\n") == b"SELECT!\n"
        assert await answer(other, b"COM\n") == b"COM!\n"
        side[1].write(b"COM")
        await side[1].drain()
        assert await answer(other, b"more\n") == b"more!\n"
        side[1].write(b"MIT 2\n")
        assert await ended(side)
        await asyncio.wait_for(proxy.wait_for_reply_cut(), TIMEOUT)
        assert server.heard[-1] == b"COMMIT 2\n"
        assert await answer(other, b"COMMIT 3\n") == b"COMMIT 3!\n"


async def test_the_reply_to_the_last_of_several_requests_on_one_line_is_lost(proxy: Proxy, server: Server) -> None:
    async with called(proxy) as side, called(proxy) as other:
        await answer(side, b"mine\n")
        proxy.cut_reply(b"mine", b"COMMIT")
        assert await answer(side, b"COMMIT 1\n") == b"COMMIT 1!\n"
        assert await answer(side, b"mine\n") == b"mine!\n"
        assert await answer(other, b"COMMIT 2\n") == b"COMMIT 2!\n"
        side[1].write(b"COMMIT 3\n")
        assert await ended(side)
        other[1].write(b"mine and COMMIT\n")
        assert await answer(other) == b"mine and COMMIT!\n"
        proxy.cut_reply(b"mine", b"COMMIT")
        other[1].write(b"mine and COMMIT\n")
        assert await ended(other)


async def test_the_very_next_reply_can_be_lost_and_the_server_with_it(proxy: Proxy, server: Server) -> None:
    async with called(proxy) as side, called(proxy) as other:
        await answer(other, b"a\n")
        proxy.cut_reply(stay_away=True)
        side[1].write(b"b\n")
        assert await ended(side)
        assert await ended(other)
        assert server.heard == [b"a\n", b"b\n"]
        with pytest.raises(ConnectionRefusedError):
            async with called(proxy):
                pass
        await proxy.restore()
        async with called(proxy) as again:
            assert await answer(again, b"c\n") == b"c!\n"


async def test_a_slow_line_delays_one_direction(proxy: Proxy) -> None:
    async with called(proxy) as side:
        proxy.throttle(10_000, Direction.TO_CLIENT)
        began = time.monotonic()
        assert len(await answer(side, b"x" * 5_000 + b"\n")) == 5_002
        assert time.monotonic() - began >= 0.5
        proxy.release()
        assert await answer(side, b"b\n") == b"b!\n"


async def test_words_can_be_slipped_in(proxy: Proxy) -> None:
    async with called(proxy) as side:
        await answer(side, b"a\n")
        proxy.inject(b"psst\n")
        assert await answer(side) == b"psst\n"


async def test_where_no_server_is_the_line_ends_too() -> None:
    async with open_proxy("amqp://127.0.0.1:1/") as proxy, called(proxy) as side:
        assert await ended(side)
