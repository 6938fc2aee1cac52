"""One HTTP connection, and how it is closed without losing a request.

A client may be sending its next request at the moment when a keep-alive connection is closed. So the connection is
checked once more: a request that has arrived is answered. Then our half is closed, and the other half is read for a
moment, so that a request that is still on its way sees the end of the connection instead of a reset; it is not
processed. HTTP/1.1 offers nothing better: the client can repeat the request with its Idempotency-Key.
"""

from __future__ import annotations

import asyncio
import select
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LINGER_SECONDS = 1.0


class HttpConnection(HttpToolsProtocol):
    """uvicorn's connection, closed more carefully."""

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection after it was idle for a while."""
        self._close_if_idle()

    def drain(self) -> None:
        """The server shuts down: make the running request the last one, if its response can still say so."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """The server no longer waits for another request: close the connection, after the running request if any."""
        if self.cycle is None or self.cycle.response_complete:
            self._close_if_idle()
        else:
            self.cycle.keep_alive = False

    def handle_websocket_upgrade(self) -> None:
        """Hand over to `websocket.py`, and release the parser of the handshake, which refers to this object."""
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]

    def _close_if_idle(self) -> None:
        if self.transport.is_closing():
            return
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        if poll.poll(0):  # bytes have arrived that the event loop has not read yet
            return
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        self.parser = None  # type: ignore[assignment]  # as in uvicorn: the parser refers to this object
        HalfClosed(self.transport, self.connections)


class HalfClosed(asyncio.Protocol):
    """A connection whose sending half is closed: reads until the client closes it too, for a second at most."""

    def __init__(self, transport: asyncio.Transport, connections: set[Any]) -> None:
        self._connections = connections
        self._connections.add(self)
        transport.set_protocol(self)
        transport.write_eof()
        self._end = asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.close)

    def shutdown(self) -> None:
        """Do nothing: the connection is being closed already."""

    drain = shutdown

    def connection_lost(self, exc: Exception | None) -> None:
        """Both sides have closed the connection."""
        self._end.cancel()
        self._connections.discard(self)
