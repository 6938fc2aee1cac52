"""The routes of posts."""

from __future__ import annotations

from sharetally.flow.posting.deciding import Posts
from sharetally.flow.posting.spending import PostSpending
from sharetally.web.api.posts import handlers
from sharetally.web.api.posts.schemas import DecideBody, PostBudgets, PostItem, PostList, PostsQuery, RecordPath
from sharetally.web.endpoint import Access, AnyEndpoint, Endpoint, NoBody, NoPath, NoQuery, Request

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/posts",
        handler=handlers.list_posts,
        service=Posts,
        request=Request[NoPath, PostsQuery, NoBody],
        summary="List posts, one's own or everybody's",
        tag="Posts",
        access=Access.ANY_TOKEN,
        scopes=("shares", "admin"),
        responses={200: PostList},
        problems=("unavailable",),
        head=True,
    ),
    Endpoint(
        method="GET",
        path="/posts/budget",
        handler=handlers.budgets,
        service=PostSpending,
        request=Request[NoPath, NoQuery, NoBody],
        summary="What posts may cost today, and have cost",
        tag="Posts",
        access=Access.ANY_TOKEN,
        scopes=("analytics", "admin"),
        responses={200: PostBudgets},
        problems=("invalid-request", "unavailable"),
        head=True,
    ),
    Endpoint(
        method="POST",
        path="/posts/{recordId}/decide",
        handler=handlers.decide,
        service=Posts,
        request=Request[RecordPath, NoQuery, DecideBody],
        summary="Decide about a post that nobody could look up",
        tag="Posts",
        access=Access.ANY_TOKEN,
        scopes=("shares", "admin"),
        responses={200: PostItem},
        problems=("not-found", "conflict", "too-large", "idempotency-key-reused", "rate-limited", "unavailable"),
        writes=True,
    ),
)
