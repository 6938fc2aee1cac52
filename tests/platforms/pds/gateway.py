"""A gateway in front of a real server, which does to single requests what the network and proxies do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from tests.fakes.api_server import Ending, Fault, Reply

HOP = {"connection", "transfer-encoding", "content-length", "date", "keep-alive", "host"}


class Gateway:
    """Forwards requests to `upstream`; `url` is where it listens."""

    def __init__(self, upstream: str) -> None:
        self._client = httpx2.AsyncClient(base_url=upstream, timeout=60)
        self._faults: dict[str, list[Fault]] = {}
        self.url = ""

    def fail(self, method: str, *faults: Fault) -> None:
        """Let the next requests of this XRPC method meet these faults."""
        self._faults.setdefault(method, []).extend(faults)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                while True:
                    await self._forward(reader, writer)
            except (OSError, EOFError, asyncio.CancelledError):
                return  # the client has left, or the test is over
            finally:
                tasks.discard(task)
                writer.close()

        listener = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            listener.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._client.aclose()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        faults = self._faults.get(target.partition("?")[0].rpartition("/")[2], [])
        fault = faults.pop(0) if faults else Fault(carried_out=True)
        status, sent, received = 502, b"", {"content-type": "application/json"}
        if fault.carried_out:
            passed_on = {name: value for name, value in headers.items() if name not in HOP}
            response = await self._client.request(method, target, headers=passed_on, content=body)
            status, sent, received = response.status_code, response.content, dict(response.headers)
        if fault.reply is not None:
            status, (sent, received) = fault.reply.status, fault.reply.encode()
        match fault.ending:
            case Ending.STALL:
                await asyncio.Event().wait()
            case Ending.RESET:
                writer.transport.abort()
                raise EOFError
            case Ending.MALFORMED:
                sent = sent[:-2] or b"<html>"
        names = [f"{name}: {value}" for name, value in received.items() if name.lower() not in HOP]
        head = [f"HTTP/1.1 {status} Status", f"content-length: {len(sent)}", *names, "", ""]
        if fault.ending is Ending.SLOW_BODY:
            writer.write("\r\n".join(head).encode() + sent[:-1])
            await asyncio.Event().wait()
        writer.write("\r\n".join(head).encode() + sent)
        await writer.drain()


def xrpc_error(status: int, name: str, message: str, **headers: str) -> Reply:
    """An error as a Bluesky server writes it; names of headers with underscores."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Reply(status=status, json={"error": name, "message": message}, headers=named)
