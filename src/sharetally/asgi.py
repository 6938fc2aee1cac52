"""The ASGI application: mounted under another application, or served by itself.

    from sharetally.asgi import create_app
    app.mount("/shares", create_app())

It opens its connections when the lifespan starts, or at the first request if the host application passes no lifespan
on, and closes them when the lifespan ends.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sharetally.adapters.logs import configure, configure_within_host
from sharetally.settings import Settings, check_roles, ensure_secret, load
from sharetally.wiring import Core, start_embedded_workers
from sharetally.wiring_http import http_app

METRICS_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def create_app(settings: Settings | None = None) -> Sharetally:
    """Create the application, from these settings or the environment; `ConfigurationError` if they are invalid.

    Log lines go to the loggers `sharetally.…` of the standard library, whose handlers belong to the host application.
    """
    configure_within_host()
    if settings is None:
        settings = load(os.environ, cwd=Path.cwd())
    check_roles(settings, processes=1, role="serve")
    return Sharetally(ensure_secret(settings))


def create_served_app() -> Sharetally:
    """Create the application of one of several `sharetally serve` processes, where the logs are ours to configure."""
    settings = load(os.environ, cwd=Path.cwd())
    configure(settings.log_level, settings.log_format)
    return create_app(settings)


class Sharetally:
    """The ASGI application: lifespan, HTTP, and the WebSocket of live counts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._open_lock = asyncio.Lock()
        self._app: ASGIApp | None = None
        self._core: Core | None = None

    @property
    def broken(self) -> bool:
        """Whether a background task has ended with an error."""
        return self._core is not None and self._core.broken

    def disconnect_live_clients(self) -> None:
        """Disconnect live clients when the server shuts down, because they would never leave by themselves."""
        if self._core is not None:
            self._core.live.disconnect_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one lifespan, request or WebSocket; opens the application first if no lifespan did."""
        if scope["type"] == "lifespan":
            return await self._run_lifespan(receive, send)
        app = self._app or await self.open()
        await app(scope, receive, send)

    async def open(self) -> ASGIApp:
        """Connect and start; a repeated call does nothing."""
        async with self._open_lock:
            if self._app is None:
                try:
                    directory = os.environ.get(METRICS_DIRECTORY_VARIABLE)
                    core = Core(self._settings, role="serve", metrics=Path(directory) if directory else None)
                    self._core = await self._stack.enter_async_context(core)
                    app = http_app(core)
                    self._stack.push_async_callback(start_embedded_workers(core))
                    self._app = app
                except BaseException:
                    await self._stack.aclose()  # so that the next request starts from nothing
                    raise
            return self._app

    async def close(self) -> None:
        """Finish running work and close all connections."""
        self._app = None
        await self._stack.aclose()

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.open()
        except Exception as error:
            startup_failed: Message = {"type": "lifespan.startup.failed", "message": str(error)}
            return await send(startup_failed)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})
