"""One HTTP connection, and how it ends without losing a request.

A keep-alive connection is closed while its client may just be sending the next request. So before it ends it is
looked at once more: what has arrived is read and answered. Then our half is closed and the other half heard out,
so that a request that crosses our end on its way reads an end instead of a reset; it is not carried out. HTTP/1.1
has no better: the rest is for the client to try again, with its Idempotency-Key.
"""

from __future__ import annotations

import asyncio
import select
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LINGER_SECONDS = 1.0


class HttpConnection(HttpToolsProtocol):
    """uvicorn's, with a gentler end."""

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for a while."""
        self._close_if_idle()

    def drain(self) -> None:
        """The server is ending: the request in hand is the last, if its answer can still say so."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """The server has waited long enough for another request."""
        if self.cycle is None or self.cycle.response_complete:
            self._close_if_idle()
        else:
            self.cycle.keep_alive = False

    def handle_websocket_upgrade(self) -> None:
        """Hand over to `socket.py`; what read the handshake is not needed any more, and holds on to us."""
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]

    def _close_if_idle(self) -> None:
        if self.transport.is_closing() or _has_unread_bytes(self.transport):
            return
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        self.parser = None  # type: ignore[assignment]  # as uvicorn itself does: it holds on to us
        HalfClosed(self.transport, self.connections)


def _has_unread_bytes(transport: asyncio.Transport) -> bool:
    """Whether something arrived that the loop has not come to yet."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


class HalfClosed(asyncio.Protocol):
    """The rest of a connection on which we have said our last: hears the other side out, for a second at most."""

    def __init__(self, transport: asyncio.Transport, connections: set[Any]) -> None:
        self._connections = connections
        self._connections.add(self)
        transport.set_protocol(self)
        transport.write_eof()
        self._end = asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.close)

    def shutdown(self) -> None:
        """It is ending already."""

    drain = shutdown

    def connection_lost(self, exc: Exception | None) -> None:
        """Both sides are done."""
        self._end.cancel()
        self._connections.discard(self)
