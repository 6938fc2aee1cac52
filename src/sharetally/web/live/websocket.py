"""`/live`: one WebSocket, up to 1,000 contents, each told as it stands and then as it moves.

What a client says is JSON: `token`, `unsubscribe`, `subscribe`, in any message, as often as it likes; see
docs/reference/live.md. What cannot be done is answered by `{"error": problem}`, and the connection stays, unless
nothing can come of it. Close codes: 1008 refused, 1009 too long, 1012 this process ends, 1013 too slow or too many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

import msgspec
from msgspec import UNSET
from starlette.types import Message, Receive, Scope, Send

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Forbidden, InvalidRequest, SharetallyError, Unauthenticated, Unavailable
from sharetally.flow.live import Live
from sharetally.flow.subscriptions import Follower, Update
from sharetally.web.decoding import decode_body
from sharetally.web.live import encoding as live_encoding
from sharetally.web.live.credentials import LiveCounts, LiveCredentials
from sharetally.web.live.origins import check_origin
from sharetally.web.live.schemas import FollowBody, LiveMessage
from sharetally.web.parameters import validated_content
from sharetally.web.problems import problem
from sharetally.web.responses import NOSNIFF, Response
from sharetally.web.serving.websocket import EXTENSION

WRITE_TIMEOUT_SECONDS = 15.0  # seconds that one write may take
MAX_FOLLOWED = 1_000  # that one client follows, said in several messages
MAX_MESSAGES = 120  # that a client may send
WINDOW_SECONDS = 60.0  # in so many seconds
REFUSED, ENDING, TRY_LATER = 1008, 1012, 1013
_decoder = msgspec.json.Decoder(LiveMessage)


class DirectWriter(Protocol):
    """What our own server offers beside ASGI (see `serving/socket.py`)."""

    def put(self, frame: bytes) -> bool: ...

    def end(self, code: int) -> None: ...


async def serve_live(
    counts: LiveCounts, scope: Scope, receive: Receive, send: Send, *, root_path: str, request_id: str
) -> None:
    """Serve one client, from the handshake to the end."""
    await receive()
    credentials = LiveCredentials(counts, scope)
    try:
        check_origin(scope, allowed=counts.cors_origins, public_url=counts.public_url)
        counts.live.check_room()
        await credentials.check()
    except SharetallyError as error:
        return await reject_handshake(scope, send, problem(error, root_path=root_path, request_id=request_id))
    await send({"type": "websocket.accept"})
    direct: DirectWriter | None = scope.get("extensions", {}).get(EXTENSION)
    await _Session(counts.live, receive, send, credentials, direct, root_path=root_path, request_id=request_id).run()


async def reject_handshake(scope: Scope, send: Send, response: Response) -> None:
    """Answer the handshake with an error; where the server cannot, with its own 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        return await send({"type": "websocket.close", "code": 1000})
    headers = [NOSNIFF, *((name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers)]
    await send({"type": "websocket.http.response.start", "status": response.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": response.body})


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
            put=_never_direct if direct is None else direct.put,
            send=self._send_update,
            on_too_slow=lambda: self._end(TRY_LATER),
            on_leave=lambda: self._end(ENDING),
            send_timeout=WRITE_TIMEOUT_SECONDS,
        )

    async def run(self) -> None:
        """Obey, until the client leaves or has to."""
        try:
            async with self._live.client(self._follower):
                while (message_data := await self._receive_message()) is not None:
                    await self._process(message_data)
        except Unavailable:  # the last place was just taken
            self._end(TRY_LATER)
        except asyncio.CancelledError:
            if self._closing is None:
                raise
        if self._closing is not None:
            await self._closing

    # what comes in

    async def _receive_message(self) -> str | bytes | None:
        """What the client says next; None when there is nothing more to hear."""
        while True:
            try:
                async with asyncio.timeout_at(self._credentials.check_at):
                    message = await self._receive()
            except TimeoutError:
                if await self._still_authorized():
                    continue
                return None
            if message["type"] != "websocket.receive" or not await self._within_rate():
                return None
            return _payload(message)

    async def _still_authorized(self) -> bool:
        """Whether the credential still holds; a database that is away says nothing against it."""
        try:
            await self._credentials.check()
        except Unavailable:
            await asyncio.sleep(1.0)
        except SharetallyError as error:
            return await self._refuse(error)
        return True

    async def _within_rate(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now >= self._window_ends:
            self._window_ends, self._messages = now + WINDOW_SECONDS, 0
        self._messages += 1
        return self._messages <= MAX_MESSAGES or await self._refuse(
            Forbidden(f"at most {MAX_MESSAGES} messages in {WINDOW_SECONDS:.0f} seconds")
        )

    async def _process(self, message_data: str | bytes) -> None:
        try:
            await self._apply(
                decode_body(message_data if isinstance(message_data, bytes) else message_data.encode(), _decoder)
            )
        except Unauthenticated as error:
            await self._refuse(error)
        except SharetallyError as error:
            await self._send_error(error)

    async def _apply(self, message: LiveMessage) -> None:
        if message.token is not UNSET:
            await self._credentials.use_token(message.token)
        if message.unsubscribe is not UNSET:
            self._unsubscribe(message.unsubscribe)
        if message.subscribe is not UNSET:
            await self._subscribe(message.subscribe)

    def _unsubscribe(self, what: list[FollowBody] | str) -> None:
        if isinstance(what, str):
            self._follower.unsubscribe(self._live.activity.topic)
        else:
            self._live.unfollow(self._follower, _followed_versions(what, "unsubscribe"))

    async def _subscribe(self, what: list[FollowBody] | str) -> None:
        if isinstance(what, str):
            self._credentials.require("analytics")
            return self._follower.subscribe(self._live.activity.topic)
        self._credentials.require()
        wanted = _followed_versions(what, "subscribe")
        if self._live.followed_with(self._follower, wanted) > MAX_FOLLOWED:
            raise InvalidRequest(("subscribe", f"at most {MAX_FOLLOWED:,} contents for one client"))
        await self._live.follow(self._follower, wanted)

    # what goes out

    async def _send_update(self, update: Update) -> None:
        await self._send({"type": "websocket.send", "text": update.encoded(live_encoding.to_text)})

    async def _send_error(self, error: SharetallyError) -> None:
        response = problem(error, root_path=self._root_path, request_id=self._request_id)
        with suppress(OSError):
            await self._send({"type": "websocket.send", "text": '{"error":' + response.body.decode() + "}"})

    # the end

    async def _refuse(self, error: SharetallyError) -> bool:
        """Say why, and close; False."""
        await self._send_error(error)
        self._end(REFUSED)
        return False

    def _end(self, code: int) -> None:
        if self._direct is not None:
            self._direct.end(code)  # and `receive` says that it is over
        elif self._closing is None:
            self._closing = asyncio.create_task(self._close(code))

    async def _close(self, code: int) -> None:
        """Of servers that are not ours: who does not read is not closed but cut off, when this returns."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._send({"type": "websocket.close", "code": code})
        if self._main_task is not None and asyncio.current_task() is not self._main_task:
            self._main_task.cancel()


def _never_direct(_: bytes) -> bool:
    """Of servers that are not ours: what they write has to be waited for."""
    return False


def _payload(message: Message) -> str | bytes:
    text = message.get("text")
    return text if text is not None else message.get("bytes") or b""


def _followed_versions(named: Iterable[FollowBody], where: str) -> dict[ContentRef, int]:
    """Content -> the version that is known there, or -1."""
    return {
        validated_content(each.contentType, each.contentId, within=f"{where}[{index}]."): (
            -1 if each.version is None else each.version
        )
        for index, each in enumerate(named)
    }
