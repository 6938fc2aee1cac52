"""A site that has Sharetally under /shares, in the same process.

    sharetally migrate
    uvicorn app:app

Frameworks do not pass their lifespan on to what is mounted, so this one opens and closes it.
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
    """Open what Sharetally needs; at the end let it finish what is in hand."""
    await shares.open()
    try:
        yield
    finally:
        await shares.close()


async def home(_: Request) -> PlainTextResponse:
    """The site's own page."""
    return PlainTextResponse("the site itself")


app = Starlette(routes=[Route("/", home), Mount("/shares", shares)], lifespan=lifespan)
