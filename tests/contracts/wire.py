"""A wire to RabbitMQ that can fail as real ones do: cut, silent, or with a word of the broker slipped in.

It relays TCP between the adapter and the broker of the test. Everything it starts ends with its context.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pamqp.frame
from pamqp.base import Frame


class Wire:
    """Relays connections to `url`; `self.url` is what to connect to instead."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._pipes: set[_Pipe] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The broker's URL by way of this wire."""
        at = self._target
        return at._replace(netloc=f"{at.username or 'guest'}:{at.password or 'guest'}@127.0.0.1:{self._port}").geturl()

    async def mend(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection at once, and take no more until mended."""
        if self._server is not None:
            self._server.close()
        self.reset()
        while self._pipes:
            await asyncio.wait({pipe.ended for pipe in self._pipes})

    def reset(self) -> None:
        """End every connection at once; new ones are welcome."""
        for pipe in self._pipes:
            pipe.abort()

    def silence(self) -> None:
        """Let nothing through on the connections there are, and tell neither side."""
        for pipe in self._pipes:
            pipe.to_broker.clear()
            pipe.to_client.clear()

    def hold(self) -> None:
        """Let nothing through to the broker."""
        for pipe in self._pipes:
            pipe.to_broker.clear()

    def release(self) -> None:
        """Let everything through again."""
        for pipe in self._pipes:
            pipe.to_broker.set()
            pipe.to_client.set()

    def say(self, frame: Frame) -> None:
        """Slip in what the broker might say of the connection."""
        for pipe in self._pipes:
            pipe.client.write(pamqp.frame.marshal(frame, 0))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = _Pipe(writer)
        self._pipes.add(pipe)
        try:
            await pipe.run(reader, self._target.hostname or "127.0.0.1", self._target.port or 5672)
        finally:
            self._pipes.discard(pipe)
            pipe.ended.set_result(None)


class _Pipe:
    """One connection: two streams, each with a gate."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.broker: asyncio.StreamWriter | None = None
        self.to_broker = asyncio.Event()
        self.to_client = asyncio.Event()
        self.to_broker.set()
        self.to_client.set()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._aborted = asyncio.Event()

    def abort(self) -> None:
        self._aborted.set()

    async def run(self, reader: asyncio.StreamReader, host: str, port: int) -> None:
        broker_reader, self.broker = await asyncio.open_connection(host, port)
        tasks = {
            asyncio.create_task(_pump(reader, self.broker, self.to_broker)),
            asyncio.create_task(_pump(broker_reader, self.client, self.to_client)),
            asyncio.create_task(self._aborted.wait()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self.client.transport.abort()
            self.broker.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            await gate.wait()
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def open_wire(url: str) -> AsyncIterator[Wire]:
    """A wire that takes connections until the context ends."""
    wire = Wire(url)
    await wire.mend()
    try:
        yield wire
    finally:
        await wire.cut()
