"""A fake of LinkedIn: OAuth 2 without PKCE, posts in little text format, versions that end, and duplicates."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.fakes.api_server import Reply, Request
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET
from tests.fakes.platform import FakePlatform

MEMBER_ID = "782bbtaQ"
VERSION = "202609"
UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*[_|()\[\]{}@#*~<>]")


def error(status: int, code: str, message: str, **headers: str) -> Reply:
    """An error as LinkedIn writes it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, json={"status": status, "code": code, "message": message}, headers=named)


REVOKED = error(401, "REVOKED_ACCESS_TOKEN", "The token used in the request has been revoked by the user")
ENDED = error(426, "NONEXISTENT_VERSION", "Requested version 20251101 is not active")
FORBIDDEN = error(403, "ACCESS_DENIED", "Not enough permissions to access: partnerApiPostsExternal.CREATE.20260901")
LIMITED = error(
    429, "TOO_MANY_REQUESTS", "Resource level throttle MEMBER DAY limit for calls to this resource is reached."
)
UNAVAILABLE = error(503, "SERVICE_UNAVAILABLE", "Service unavailable")


@dataclass
class Post:
    """A post as readers see it."""

    urn: str
    text: str


class FakeLinkedIn(FakePlatform):
    """One member; with `is_partner` it gives refresh tokens."""

    description = "linkedin.yaml"

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[Post] = []
        self.is_partner = False

    def texts(self) -> list[str]:
        return [post.text for post in self.posts]

    def token(self, request: Request) -> Reply:
        form = request.form
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            description = "Client authentication failed"
            return Reply(status=401, json={"error": "invalid_client", "error_description": description})
        if form["grant_type"] == "authorization_code":
            accepted = self.grants.redeem(form)
            description = "Unable to retrieve access token: authorization code not found"
        else:
            accepted = form["refresh_token"] in self.grants.refresh
            description = "The provided authorization grant or refresh token is invalid, expired or revoked"
        if not accepted:
            code = "invalid_request" if form["grant_type"] == "authorization_code" else "invalid_grant"
            return Reply(status=400, json={"error": code, "error_description": description})
        body = {"access_token": self.grants.issue(), "expires_in": 5_183_999, "scope": "openid,profile,w_member_social"}
        return Reply(json={**body, "refresh_token": self.grants.issue_refresh()} if self.is_partner else body)

    def userinfo(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return REVOKED
        return Reply(json={"sub": MEMBER_ID, "name": "Example Member"})

    def create(self, request: Request) -> Reply:
        """A text with a reserved character that is not escaped is cut there, without a word."""
        if request.headers["linkedin-version"] != VERSION:
            return ENDED
        if request.bearer not in self.grants.access:
            return REVOKED
        written = request.json["commentary"]
        if found := UNESCAPED.search(written):
            written = written[: found.end() - 1]
        text = re.sub(r"\\(.)", r"\1", written)
        for post in self.posts:
            if post.text == text:
                return duplicate(post.urn)
        post = Post(f"urn:li:share:{7_300_000_000_000_000_000 + len(self.posts)}", text)
        self.posts.append(post)
        return Reply(status=201, headers={"x-restli-id": post.urn})

    def delete(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return REVOKED
        kept = [post for post in self.posts if post.urn != request.path["urn"]]
        found = len(kept) < len(self.posts)
        self.posts = kept
        return Reply(status=204) if found else error(404, "RESOURCE_NOT_FOUND", "Could not find entity")


def duplicate(urn: str) -> Reply:
    """What LinkedIn answers to a text that it has, or believes to have."""
    details = {"inputErrors": [{"description": "Duplicate post is detected", "input": {}, "code": "DUPLICATE_POST"}]}
    message = f"Content is a duplicate of {urn}"
    kind = "com.linkedin.common.error.BadRequest"
    return Reply(status=422, json={"errorDetailType": kind, "message": message, "errorDetails": details, "status": 422})
