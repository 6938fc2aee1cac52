"""One WebSocket connection on uvicorn's protocol, made cheap for ten thousand of them.

Two things are added. `put` writes a frame that was made once for everybody, without a task or a copy for each
client. `end` closes though the client does not read: what does not answer is cut off. What uvicorn would get wrong of
a client that does not read, or is on its way out, is put right. Compression is off: it would cost each client its own
copy of each frame, and hundreds of kilobytes.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

EXTENSION = "sharetally.socket"
CLOSE_SECONDS = 5.0  # for the other side to say goodbye too
SEND_BUFFER_BYTES = 64 * 1024  # in the kernel, for one client
MAX_FRAGMENTS = 1_000  # of one message: empty ones do not count as length
TOO_LONG = 1009


class FrameWriter:
    """Where frames leave for one client: small, for ten thousand are gone through in a row, and caches are too."""

    __slots__ = ("blocked", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.blocked = False  # the client is behind, or on its way out

    def put(self, frame: bytes) -> bool:
        """Write a whole frame, unless the client is behind or leaving."""
        if self.blocked or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True


class WebSocketConnection(WebSocketsSansIOProtocol):
    """uvicorn's; the application finds it in the scope's extensions."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over; what a client does not read must not pile up in the kernel."""
        super().connection_made(transport)
        self.close_timeout = CLOSE_SECONDS
        self._writer = FrameWriter(cast(asyncio.Transport, transport))
        self.put = self._writer.put
        self._pong = b""  # that could not be written yet
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def handle_connect(self, event: Request) -> None:
        """The handshake; the application's task starts after this."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            cast("dict[str, object]", self.scope["extensions"])[EXTENSION] = self

    def pause_writing(self) -> None:
        """The client is behind."""
        super().pause_writing()
        self._writer.blocked = True

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        self._writer.blocked = self.close_sent
        if self._pong and not self.close_sent and not self.transport.is_closing():
            self.transport.write(self._pong)
        self._pong = b""

    def handle_ping(self) -> None:
        """Answer; who is behind is answered later, and its last ping alone (RFC 6455, 5.5.3)."""
        closing = self.conn.close_rcvd is not None and not self.close_sent  # and our goodbye stands behind
        if closing or not self._writer.blocked:
            super().handle_ping()
        elif responses := self.conn.data_to_send():
            self._pong = responses[-1]

    def handle_cont(self, event: Frame) -> None:
        """Keep the piece; of a message in endless pieces no end is awaited."""
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.transport.is_closing():
            self.conn.fail(TOO_LONG, "too many fragments")
            self.handle_parser_exception()

    async def send(self, message: ASGISendEvent) -> None:
        """Write, when the client takes it; an `OSError` once we said goodbye, as if it were gone."""
        await self.writable.wait()
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # by a refusal; uvicorn would log an error of ours for each

    def shutdown(self) -> None:
        """The server has waited long enough: who takes nothing, not even a goodbye, is cut off."""
        if not self.handshake_complete:
            return super().shutdown()
        self.end(1012)
        if self.close_timer is None and not self.disconnected:
            self._abort_later()

    def end(self, code: int) -> None:
        """Close with this code, whether the client reads or not; repeating is fine."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.close_sent = self._writer.blocked = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._abort_later()

    def _abort_later(self) -> None:
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def drain(self) -> None:
        """The application sends its clients away itself."""
