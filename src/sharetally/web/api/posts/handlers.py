"""Handlers of posts."""

from __future__ import annotations

from msgspec import UNSET

from sharetally.domain.post import Post, PostStatus
from sharetally.flow.posting.deciding import Posts
from sharetally.flow.posting.spending import PostSpending
from sharetally.web.api.posts.schemas import (
    DecideBody,
    PostBudget,
    PostBudgets,
    PostItem,
    PostList,
    PostsQuery,
    RecordPath,
)
from sharetally.web.endpoint import NoBody, NoPath, NoQuery, Request, response_to
from sharetally.web.fields import ErrorBody
from sharetally.web.paging import split_page, starting_after
from sharetally.web.parameters import parse_path_id
from sharetally.web.responses import Response, json_response

_NO_STORE = ("cache-control", "no-store")


async def list_posts(posts: Posts, request: Request[NoPath, PostsQuery, NoBody]) -> Response:
    """The caller's own posts, or everybody's for an operator, newest first."""
    query = request.query
    status = None if query.status is UNSET else PostStatus(query.status)
    rows = await posts.page(request.caller, status, limit=query.pageSize + 1, after=starting_after(query))
    page, following = split_page(rows, query.pageSize)
    return json_response(200, PostList(items=[_item(post) for post in page], next=following), _NO_STORE)


async def decide(posts: Posts, request: Request[RecordPath, NoQuery, DecideBody]) -> Response:
    """Settle a post whose outcome nobody could find out."""

    def render(post: Post) -> Response:
        return json_response(200, _item(post))

    body = request.body
    outcome = await posts.decide(
        parse_path_id(request.path.record_id, "no such record"),
        request.caller,
        posted=body.posted,
        url=None if body.url is UNSET else body.url,
        request_id=request.request_id,
        idempotent=request.idempotent(render),
    )
    return response_to(outcome, render)


async def budgets(spending: PostSpending, request: Request[NoPath, NoQuery, NoBody]) -> Response:
    """What posts may cost today, and have cost."""
    items = [
        PostBudget(
            platform=each.platform,
            budgetMicros=each.budget.total,
            userBudgetMicros=each.budget.per_user,
            spentMicros=each.day.spent,
            unknownMicros=each.day.unknown,
            currency="USD",
            resetsAt=each.renewed_at,
            whenSpent="fail" if spending.spent_fails else "wait",
        )
        for each in await spending.today()
    ]
    return json_response(200, PostBudgets(items=items), _NO_STORE)


def _item(post: Post) -> PostItem:
    has_error = post.error_code is not None or post.error_message is not None
    return PostItem(
        id=str(post.id),
        recordId=str(post.record_id),
        contentType=post.key.content_type,
        contentId=post.key.content_id,
        platform=post.key.platform,
        userId=post.key.user_id,
        accountId=str(post.account_id),
        status=post.status.value,
        text=post.text,
        shortUrl=post.url,
        createdAt=post.created_at,
        scheduledAt=post.scheduled_at,
        finishedAt=post.finished_at,
        url=post.external_url,
        error=ErrorBody(code=post.error_code or "waiting", message=post.error_message or "") if has_error else None,
    )
