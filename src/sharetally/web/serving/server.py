"""The HTTP server, and how it shuts down without losing a request.

    send `Connection: close` with every response, and disconnect live clients -> close the listening socket, and accept
    the connections that wait in it -> wait for more requests for two seconds -> close idle connections, and wait for
    the running requests -> shut down the application

Closing a listening socket resets the connections that the kernel has accepted and we have not, with their requests, so
these are accepted first. Clients that get `Connection: close` open their next connection to another process.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import uvicorn

from sharetally.web.serving.connection import HttpConnection
from sharetally.web.serving.garbage_collection import tune_garbage_collector

DRAIN_SECONDS = 2.0
UNREAD_SECONDS = 30
_CLOSE = (b"connection", b"close")


class Server(uvicorn.Server):
    """uvicorn's server with `HttpConnection`; calls `on_listening` when it listens."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then call `on_listening`."""
        await super().startup(sockets)
        self._set_user_timeout()
        tune_garbage_collector()
        if self._on_listening is not None and not self.should_exit:
            self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer all requests that were sent to us, then shut down."""
        self.server_state.default_headers.append(
            _CLOSE
        )  # changed in place, because running requests already refer to this list
        for connection in cast(list[HttpConnection], list(self.server_state.connections)):
            connection.drain()
        # live clients are never idle, and only the application can ask them to reconnect elsewhere
        disconnect = getattr(self.config.loaded_app, "disconnect_live_clients", None)
        if disconnect is not None:
            disconnect()
        await self._stop_listening(sockets or ())
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while self.server_state.connections and not self.force_exit:  # noqa: ASYNC110, there is no event for it
                    await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    def _set_user_timeout(self) -> None:
        """Let the kernel cut off clients that do not read; connections inherit this from the listening socket."""
        if not hasattr(socket, "TCP_USER_TIMEOUT"):
            return
        for each in [each for server in self.servers for each in server.sockets]:
            with socket.socket(fileno=os.dup(each.fileno())) as listener:
                if listener.family in (socket.AF_INET, socket.AF_INET6):
                    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)

    async def _stop_listening(self, sockets: Sequence[socket.socket]) -> None:
        listeners = [socket.socket(fileno=os.dup(each.fileno())) for server in self.servers for each in server.sockets]
        for server in self.servers:
            server.close()
        for each in sockets:
            each.close()
        loop, protocol_class = asyncio.get_running_loop(), cast(Any, self.config.http_protocol_class)
        new_protocol = partial(
            protocol_class, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        for accepted in [each for listener in listeners for each in _accept_waiting(listener)]:
            with suppress(OSError):  # the client has left in the meantime
                await loop.connect_accepted_socket(new_protocol, accepted)


def _accept_waiting(listener: socket.socket) -> list[socket.socket]:
    """Accept all connections that wait in the socket, then close it."""
    accepted = []
    with listener, suppress(BlockingIOError):
        listener.setblocking(False)
        while True:
            accepted.append(listener.accept()[0])
    return accepted
