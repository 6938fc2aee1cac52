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
from sharetally.flow.following import Follower, Update
from sharetally.web.answers import NOSNIFF, Answer
from sharetally.web.bodies import decoded_body
from sharetally.web.live import forms as live_forms
from sharetally.web.live.credentials import Credentials
from sharetally.web.live.origins import check_origin
from sharetally.web.parts import Parts, checked_content
from sharetally.web.problems import problem
from sharetally.web.schemas.live import FollowBody, LiveMessage
from sharetally.web.serving.socket import EXTENSION

PATIENCE = 15.0  # seconds that one write may take
CONTENTS = 1_000  # that one client follows, said in several messages
MESSAGES = 120  # that a client may send
WINDOW = 60.0  # in so many seconds
REFUSED, ENDING, TRY_LATER = 1008, 1012, 1013
_decoder = msgspec.json.Decoder(LiveMessage)


class Direct(Protocol):
    """What our own server offers beside ASGI (see `serving/socket.py`)."""

    def put(self, frame: bytes) -> bool: ...

    def end(self, code: int) -> None: ...


async def live(parts: Parts, scope: Scope, receive: Receive, send: Send, *, request_id: str) -> None:
    """Serve one client, from the handshake to the end."""
    await receive()
    credentials = Credentials(parts, scope)
    try:
        check_origin(scope, allowed=parts.cors_origins, public_url=parts.places.public_url)
        parts.live.check_room()
        await credentials.check()
    except SharetallyError as error:
        return await reject(scope, send, problem(error, root_path=parts.places.root_path, request_id=request_id))
    await send({"type": "websocket.accept"})
    direct: Direct | None = scope.get("extensions", {}).get(EXTENSION)
    await _Session(parts, receive, send, credentials, direct, request_id).run()


async def reject(scope: Scope, send: Send, answer: Answer) -> None:
    """Answer the handshake with an error; where the server cannot, with its own 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        return await send({"type": "websocket.close", "code": 1000})
    headers = [NOSNIFF, *((name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers)]
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})


class _Session:
    """One open connection."""

    def __init__(
        self,
        parts: Parts,
        receive: Receive,
        send: Send,
        credentials: Credentials,
        direct: Direct | None,
        request_id: str,
    ) -> None:
        self._parts = parts
        self._receive = receive
        self._send = send
        self._credentials = credentials
        self._direct = direct
        self._request_id = request_id
        self._main = asyncio.current_task()
        self._ending: asyncio.Task[None] | None = None
        self._window_ends = 0.0
        self._messages = 0
        self._follower = Follower(
            form=live_forms.frame,
            put=_never if direct is None else direct.put,
            send=self._told,
            slow=lambda: self._end(TRY_LATER),
            leave=lambda: self._end(ENDING),
            patience=PATIENCE,
        )

    async def run(self) -> None:
        """Obey, until the client leaves or has to."""
        try:
            async with self._parts.live.client(self._follower):
                while (said := await self._next()) is not None:
                    await self._obey(said)
        except Unavailable:  # the last place was just taken
            self._end(TRY_LATER)
        except asyncio.CancelledError:
            if self._ending is None:
                raise
        if self._ending is not None:
            await self._ending

    # what comes in

    async def _next(self) -> str | bytes | None:
        """What the client says next; None when there is nothing more to hear."""
        while True:
            try:
                async with asyncio.timeout_at(self._credentials.due):
                    message = await self._receive()
            except TimeoutError:
                if await self._welcome():
                    continue
                return None
            if message["type"] != "websocket.receive" or not await self._in_measure():
                return None
            return _content(message)

    async def _welcome(self) -> bool:
        """Whether the credential still holds; a database that is away says nothing against it."""
        try:
            await self._credentials.check()
        except Unavailable:
            await asyncio.sleep(1.0)
        except SharetallyError as error:
            return await self._refused(error)
        return True

    async def _in_measure(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now >= self._window_ends:
            self._window_ends, self._messages = now + WINDOW, 0
        self._messages += 1
        return self._messages <= MESSAGES or await self._refused(
            Forbidden(f"at most {MESSAGES} messages in {WINDOW:.0f} seconds")
        )

    async def _obey(self, said: str | bytes) -> None:
        try:
            await self._done(decoded_body(said if isinstance(said, bytes) else said.encode(), _decoder))
        except Unauthenticated as error:
            await self._refused(error)
        except SharetallyError as error:
            await self._tell(error)

    async def _done(self, message: LiveMessage) -> None:
        if message.token is not UNSET:
            await self._credentials.take(message.token)
        if message.unsubscribe is not UNSET:
            self._unsubscribe(message.unsubscribe)
        if message.subscribe is not UNSET:
            await self._subscribe(message.subscribe)

    def _unsubscribe(self, what: list[FollowBody] | str) -> None:
        if isinstance(what, str):
            self._follower.part(self._parts.live.activity.topic)
        else:
            self._parts.live.unfollow(self._follower, _contents(what, "unsubscribe"))

    async def _subscribe(self, what: list[FollowBody] | str) -> None:
        if isinstance(what, str):
            self._credentials.need("analytics")
            return self._follower.join(self._parts.live.activity.topic)
        self._credentials.need()
        wanted = _contents(what, "subscribe")
        if self._parts.live.would_follow(self._follower, wanted) > CONTENTS:
            raise InvalidRequest(("subscribe", f"at most {CONTENTS:,} contents for one client"))
        await self._parts.live.follow(self._follower, wanted)

    # what goes out

    async def _told(self, update: Update) -> None:
        await self._send({"type": "websocket.send", "text": update.form(live_forms.text)})

    async def _tell(self, error: SharetallyError) -> None:
        answer = problem(error, root_path=self._parts.places.root_path, request_id=self._request_id)
        with suppress(OSError):
            await self._send({"type": "websocket.send", "text": '{"error":' + answer.body.decode() + "}"})

    # the end

    async def _refused(self, error: SharetallyError) -> bool:
        """Say why, and close; False."""
        await self._tell(error)
        self._end(REFUSED)
        return False

    def _end(self, code: int) -> None:
        if self._direct is not None:
            self._direct.end(code)  # and `receive` says that it is over
        elif self._ending is None:
            self._ending = asyncio.create_task(self._close(code))

    async def _close(self, code: int) -> None:
        """Of servers that are not ours: who does not read is not closed but cut off, when this returns."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._send({"type": "websocket.close", "code": code})
        if self._main is not None and asyncio.current_task() is not self._main:
            self._main.cancel()


def _never(_: bytes) -> bool:
    """Of servers that are not ours: what they write has to be waited for."""
    return False


def _content(message: Message) -> str | bytes:
    text = message.get("text")
    return text if text is not None else message.get("bytes") or b""


def _contents(named: Iterable[FollowBody], where: str) -> dict[ContentRef, int]:
    """Content -> the version that is known there, or -1."""
    return {
        checked_content(each.contentType, each.contentId, within=f"{where}[{place}]."): (
            -1 if each.version is None else each.version
        )
        for place, each in enumerate(named)
    }
