"""`/live`: a WebSocket on which a client follows up to 1,000 content items: their counts now, and every change.

Clients send JSON with any of the fields `token`, `unsubscribe` and `subscribe`; see docs/reference/live.md. An error is
answered with `{"error": problem}` and the connection stays open, unless the client is not allowed to use it. Close
codes: 1008 not allowed, 1009 message too long, 1012 this process ends, 1013 client too slow, or too many clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

import msgspec
from msgspec import UNSET
from starlette.types import Receive, Scope, Send

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Forbidden, InvalidRequest, NotFound, SharetallyError, Unauthenticated, Unavailable
from sharetally.flow.live import Live
from sharetally.flow.subscriptions import Follower, Update
from sharetally.web.decoding import decode_body
from sharetally.web.live import encoding as live_encoding
from sharetally.web.live.credentials import LiveCounts, LiveCredentials
from sharetally.web.live.origins import check_origin
from sharetally.web.live.schemas import FollowBody, LiveMessage
from sharetally.web.parameters import validated_content
from sharetally.web.problems import problem
from sharetally.web.responses import NOSNIFF
from sharetally.web.serving.websocket import EXTENSION

WRITE_TIMEOUT_SECONDS = 15.0  # for one write
MAX_FOLLOWED = 1_000  # content items for one client, in one or several messages
MAX_MESSAGES = 120  # from one client
WINDOW_SECONDS = 60.0  # within this time
REFUSED, ENDING, TRY_LATER = 1008, 1012, 1013
_decoder = msgspec.json.Decoder(LiveMessage)


class DirectWriter(Protocol):
    """What our own server offers in addition to ASGI; see `serving/websocket.py`."""

    def put(self, frame: bytes) -> bool: ...

    def end(self, code: int) -> None: ...


async def serve_live(
    counts: LiveCounts, scope: Scope, receive: Receive, send: Send, *, exists: bool, root_path: str, request_id: str
) -> None:
    """Serve one client, from the handshake to the end; `exists` is false for any path but the one of live counts."""
    await receive()
    credentials = LiveCredentials(counts, scope)
    try:
        if not exists:
            raise NotFound("no such path")
        check_origin(scope, allowed=counts.cors_origins, public_url=counts.public_url)
        counts.live.check_room()
        await credentials.check()
    except SharetallyError as error:
        if "websocket.http.response" not in scope.get("extensions", {}):
            return await send({"type": "websocket.close", "code": 1000})  # a server without them answers 403 itself
        refusal = problem(error, root_path=root_path, request_id=request_id)
        headers = [NOSNIFF, *((name.encode("latin-1"), value.encode("latin-1")) for name, value in refusal.headers)]
        await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
        return await send({"type": "websocket.http.response.body", "body": refusal.body})
    await send({"type": "websocket.accept"})
    direct: DirectWriter | None = scope.get("extensions", {}).get(EXTENSION)
    await _Session(counts.live, receive, send, credentials, direct, root_path=root_path, request_id=request_id).run()


class _Session:
    """One open connection."""

    def __init__(
        self,
        live: Live,
        receive: Receive,
        send: Send,
        credentials: LiveCredentials,
        direct: DirectWriter | None,
        *,
        root_path: str,
        request_id: str,
    ) -> None:
        self._live = live
        self._receive = receive
        self._send = send
        self._credentials = credentials
        self._direct = direct
        self._root_path = root_path
        self._request_id = request_id
        self._main_task = asyncio.current_task()
        self._closing: asyncio.Task[None] | None = None
        self._window_ends = 0.0
        self._messages = 0
        self._follower = Follower(
            encode=live_encoding.to_frame,
            put=(lambda _: False) if direct is None else direct.put,  # other servers can only be written by awaiting
            send=self._send_update,
            on_too_slow=lambda: self._end(TRY_LATER),
            on_leave=lambda: self._end(ENDING),
            send_timeout=WRITE_TIMEOUT_SECONDS,
        )

    async def run(self) -> None:
        """Process messages until the client leaves or is disconnected."""
        try:
            async with self._live.client(self._follower):
                while (message_data := await self._receive_message()) is not None:
                    try:
                        encoded = message_data if isinstance(message_data, bytes) else message_data.encode()
                        message = decode_body(encoded, _decoder)
                        if message.token is not UNSET:
                            await self._credentials.use_token(message.token)
                        if message.unsubscribe is not UNSET:
                            if isinstance(message.unsubscribe, str):
                                self._follower.unsubscribe(self._live.activity.topic)
                            else:
                                self._live.unfollow(
                                    self._follower, _followed_versions(message.unsubscribe, "unsubscribe")
                                )
                        if message.subscribe is not UNSET:
                            await self._subscribe(message.subscribe)
                    except Unauthenticated as error:
                        await self._refuse(error)
                    except SharetallyError as error:
                        await self._send_error(error)
        except Unavailable:  # there is no room for another client
            self._end(TRY_LATER)
        except asyncio.CancelledError:
            if self._closing is None:
                raise
        if self._closing is not None:
            await self._closing

    # messages from the client

    async def _receive_message(self) -> str | bytes | None:
        """The next message of the client; None if the connection has ended.

        In between, the credential is checked again and again; an unreachable database does not invalidate it.
        """
        while True:
            try:
                async with asyncio.timeout_at(self._credentials.check_at):
                    message = await self._receive()
                break
            except TimeoutError:
                try:
                    await self._credentials.check()
                except Unavailable:
                    await asyncio.sleep(1.0)
                except SharetallyError as error:
                    await self._refuse(error)
                    return None
        if message["type"] != "websocket.receive":
            return None
        now = asyncio.get_running_loop().time()
        if now >= self._window_ends:
            self._window_ends, self._messages = now + WINDOW_SECONDS, 0
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            await self._refuse(Forbidden(f"at most {MAX_MESSAGES} messages in {WINDOW_SECONDS:.0f} seconds"))
            return None
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def _subscribe(self, target: list[FollowBody] | str) -> None:
        if isinstance(target, str):
            self._credentials.require("analytics")
            return self._follower.subscribe(self._live.activity.topic)
        self._credentials.require()
        wanted = _followed_versions(target, "subscribe")
        if self._live.followed_with(self._follower, wanted) > MAX_FOLLOWED:
            raise InvalidRequest(("subscribe", f"at most {MAX_FOLLOWED:,} content items for one client"))
        await self._live.follow(self._follower, wanted)

    # messages to the client

    async def _send_update(self, update: Update) -> None:
        await self._send({"type": "websocket.send", "text": update.encoded(live_encoding.to_text)})

    async def _send_error(self, error: SharetallyError) -> None:
        response = problem(error, root_path=self._root_path, request_id=self._request_id)
        with suppress(OSError):
            await self._send({"type": "websocket.send", "text": '{"error":' + response.body.decode() + "}"})

    # closing

    async def _refuse(self, error: SharetallyError) -> None:
        """Send the error and close the connection."""
        await self._send_error(error)
        self._end(REFUSED)

    def _end(self, code: int) -> None:
        if self._direct is not None:
            self._direct.end(code)  # `receive` then reports the disconnect
        elif self._closing is None:
            self._closing = asyncio.create_task(self._close(code))

    async def _close(self, code: int) -> None:
        """Close on another server than ours; a client that does not read is cut off after a second."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._send({"type": "websocket.close", "code": code})
        if self._main_task is not None and asyncio.current_task() is not self._main_task:
            self._main_task.cancel()


def _followed_versions(named: Iterable[FollowBody], where: str) -> dict[ContentRef, int]:
    """Content item -> the version that the client already knows, or -1."""
    return {
        validated_content(each.contentType, each.contentId, within=f"{where}[{index}]."): (
            -1 if each.version is None else each.version
        )
        for index, each in enumerate(named)
    }
