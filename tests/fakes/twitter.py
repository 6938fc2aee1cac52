"""A fake of X: OAuth 2 with PKCE and rotation, posts, a timeline with pages, and duplicates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.fakes.api_server import Reply, Request
from tests.fakes.oauth import BASIC, CLIENT_ID
from tests.fakes.platform import FakePlatform

USER_ID = "2244994945"
DUPLICATE = "You are not allowed to create a Tweet with duplicate content."
FORBIDDEN_TYPE = "https://api.twitter.com/2/problems/client-forbidden"
CAPPED_TYPE = "https://api.twitter.com/2/problems/usage-capped"


def problem(status: int, title: str, *, kind: str = "about:blank", detail: str = "", **headers: str) -> Reply:
    """An error as X writes it; names of headers with underscores."""
    body = {"title": title, "type": kind, "status": status, "detail": detail or title}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, json=body, headers=named, content_type="application/problem+json")


OUT_OF_CREDITS = problem(
    402,
    "CreditsDepleted",
    kind="https://api.twitter.com/2/problems/credits",
    detail="Your enrolled account does not have any credits to fulfill this request.",
)
USAGE_CAPPED = problem(
    429,
    "UsageCapExceeded",
    kind=CAPPED_TYPE,
    detail="Usage cap exceeded: Monthly product cap",
    x_rate_limit_remaining="99",
    x_rate_limit_reset="1796083200",
)
UNAVAILABLE = problem(503, "Service Unavailable")
UNAUTHORIZED = problem(401, "Unauthorized")


@dataclass(frozen=True, kw_only=True)
class Post:
    """A post on X."""

    id: str
    text: str
    created_at: datetime


class FakeTwitter(FakePlatform):
    """One user, who may have many posts; with `is_public` the client has no secret."""

    description = "twitter.yaml"
    pkce = True

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[Post] = []
        self.reads = 0
        self.is_public = False
        self.now = datetime.now(UTC)

    def texts(self) -> list[str]:
        return [post.text for post in self.posts]

    def add_post(self, text: str) -> str:
        """The user posts by other means."""
        post = Post(id=str(1_500_000_000_000_000_000 + len(self.posts)), text=text, created_at=self.now)
        self.posts.append(post)
        return post.id

    def token(self, request: Request) -> Reply:
        form = request.form
        proof = form.get("client_id") if self.is_public else request.headers.get("authorization")
        if proof != (CLIENT_ID if self.is_public else BASIC):
            description = "Missing valid authorization header"
            return Reply(status=401, json={"error": "unauthorized_client", "error_description": description})
        if form["grant_type"] == "authorization_code":
            accepted = self.grants.redeem(form)
            error = {
                "error": "invalid_grant",
                "error_description": "Value passed for the authorization code was invalid.",
            }
        else:
            accepted = form["refresh_token"] in self.grants.refresh
            self.grants.refresh.discard(form["refresh_token"])
            error = {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}
        if not accepted:
            return Reply(status=400, json=error)
        tokens = {"token_type": "bearer", "expires_in": 7200, "access_token": self.grants.issue()}
        scopes = "tweet.read tweet.write users.read offline.access"
        return Reply(json={**tokens, "refresh_token": self.grants.issue_refresh(), "scope": scopes})

    def revoke(self, request: Request) -> Reply:
        token = request.form["token"]
        if token in self.grants.access | self.grants.refresh:
            self.grants.revoke_all()
            return Reply(json={"revoked": True})
        error = {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}
        return Reply(status=400, json=error)

    def me(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return UNAUTHORIZED
        return Reply(json={"data": {"id": USER_ID, "name": "Example User", "username": "example"}})

    def create(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return UNAUTHORIZED
        text = request.json["text"]
        if any(post.text == text for post in self.posts):
            return problem(403, "Forbidden", detail=DUPLICATE)
        return Reply(status=201, json={"data": {"id": self.add_post(text), "text": text}})

    def delete(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return UNAUTHORIZED
        kept = [post for post in self.posts if post.id != request.path["id"]]
        found = len(kept) < len(self.posts)
        self.posts = kept
        return Reply(json={"data": {"deleted": True}}) if found else problem(404, "Not Found Error")

    def timeline(self, request: Request) -> Reply:
        """Newest first; addresses are shortened in the text and written out in the entities."""
        if request.bearer not in self.grants.access:
            return UNAUTHORIZED
        begin = datetime.fromisoformat(request.query.get("start_time", "2006-01-01T00:00:00Z"))
        size = int(request.query.get("max_results", "10"))
        offset = int(request.query.get("pagination_token", "0"))
        posts = [post for post in reversed(self.posts) if post.created_at >= begin]
        page = posts[offset : offset + size]
        self.reads += len(page)
        meta: dict[str, Any] = {"result_count": len(page)}
        if len(posts) > offset + size:
            meta["next_token"] = str(offset + size)
        return Reply(json={"data": list(map(_shown, page)), "meta": meta} if page else {"meta": meta})


def _shown(post: Post) -> dict[str, Any]:
    urls = re.findall(r"https?://\S+", post.text)
    text = re.sub(r"https?://\S+", "https://t.co/abcdefghij", post.text)
    entities = {"urls": [{"url": "https://t.co/abcdefghij", "expanded_url": url} for url in urls]}
    return {"id": post.id, "text": text, **({"entities": entities} if urls else {})}
