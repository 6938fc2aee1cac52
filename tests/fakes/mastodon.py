"""A fake of a Mastodon server: registration, OAuth with PKCE, posts with idempotency keys, and a list of posts.

Errors have the bodies of Mastodon 4.5. `honours_keys` is False for a server that only resembles Mastodon.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.fakes.api_server import Reply, Request
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET
from tests.fakes.platform import FakePlatform

USER_ID, USERNAME = "109348684", "mara"
KEYS_LAST = timedelta(hours=1)


def error(status: int, text: str, headers: dict[str, str] | None = None) -> Reply:
    """An error as Mastodon writes it."""
    return Reply(status=status, json={"error": text}, headers=headers or {})


INVALID_TOKEN = error(401, "The access token is invalid")
OUT_OF_SCOPE = error(403, "This action is outside the authorized scopes")
DISABLED = error(403, "Your login is currently disabled")
NOT_FOUND = error(404, "Record not found")
BLANK = error(422, "Validation failed: Text can't be blank")
TOO_MANY = "Too many requests"
BROKEN = error(500, "This page is not correct")
UNAVAILABLE = error(503, "There was a temporary problem serving your request, please try again")
INVALID_GRANT = Reply(
    status=400,
    json={
        "error": "invalid_grant",
        "error_description": "The provided authorization grant is invalid, expired, revoked, does not match the "
        "redirection URI used in the authorization request, or was issued to another client.",
    },
)


@dataclass(frozen=True, kw_only=True)
class Status:
    """A post; ids rise."""

    id: str
    text: str
    created_at: datetime


class FakeMastodon(FakePlatform):
    """One user on one server."""

    description = "mastodon.yaml"
    pkce = True

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime.now(UTC)
        self.posts: list[Status] = []
        self.keys: dict[str, tuple[datetime, Status]] = {}
        self.honours_keys = True
        self.gives_refresh_tokens = False
        self.max_characters, self.per_url = 500, 23
        self.registered: list[dict[str, str]] = []

    def texts(self) -> list[str]:
        return [post.text for post in self.posts]

    def add_post(self, text: str, *, at: datetime | None = None) -> Status:
        """The user posts by other means."""
        post = Status(id=str(115_000_000_000_000_000 + len(self.posts)), text=text, created_at=at or self.now)
        self.posts.append(post)
        return post

    def instance(self, request: Request) -> Reply:
        statuses = {"max_characters": self.max_characters, "characters_reserved_per_url": self.per_url}
        return Reply(
            json={"domain": "social.example", "version": "4.5.2", "configuration": {"statuses": statuses, "urls": {}}}
        )

    def register(self, request: Request) -> Reply:
        self.registered.append(request.form)
        name = request.form["client_name"]
        return Reply(json={"id": "1", "name": name, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})

    def token(self, request: Request) -> Reply:
        form = request.form
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return Reply(
                status=401, json={"error": "invalid_client", "error_description": "Client authentication failed"}
            )
        if form["grant_type"] == "refresh_token":
            accepted = form["refresh_token"] in self.grants.refresh
            self.grants.refresh.discard(form["refresh_token"])
        else:
            accepted = self.grants.redeem(form)
        if not accepted:
            return INVALID_GRANT
        scope = self.grants.scopes[-1]
        tokens = {"access_token": self.grants.issue(), "token_type": "Bearer", "scope": scope, "created_at": 1}
        if self.gives_refresh_tokens:
            tokens |= {"refresh_token": self.grants.issue_refresh(), "expires_in": 7200}
        return Reply(json=tokens)

    def revoke(self, request: Request) -> Reply:
        if request.form["client_secret"] != CLIENT_SECRET:
            described = "You are not authorized to revoke this token"
            return Reply(status=403, json={"error": "unauthorized_client", "error_description": described})
        self.grants.access.discard(request.form["token"])
        return Reply(json={})

    def verify(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        return Reply(json={"id": USER_ID, "username": USERNAME, "acct": USERNAME})

    def create(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        key, text = request.headers["idempotency-key"], request.json["status"]
        used_at, status = self.keys.get(key, (self.now - KEYS_LAST, None))
        if status is None or not self.honours_keys or used_at <= self.now - KEYS_LAST:
            counted = re.sub(r"https?://\S+", "x" * self.per_url, text)
            if len(counted) > self.max_characters:
                return error(422, f"Validation failed: Text character limit of {self.max_characters} exceeded")
            status = self.add_post(text)
            self.keys[key] = (self.now, status)
        return Reply(json=self._entity(status))

    def statuses(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        if request.path["id"] != USER_ID:
            return NOT_FOUND
        before = int(request.query.get("max_id", str(1 << 62)))
        newest_first = [post for post in reversed(self.posts) if int(post.id) < before]
        return Reply(json=[self._entity(post) for post in newest_first[: int(request.query["limit"])]])

    def delete(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        found = [post for post in self.posts if post.id == request.path["id"]]
        self.posts = [post for post in self.posts if post not in found]
        return Reply(json=self._entity(found[0])) if found else NOT_FOUND

    def _entity(self, status: Status) -> dict[str, str]:
        at = status.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        url = f"https://social.example/@{USERNAME}/{status.id}"
        content = as_html(status.text)
        return {"id": status.id, "created_at": at, "url": url, "content": content, "visibility": "public"}


def as_html(text: str) -> str:
    """A text as Mastodon formats it: an address becomes a link whose ends are hidden."""

    def link(found: re.Match[str]) -> str:
        scheme, rest = html.escape(found[1]), html.escape(found[2])
        shown = f'<span class="invisible">{scheme}</span><span class="">{rest}</span>'
        return f'<a href="{scheme}{rest}" target="_blank" rel="nofollow noopener" translate="no">{shown}</a>'

    parts, position = list[str](), 0
    for found in re.finditer(r"(https?://)(\S+)", text):
        parts += [html.escape(text[position : found.start()]), link(found)]
        position = found.end()
    return f"<p>{''.join(parts)}{html.escape(text[position:])}</p>"
