"""A site that runs Sharetally below /shares, in the same process.

    sharetally migrate
    uvicorn app:app

Frameworks do not pass their lifespan on to mounted applications, so this site opens and closes Sharetally itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from sharetally.asgi import create_app

shares = create_app()


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Open Sharetally's connections, and at the end let it finish its work."""
    await shares.open()
    try:
        yield
    finally:
        await shares.close()


async def home(_: Request) -> PlainTextResponse:
    """The site's own page."""
    return PlainTextResponse("the site itself")


app = Starlette(routes=[Route("/", home), Mount("/shares", shares)], lifespan=lifespan)
