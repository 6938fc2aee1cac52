"""The bodies and queries of connected accounts."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from sharetally.web.fields import PlatformName, RequestModel, ResponseModel, UtcDateTime, Uuid
from sharetally.web.parameters import parse_path_id

Server = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        description="The server that holds the account, as a name or an address.",
        examples=["mastodon.social"],
    ),
]


class AccountPath(RequestModel, frozen=True, kw_only=False):
    """`/accounts/{id}`."""

    id: Uuid

    @property
    def account_id(self) -> UUID:
        """The account's id; `NotFound` if it is none."""
        return parse_path_id(self.id, missing="no such account")


class PlatformPath(RequestModel, frozen=True, kw_only=False):
    """`/accounts/{platform}/connect`."""

    platform: PlatformName


class ConnectBody(RequestModel, frozen=True):
    """How to connect: nothing for most platforms, the server on Mastodon; on Bluesky perhaps an app password."""

    instance: Server | None = None
    identifier: Annotated[str, Meta(min_length=1, max_length=255, examples=["anna.bsky.social"])] | None = None
    appPassword: Annotated[str, Meta(min_length=1, max_length=255, examples=["xxxx-xxxx-xxxx-xxxx"])] | None = None
    server: Server | None = None
    returnTo: Annotated[
        Literal["console"] | None,
        Meta(description="With `console`, the last page leads back to the accounts in the console by itself."),
    ] = None


class AuthorizeUrl(ResponseModel, frozen=True):
    """Where the user's browser has to go; it has to be the browser that got this answer."""

    authorizeUrl: Annotated[str, Meta(extra_json_schema={"format": "uri"})]


class ConnectedAccount(ResponseModel, frozen=True):
    """An account from which this service can post."""

    id: Uuid
    platform: str
    externalId: Annotated[str, Meta(description="The platform's own id of the account.")]
    server: Annotated[str | None, Meta(description="The server that holds it, where a platform has several.")]
    handle: str
    label: str | None
    isDefault: Annotated[bool, Meta(description="Whether posts on this platform come from this account.")]
    status: Annotated[
        Literal["connected", "needs_reauth"],
        Meta(description="With `needs_reauth`, the user has to connect the account again."),
    ]
    createdAt: UtcDateTime
    updatedAt: UtcDateTime


class ConnectedAccounts(ResponseModel, frozen=True):
    """The caller's accounts, and where further ones can be connected."""

    items: list[ConnectedAccount]
    platforms: Annotated[list[str], Meta(description="The platforms on which an account can be connected here.")]


class AccountPatch(RequestModel, frozen=True):
    """A JSON merge patch (RFC 7396): only what is there changes; null takes the label away."""

    label: Annotated[str, Meta(min_length=1, max_length=100, examples=["the shop"])] | UnsetType | None = UNSET
    isDefault: Annotated[Literal[True], Meta(description="Makes this account the default.")] | UnsetType = UNSET


class DisconnectQuery(RequestModel, frozen=True):
    """Whether our copy is deleted even if the platform does not take the permission back."""

    force: Annotated[
        bool, Meta(description="Delete our copy even if the permission cannot be given back at the platform.")
    ] = False
