"""One WebSocket connection, based on uvicorn's protocol, and cheap enough to have ten thousand of them.

It adds two methods. `put` writes a frame that was encoded once for all clients, without a task or a copy per client.
`end` closes the connection even if the client does not read, and cuts it off if it does not answer. uvicorn's behaviour
towards clients that do not read or are about to leave is corrected. Compression is off, because it would need a copy of
each frame and hundreds of kilobytes per client.
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
CLOSE_SECONDS = 5.0  # for the client to answer our close frame
SEND_BUFFER_BYTES = 64 * 1024  # of the kernel, for one client
MAX_FRAGMENTS = 1_000  # of one message; empty fragments are not limited by its length
TOO_LONG = 1009


class FrameWriter:
    """Writes frames to one client; kept small, so that a loop over ten thousand of them fits the processor's cache."""

    __slots__ = ("blocked", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.blocked = False  # the client does not read fast enough, or is leaving

    def put(self, frame: bytes) -> bool:
        """Write a complete frame; False, and nothing is written, if the client is too slow or leaving."""
        if self.blocked or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True


class WebSocketConnection(WebSocketsSansIOProtocol):
    """uvicorn's connection with `put` and `end`; the application finds it in the extensions of the scope."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the connection; limits what the kernel buffers for a client that does not read."""
        super().connection_made(transport)
        self.close_timeout = CLOSE_SECONDS
        self._writer = FrameWriter(cast(asyncio.Transport, transport))
        self.put = self._writer.put
        self._pong = b""  # a pong that could not be written yet
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def handle_connect(self, event: Request) -> None:
        """Process the handshake; the application's task starts afterwards."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            cast("dict[str, object]", self.scope["extensions"])[EXTENSION] = self

    def pause_writing(self) -> None:
        """The client does not read fast enough."""
        super().pause_writing()
        self._writer.blocked = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        self._writer.blocked = self.close_sent
        if self._pong and not self.close_sent and not self.transport.is_closing():
            self.transport.write(self._pong)
        self._pong = b""

    def handle_ping(self) -> None:
        """Answer a ping; a slow client is answered later, and only its last ping (RFC 6455, 5.5.3)."""
        closing = self.conn.close_rcvd is not None and not self.close_sent  # our close frame comes next
        if closing or not self._writer.blocked:
            super().handle_ping()
        elif responses := self.conn.data_to_send():
            self._pong = responses[-1]

    def handle_cont(self, event: Frame) -> None:
        """Store a fragment; close the connection if a message has too many fragments."""
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.transport.is_closing():
            self.conn.fail(TOO_LONG, "too many fragments")
            self.handle_parser_exception()

    async def send(self, message: ASGISendEvent) -> None:
        """Write when the client can take it; after our close frame raises an `OSError`, as if the client had left."""
        await self.writable.wait()
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # rejected on purpose; uvicorn would log an error for each

    def shutdown(self) -> None:
        """The server no longer waits: close, and cut off a client that does not even read the close frame."""
        if not self.handshake_complete:
            return super().shutdown()
        self.end(1012)
        if self.close_timer is None and not self.disconnected:
            self._abort_later()

    def end(self, code: int) -> None:
        """Close with this code, whether the client reads or not; a repeated call does nothing."""
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
        """Do nothing: the application disconnects its live clients itself."""
