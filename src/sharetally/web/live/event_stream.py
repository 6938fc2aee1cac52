"""Server-Sent Events: one content's count, as it moves.

The first event is the count as it stands, unless the client comes back with just that version in `Last-Event-ID`.
A comment every 20 seconds keeps proxies from closing what looks idle. When this process ends the stream ends, and
the client comes back after the time that `retry` told it, each after another.
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

HEARTBEAT_SECONDS = 20.0  # seconds
RETRY_MILLISECONDS = (1000, 4000)  # milliseconds
WRITE_TIMEOUT_SECONDS = 15.0  # seconds that one write may take
_HEADERS = (("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no"))


async def stream_count(counts: LiveCounts, request: Request[ContentPath, NoQuery, NoBody]) -> StreamingResponse:
    """Follow one content."""
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
    """One client."""

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
        """Until the client leaves, falls too far behind, or is sent away."""
        follower = Follower(
            encode=live_encoding.to_event,
            put=_never_direct,
            send=self._send_update,
            on_too_slow=self._end,
            on_leave=self._end,
            send_timeout=WRITE_TIMEOUT_SECONDS,
        )
        await self._write(b"retry: %d\n\n" % random.randint(*RETRY_MILLISECONDS))  # noqa: S311
        with suppress(Unavailable):  # the last place was just taken, or this process ends: the client comes back
            await self._follow(follower)

    async def _follow(self, follower: Follower) -> None:
        async with self._live.client(follower):
            await self._live.follow(follower, self._wanted)
            watching = [asyncio.create_task(each) for each in (self._watch_disconnect(), self._watch_credentials())]
            try:
                await self._send_heartbeats()
            finally:
                for each in watching:
                    each.cancel()

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
        """As long as the credential holds, where counts need one; a database that is away says nothing against it."""
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


def _never_direct(_: bytes) -> bool:
    """A stream is written by waiting."""
    return False
