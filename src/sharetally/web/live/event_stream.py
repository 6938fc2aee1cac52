"""Server-Sent Events: one content item's count, sent again whenever it changes.

The first event is the current count, unless the client already has this version, as its `Last-Event-ID` says. A comment
every 20 seconds keeps proxies from closing a stream that looks idle. The stream ends when this process ends; the client
then reconnects after the `retry` time, which is random, so that not all clients come back at once.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

from starlette.types import Receive

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Rejected, SharetallyError, Unavailable
from sharetally.flow.live import Live
from sharetally.flow.subscriptions import Follower, Update
from sharetally.web.endpoint import NoBody, NoQuery, Request
from sharetally.web.live import credentials as live_credentials
from sharetally.web.live import encoding as live_encoding
from sharetally.web.live.credentials import LiveCounts, LiveCredentials
from sharetally.web.live.origins import check_origin
from sharetally.web.parameters import ContentPath
from sharetally.web.responses import StreamingResponse, WriteChunk

HEARTBEAT_SECONDS = 20.0
RETRY_MILLISECONDS = (1000, 4000)
WRITE_TIMEOUT_SECONDS = 15.0  # for one write
_HEADERS = (("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no"))


async def stream_count(counts: LiveCounts, request: Request[ContentPath, NoQuery, NoBody]) -> StreamingResponse:
    """Follow the count of one content item."""
    check_origin(request.scope, allowed=counts.cors_origins, public_url=counts.public_url)
    content = request.path.content
    counts.live.check_room()
    await counts.live.ensure_loaded([content])  # an error is reported while there is still a status to send
    last_event_id = request.headers.get("last-event-id", "")
    known_version = (
        int(last_event_id) if last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 20 else -1
    )

    credentials = None if counts.public else LiveCredentials(counts, request.scope)

    async def write(receive: Receive, send: WriteChunk) -> None:
        await _Stream(counts.live, content, known_version, receive, send, credentials).run()

    return StreamingResponse(status=200, headers=_HEADERS, write=write)


class _Stream:
    """The stream of one client."""

    def __init__(
        self,
        live: Live,
        content: ContentRef,
        known_version: int,
        receive: Receive,
        send: WriteChunk,
        credentials: LiveCredentials | None,
    ) -> None:
        self._live = live
        self._wanted = {content: known_version}
        self._receive = receive
        self._send = send
        self._credentials = credentials
        self._write_lock = asyncio.Lock()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Run until the client leaves, falls too far behind, or is disconnected."""
        follower = Follower(
            encode=live_encoding.to_event,
            put=lambda _: False,  # a stream can only be written by awaiting `send`
            send=self._send_update,
            on_too_slow=self._end,
            on_leave=self._end,
            send_timeout=WRITE_TIMEOUT_SECONDS,
        )
        await self._write(b"retry: %d\n\n" % random.randint(*RETRY_MILLISECONDS))  # noqa: S311
        with suppress(Unavailable):  # there is no room for another client, or this process ends: the client comes back
            async with self._live.client(follower):
                await self._live.follow(follower, self._wanted)
                watchers = [asyncio.create_task(each) for each in (self._watch_disconnect(), self._watch_credentials())]
                try:
                    await self._send_heartbeats()
                finally:
                    for watcher in watchers:
                        watcher.cancel()

    async def _send_heartbeats(self) -> None:
        while not self._ended.is_set():
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._ended.wait()
            except TimeoutError:
                with suppress(TimeoutError):
                    async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
                        await self._write(b":\n\n")

    async def _watch_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end()

    async def _watch_credentials(self) -> None:
        """End the stream when the credential is no longer valid; an unreachable database does not end it."""
        while self._credentials is not None:
            try:
                await self._credentials.check()
            except Rejected:
                return self._end()
            except SharetallyError:
                pass
            await asyncio.sleep(live_credentials.CHECK_SECONDS)

    async def _send_update(self, update: Update) -> None:
        await self._write(update.encoded(live_encoding.to_event))

    async def _write(self, text: bytes) -> None:
        async with self._write_lock:
            await self._send(text)

    def _end(self) -> None:
        self._ended.set()
