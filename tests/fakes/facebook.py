"""A fake of Facebook's Graph API: a user's pages, their feeds, and a repeated post (506)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.fakes.api_server import Reply, Request
from tests.fakes.graph import INVALID_TOKEN, NO_SUCH_OBJECT, graph_error, paged
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET
from tests.fakes.platform import FakePlatform

USER_ID = "10220055"
PAGE_ID = "1755847"
DUPLICATE = graph_error(506, "(#506) Duplicate status message", subcode=1_455_006)


@dataclass(frozen=True, kw_only=True)
class Post:
    """A post in a page's feed."""

    id: str
    message: str
    author: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page; without `has_token` the user has no role there that gives one."""

    id: str
    name: str
    has_token: bool = True


class FakeFacebook(FakePlatform):
    """One user with pages; the token of a page is `page-` and its id."""

    description = "facebook.yaml"

    def __init__(self) -> None:
        super().__init__()
        self.pages = [Page(id=PAGE_ID, name="Example Page")]
        self.page_tokens: set[str] = set()
        self.posts: list[Post] = []
        self.now = datetime.now(UTC)

    def texts(self) -> list[str]:
        return [post.message for post in self.posts]

    def add_post(self, message: str, *, author: str = PAGE_ID) -> str:
        """Somebody writes into the feed by other means."""
        post = Post(id=f"{PAGE_ID}_{len(self.posts) + 1}", message=message, author=author, created_at=self.now)
        self.posts.append(post)
        return post.id

    def token(self, request: Request) -> Reply:
        form = request.form
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return graph_error(1, "Error validating client secret.")
        if form["grant_type"] == "fb_exchange_token":
            if form["fb_exchange_token"] not in self.grants.access:
                return INVALID_TOKEN
            return Reply(json={"access_token": self.grants.issue(), "token_type": "bearer", "expires_in": 5_184_000})
        if not self.grants.redeem(form):
            return graph_error(100, "This authorization code has been used.", subcode=36_009)
        return Reply(json={"access_token": self.grants.issue(), "token_type": "bearer", "expires_in": 5_000})

    def me(self, request: Request) -> Reply:
        return Reply(json={"id": USER_ID}) if request.bearer in self.grants.access else INVALID_TOKEN

    def accounts(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        self.page_tokens |= {f"page-{page.id}" for page in self.pages if page.has_token}
        shown = [
            {"id": page.id, "name": page.name} | ({"access_token": f"page-{page.id}"} if page.has_token else {})
            for page in self.pages
        ]
        return Reply(json=paged(shown, request.query.get("after", ""), request.query.get("limit", "")))

    def permissions(self, request: Request) -> Reply:
        if request.bearer != f"{CLIENT_ID}|{CLIENT_SECRET}":
            return graph_error(190, "Invalid OAuth access token signature.")
        if request.path["user"] != USER_ID or not self.page_tokens:
            return NO_SUCH_OBJECT
        self.grants.revoke_all()
        self.page_tokens.clear()
        return Reply(json={"success": True})

    def create(self, request: Request) -> Reply:
        if request.bearer not in self.page_tokens:
            return INVALID_TOKEN
        message = request.form["message"]
        if self.posts and self.posts[-1].message == message:
            return DUPLICATE
        return Reply(json={"id": self.add_post(message)})

    def feed(self, request: Request) -> Reply:
        if request.bearer not in self.page_tokens:
            return INVALID_TOKEN
        begin = int(request.query.get("since", "0"))
        posts = [_shown(post) for post in reversed(self.posts) if post.created_at.timestamp() >= begin]
        return Reply(json=paged(posts, request.query.get("after", ""), request.query.get("limit", "")))

    def delete(self, request: Request) -> Reply:
        if request.bearer not in self.page_tokens:
            return INVALID_TOKEN
        kept = [post for post in self.posts if post.id != request.path["object"]]
        found = len(kept) < len(self.posts)
        self.posts = kept
        return Reply(json={"success": True}) if found else NO_SUCH_OBJECT


def _shown(post: Post) -> dict[str, Any]:
    link = f"https://www.facebook.com/{PAGE_ID}/posts/{post.id.partition('_')[2]}"
    return {"id": post.id, "message": post.message, "permalink_url": link, "from": {"id": post.author}}
