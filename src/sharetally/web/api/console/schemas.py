"""What goes in and out of signing in to the console, as types."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from sharetally.web.fields import RequestModel, ResponseModel, UtcDateTime

ConsoleScope = Literal["shares", "audit", "analytics", "admin"]


class SignInBody(RequestModel, frozen=True):
    """The code of a one-time link: what stands behind its `#`."""

    code: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z", description="Good once, for ten minutes.")]


class ConsoleSession(ResponseModel, omit_defaults=True, frozen=True):
    """Who is signed in to the console, what they may, and until when."""

    userId: str
    scopes: list[ConsoleScope]
    expiresAt: Annotated[UtcDateTime, Meta(description="It ends sooner where nothing is asked for two hours.")]
    name: Annotated[str | UnsetType, Meta(description="What people call them, where that is known.")] = UNSET


class ConsoleOptions(ResponseModel, frozen=True):
    """How one may sign in to the console here."""

    oidc: Annotated[bool, Meta(description="Whether `/console/sign-in/oidc` leads to an OpenID provider.")]
    publicUrl: Annotated[str | None, Meta(description="Where the world reaches this service, if that is set.")]
