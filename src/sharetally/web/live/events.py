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
from sharetally.domain.errors import Refused, SharetallyError, Unavailable
from sharetally.flow.following import Follower, Update
from sharetally.web.answers import Streamed, Write
from sharetally.web.endpoint import Asked
from sharetally.web.live import credentials as live_credentials
from sharetally.web.live import forms as live_forms
from sharetally.web.live.credentials import Credentials
from sharetally.web.live.origins import check_origin
from sharetally.web.parts import Parts, content_of

BEAT = 20.0  # seconds
RETRY = (1000, 4000)  # milliseconds
PATIENCE = 15.0  # seconds that one write may take
_HEADERS = (("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no"))


async def events(parts: Parts, asked: Asked) -> Streamed:
    """Follow one content."""
    check_origin(asked.scope, allowed=parts.cors_origins, public_url=parts.places.public_url)
    content = content_of(asked)
    parts.live.check_room()
    await parts.live.know([content])  # what cannot be had is said while there still is a status to say it with
    told = asked.headers.get("last-event-id", "")
    known = int(told) if told.isascii() and told.isdecimal() and len(told) < 20 else -1

    credentials = None if parts.public_counts else Credentials(parts, asked.scope)

    async def write(receive: Receive, send: Write) -> None:
        await _Stream(parts, content, known, receive, send, credentials).run()

    return Streamed(status=200, headers=_HEADERS, write=write)


class _Stream:
    """One client."""

    def __init__(
        self,
        parts: Parts,
        content: ContentRef,
        known: int,
        receive: Receive,
        send: Write,
        credentials: Credentials | None,
    ) -> None:
        self._live = parts.live
        self._wanted = {content: known}
        self._receive = receive
        self._send = send
        self._credentials = credentials
        self._turn = asyncio.Lock()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Until the client leaves, falls too far behind, or is sent away."""
        follower = Follower(
            form=live_forms.event, put=_later, send=self._told, slow=self._end, leave=self._end, patience=PATIENCE
        )
        await self._write(b"retry: %d\n\n" % random.randint(*RETRY))  # noqa: S311
        with suppress(Unavailable):  # the last place was just taken, or this process ends: the client comes back
            await self._follow(follower)

    async def _follow(self, follower: Follower) -> None:
        async with self._live.client(follower):
            await self._live.follow(follower, self._wanted)
            watching = [asyncio.create_task(each) for each in (self._until_gone(), self._until_refused())]
            try:
                await self._beat()
            finally:
                for each in watching:
                    each.cancel()

    async def _beat(self) -> None:
        while not self._ended.is_set():
            try:
                async with asyncio.timeout(BEAT):
                    await self._ended.wait()
            except TimeoutError:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        await self._write(b":\n\n")

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end()

    async def _until_refused(self) -> None:
        """As long as the credential holds, where counts need one; a database that is away says nothing against it."""
        while self._credentials is not None:
            try:
                await self._credentials.check()
            except Refused:
                return self._end()
            except SharetallyError:
                pass
            await asyncio.sleep(live_credentials.CHECK_SECONDS)

    async def _told(self, update: Update) -> None:
        await self._write(update.form(live_forms.event))

    async def _write(self, text: bytes) -> None:
        async with self._turn:
            await self._send(text)

    def _end(self) -> None:
        self._ended.set()


def _later(_: bytes) -> bool:
    """A stream is written by waiting."""
    return False
