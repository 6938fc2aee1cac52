"""The routes of share links, and the short addresses that they lead to."""

from __future__ import annotations

from sharetally.flow.links import Links
from sharetally.web.api.links import handlers
from sharetally.web.api.links.schemas import CodePath, Link, LinkBody, LinkPatch, LinkPath, LinksQuery
from sharetally.web.api.links.schemas import Links as LinksBody
from sharetally.web.api.problem_sets import IDEMPOTENT_WRITE, WRITE
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
        path="/share-links",
        handler=handlers.create,
        service=Links,
        request=Request[NoPath, NoQuery, LinkBody],
        summary="Create a share link",
        tag="Share links",
        access=Access.ANY_TOKEN,
        scopes=("shares",),
        responses={201: Link},
        problems=(
            *WRITE,
            "conflict",
        ),
        writes=True,
    ),
    Endpoint(
        method="GET",
        path="/share-links",
        handler=handlers.list_links,
        service=Links,
        request=Request[NoPath, LinksQuery, NoBody],
        summary="List share links",
        tag="Share links",
        access=Access.ANY_TOKEN,
        responses={200: LinksBody},
        problems=(
            "invalid-request",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="GET",
        path="/share-links/{id}",
        handler=handlers.read_link,
        service=Links,
        request=Request[LinkPath, NoQuery, NoBody],
        summary="Read a share link",
        tag="Share links",
        access=Access.ANY_TOKEN,
        responses={200: Link},
        problems=(
            "invalid-request",
            "not-found",
            "unavailable",
        ),
        head=True,
    ),
    Endpoint(
        method="PATCH",
        path="/share-links/{id}",
        handler=handlers.patch,
        service=Links,
        request=Request[LinkPath, NoQuery, LinkPatch],
        summary="Change a share link",
        tag="Share links",
        access=Access.ANY_TOKEN,
        scopes=("shares",),
        responses={200: Link},
        problems=(
            *WRITE,
            "not-found",
            "conflict",
        ),
        writes=True,
    ),
    Endpoint(
        method="DELETE",
        path="/share-links/{id}",
        handler=handlers.delete,
        service=Links,
        request=Request[LinkPath, NoQuery, NoBody],
        summary="Delete a share link",
        tag="Share links",
        access=Access.ANY_TOKEN,
        scopes=("shares",),
        responses={204: None},
        problems=(
            "invalid-request",
            "not-found",
            "conflict",
            *IDEMPOTENT_WRITE,
        ),
        writes=True,
    ),
    Endpoint(
        method="GET",
        path="/s/{code}",
        handler=handlers.follow,
        service=Links,
        request=Request[CodePath, AnyQuery, NoBody],
        summary="Follow a short address",
        tag="Share links",
        access=Access.PUBLIC,
        responses={302: None},
        problems=(
            "invalid-request",
            "not-found",
            "gone",
            "unavailable",
        ),
        head=True,
    ),
)
