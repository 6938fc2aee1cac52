"""The bodies and queries of share links."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from sharetally.web.fields import (
    ContentType,
    Id,
    Label,
    OffsetDateTime,
    RequestModel,
    ResponseModel,
    UriReference,
    Url,
    UserId,
    UtcDateTime,
    Uuid,
)
from sharetally.web.paging import PageQuery
from sharetally.web.parameters import parse_path_id


class LinkPath(RequestModel, frozen=True, kw_only=False):
    """`/share-links/{id}`."""

    id: Uuid

    @property
    def link_id(self) -> UUID:
        """The link's id; `NotFound` if it is none."""
        return parse_path_id(self.id, missing="no such share link")


class CodePath(RequestModel, frozen=True, kw_only=False):
    """`/s/{code}`."""

    code: Annotated[
        str, Meta(pattern="^[0-9A-Za-z]{1,64}$", description="Of a link, or of a record.", examples=["aB3dE5fG7h"])
    ]


class LinkBody(RequestModel, frozen=True):
    """A link to hand out; without `url`, CONTENT_URLS decides where it leads."""

    contentType: ContentType
    contentId: Id
    url: Url | None = None
    channelId: Label | None = None
    campaignId: Label | None = None
    expiresAt: OffsetDateTime | None = None


class LinkPatch(RequestModel, frozen=True):
    """A JSON merge patch (RFC 7396): only what is there changes; null takes away."""

    url: Url | UnsetType = UNSET
    channelId: Label | UnsetType | None = UNSET
    campaignId: Label | UnsetType | None = UNSET
    expiresAt: OffsetDateTime | UnsetType | None = UNSET


class Link(ResponseModel, frozen=True):
    """A share link."""

    id: Uuid
    code: str
    shortUrl: UriReference
    contentType: str
    contentId: str
    userId: str
    channelId: str | None
    campaignId: str | None
    url: UriReference
    createdAt: UtcDateTime
    updatedAt: UtcDateTime
    expiresAt: UtcDateTime | None


class Links(ResponseModel, frozen=True):
    """A page of links, newest first."""

    items: list[Link]
    next: Uuid | None


class LinksQuery(PageQuery, frozen=True):
    """Which links."""

    contentType: ContentType | UnsetType = UNSET
    contentId: Id | UnsetType = UNSET
    userId: UserId | UnsetType = UNSET
    campaignId: Label | UnsetType = UNSET
