"""The routes, and what lives as long as the process: the pool and the connection to RabbitMQ."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import aio_pika
import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from bench.control import sharing
from bench.control.events import Events, declare_exchange
from bench.control.schemas import CountResponse, LinkRequest, LinkResponse, ShareRequest, ShareResponse
from bench.control.settings import PLATFORMS, Settings, from_environment

bearer = HTTPBearer()


def user_of(request: Request, sent: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> str:
    """The caller, by the token's signature."""
    settings: Settings = request.app.state.settings
    try:
        claims = jwt.decode(sent.credentials, settings.jwt_secret, algorithms=["HS256"], options={"require": ["sub"]})
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "invalid token") from error
    return str(claims["sub"])


def sessions_of(request: Request) -> sharing.Sessions:
    """The database pool."""
    found: sharing.Sessions = request.app.state.sessions
    return found


def events_of(request: Request) -> Events:
    """The connection to the queue."""
    found: Events = request.app.state.events
    return found


User = Annotated[str, Depends(user_of)]
Sessions = Annotated[sharing.Sessions, Depends(sessions_of)]
Sink = Annotated[Events, Depends(events_of)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect at the start and disconnect at the end."""
    settings = app.state.settings = from_environment()
    engine = create_async_engine(settings.database_url, pool_size=settings.pool, max_overflow=0)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    connection = await aio_pika.connect_robust(settings.amqp_url)
    channel = await connection.channel(publisher_confirms=True)
    await declare_exchange(channel)
    app.state.events = Events(channel.default_exchange)
    yield
    await connection.close()
    await engine.dispose()


def create_app() -> FastAPI:
    """The application, for uvicorn."""
    app = FastAPI(lifespan=lifespan)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/videos/{video_id}/share")
    async def share(video_id: str, body: ShareRequest, user: User, sessions: Sessions, events: Sink) -> ShareResponse:
        platforms = list(dict.fromkeys(name.strip().lower() for name in body.platforms or PLATFORMS))
        unsupported = [name for name in platforms if name not in PLATFORMS]
        if unsupported:
            raise HTTPException(400, {"unsupported": unsupported})
        results = await sharing.share(sessions, events, video_id, user, platforms)
        return ShareResponse(video_id=video_id, results=results)

    @app.post("/share-links", status_code=201)
    async def create_link(body: LinkRequest, user: User, sessions: Sessions, events: Sink) -> LinkResponse:
        link = await sharing.create_link(sessions, events, user, body)
        return LinkResponse(
            id=link.id,
            code=link.code,
            contentType=link.content_type,
            contentId=link.content_id,
            userId=link.user_id,
            channelId=link.channel_id,
            campaignId=link.campaign_id,
            url=link.url,
            createdAt=link.created_at,
        )

    @app.get("/s/{code}")
    async def follow(code: str, sessions: Sessions) -> RedirectResponse:
        url = await sharing.target(sessions, code)
        if url is None:
            raise HTTPException(404)
        return RedirectResponse(url, status_code=302)

    @app.get("/share-links/count/{content_type}/{content_id}")
    async def count(content_type: str, content_id: str, sessions: Sessions) -> CountResponse:
        shares = await sharing.count(sessions, content_type, content_id)
        return CountResponse(contentType=content_type, contentId=content_id, shareCount=shares)

    return app
