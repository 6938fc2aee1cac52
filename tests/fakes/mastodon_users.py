"""A fake Mastodon server with many users, whose clock runs: for loads of posts from several processes.

With `lifetime` it gives tokens that expire and refresh tokens that are good for once; `replayed` counts those that
came a second time, which on a strict platform ends the grant.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.fakes.api_server import Reply, Request
from tests.fakes.mastodon import INVALID_TOKEN, FakeMastodon


class MastodonOfMany(FakeMastodon):
    """Each token belongs to the user who agreed to it."""

    def __init__(self, *, lifetime: int | None = None) -> None:
        super().__init__()
        self.gives_refresh_tokens = lifetime is not None
        self._lifetime = lifetime
        self._owners: dict[str, str] = {}  # token -> user
        self._authors: dict[str, str] = {}  # post -> user
        self._codes: dict[str, str] = {}  # code -> user
        self._spent: set[str] = set()
        self.replayed = 0

    def agree_as(self, user: str, url: str) -> dict[str, str]:
        """This user opens the authorization URL and agrees; returns the parameters of the callback."""
        sent = self.agree(url)
        self._codes[sent["code"]] = user
        return sent

    def token(self, request: Request) -> Reply:
        form = request.form
        if form["grant_type"] == "refresh_token":
            self.replayed += form["refresh_token"] in self._spent
            self._spent.add(form["refresh_token"])
            owner = self._owners.get(form["refresh_token"], "")
        else:
            owner = self._codes.pop(form["code"])
        reply = super().token(request)
        if reply.status == 200:
            body: dict[str, Any] = reply.json
            self._owners |= {body[name]: owner for name in ("access_token", "refresh_token") if name in body}
            if self._lifetime is not None:
                body["expires_in"] = self._lifetime
        return reply

    def verify(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        owner = self._owners[request.bearer]
        return Reply(json={"id": owner, "username": owner, "acct": owner})

    def create(self, request: Request) -> Reply:
        self.now = datetime.now(UTC)
        reply = super().create(request)
        if reply.status == 200:
            self._authors[reply.json["id"]] = self._owners[request.bearer]
        return reply

    def statuses(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        before, author = int(request.query.get("max_id", str(1 << 62))), request.path["id"]
        own = [post for post in self.posts if self._authors[post.id] == author and int(post.id) < before]
        newest_first = list(reversed(own))[: int(request.query["limit"])]
        return Reply(json=[self._entity(post) for post in newest_first])
