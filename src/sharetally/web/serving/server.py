"""The HTTP server, and how it ends without losing a request.

    close the door -> let in who already stands before it -> last call: every answer says `Connection: close`,
    live clients are sent away -> part from the idle -> wait for what is in hand -> the application's own end

Closing a listening socket resets what the kernel has accepted and we have not, requests and all; so the door is
emptied first. Clients that are told to close open their next connection elsewhere; those that send nothing until
the last call is over are idle.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import uvicorn

from sharetally.web.serving.connection import HttpConnection
from sharetally.web.serving.garbage_collection import tune_garbage_collector

DRAIN_SECONDS = 2.0
UNREAD_SECONDS = 30
_CLOSE = (b"connection", b"close")


class Server(uvicorn.Server):
    """uvicorn's, over `HttpConnection`; says when it listens."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell."""
        await super().startup(sockets)
        self._set_user_timeout()
        tune_garbage_collector()
        if self._on_listening is not None and not self.should_exit:
            self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer everything that was sent to us, then end."""
        self.server_state.default_headers.append(_CLOSE)  # in place: requests of this second hold this list
        for connection in self._connections():
            connection.drain()
        self._disconnect_live_clients()
        await self._stop_listening(sockets or ())
        await self._wait_for_drain()
        await super().shutdown(sockets)

    def _set_user_timeout(self) -> None:
        """The kernel cuts off who takes nothing for so long; connections have it from the socket they came by."""
        if not hasattr(socket, "TCP_USER_TIMEOUT"):
            return
        for each in [each for server in self.servers for each in server.sockets]:
            with socket.socket(fileno=os.dup(each.fileno())) as listener:
                if listener.family in (socket.AF_INET, socket.AF_INET6):
                    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)

    def _disconnect_live_clients(self) -> None:
        """Those who only listen are not idle, and only it can tell them to come again elsewhere."""
        disconnect = getattr(self.config.loaded_app, "disconnect_live_clients", None)
        if disconnect is not None:
            disconnect()

    def _connections(self) -> list[HttpConnection]:
        return cast(list[HttpConnection], list(self.server_state.connections))

    async def _stop_listening(self, sockets: Sequence[socket.socket]) -> None:
        listeners = [socket.socket(fileno=os.dup(each.fileno())) for server in self.servers for each in server.sockets]
        for server in self.servers:
            server.close()
        for each in sockets:
            each.close()
        loop = asyncio.get_running_loop()
        for accepted in [each for listener in listeners for each in _accept_waiting(listener)]:
            with suppress(OSError):  # gone meanwhile
                await loop.connect_accepted_socket(self._new_protocol, accepted)

    def _new_protocol(self) -> asyncio.Protocol:
        protocol_class: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def _wait_for_drain(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while self.server_state.connections and not self.force_exit:  # noqa: ASYNC110, it tells nobody
                    await asyncio.sleep(0.02)


def _accept_waiting(listener: socket.socket) -> list[socket.socket]:
    """Everybody who stands before the door, which is closed behind them."""
    accepted = []
    with listener, suppress(BlockingIOError):
        listener.setblocking(False)
        while True:
            accepted.append(listener.accept()[0])
    return accepted
