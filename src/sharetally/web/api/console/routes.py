"""The routes by which people sign in to the console."""

from __future__ import annotations

from sharetally.web.api.console import handlers
from sharetally.web.api.console.handlers import ConsoleSignIn
from sharetally.web.api.console.schemas import ConsoleOptions, ConsoleSession, SignInBody
from sharetally.web.endpoint import (
    Access,
    AnyEndpoint,
    AnyQuery,
    Endpoint,
    NoBody,
    NoPath,
    NoQuery,
    Request,
)

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="POST",
        path="/console/session",
        handler=handlers.sign_in,
        service=ConsoleSignIn,
        request=Request[NoPath, AnyQuery, SignInBody],
        summary="Sign in with the code of a one-time link",
        tag="Console",
        access=Access.PUBLIC,
        responses={200: ConsoleSession},
        problems=(
            "invalid-request",
            "unauthenticated",
            "forbidden",
            "too-large",
            "unavailable",
        ),
    ),
    Endpoint(
        method="GET",
        path="/console/session",
        handler=handlers.current_session,
        service=ConsoleSignIn,
        request=Request[NoPath, NoQuery, NoBody],
        summary="Who is signed in",
        tag="Console",
        access=Access.CONSOLE,
        responses={200: ConsoleSession},
        problems=("unavailable",),
        head=True,
    ),
    Endpoint(
        method="DELETE",
        path="/console/session",
        handler=handlers.sign_out,
        service=ConsoleSignIn,
        request=Request[NoPath, AnyQuery, NoBody],
        summary="Sign out",
        tag="Console",
        access=Access.PUBLIC,
        responses={204: None},
        problems=(
            "forbidden",
            "unavailable",
        ),
    ),
    Endpoint(
        method="GET",
        path="/console/options",
        handler=handlers.options,
        service=ConsoleSignIn,
        request=Request[NoPath, AnyQuery, NoBody],
        summary="The ways to sign in",
        tag="Console",
        access=Access.PUBLIC,
        responses={200: ConsoleOptions},
        head=True,
    ),
)
