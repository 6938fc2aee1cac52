"""The fake Mastodon server of many users: everybody has posts of their own, and no refresh token comes twice unseen."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

import pytest

from tests.fakes.api_server import Request
from tests.fakes.mastodon_users import MastodonOfMany
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET, challenge_of

pytestmark = pytest.mark.anyio
REQUEST = Request(method="GET", target="/", path={}, query={}, headers={}, body=b"")
CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
ASKED = {"response_type": "code", "client_id": CLIENT_ID, "scope": "write", "state": "s", "redirect_uri": "r"}
PKCE = {"code_challenge": challenge_of("a-verifier"), "code_challenge_method": "S256"}


def form(**fields: str) -> Request:
    return replace(REQUEST, body=urlencode(CLIENT | fields).encode())


def signed_in(fake: MastodonOfMany, user: str) -> dict[str, str]:
    code = fake.agree_as(user, f"https://social.example/oauth/authorize?{urlencode(ASKED | PKCE)}")["code"]
    sent = form(grant_type="authorization_code", code=code, redirect_uri="r", code_verifier="a-verifier")
    tokens: dict[str, str] = fake.token(sent).json
    return tokens


def authorized(tokens: dict[str, str], **changes: object) -> Request:
    headers = {"authorization": f"Bearer {tokens['access_token']}", "idempotency-key": tokens["access_token"]}
    return replace(REQUEST, headers=headers, **changes)  # type: ignore[arg-type]


async def test_everybody_sees_their_own_posts() -> None:
    fake = MastodonOfMany()
    people = {user: signed_in(fake, user) for user in ("anna", "carla")}
    for tokens in people.values():
        fake.create(authorized(tokens, body=b'{"status": "https://a.example/1"}'))
    for user, tokens in people.items():
        assert fake.verify(authorized(tokens)).json["id"] == user
        assert len(fake.statuses(authorized(tokens, path={"id": user}, query={"limit": "40"})).json) == 1
    assert len(fake.texts()) == 2


async def test_who_agrees_again_is_the_same_user() -> None:
    fake = MastodonOfMany()
    assert {fake.verify(authorized(signed_in(fake, "anna"))).json["id"] for _ in range(2)} == {"anna"}


async def test_a_refresh_token_that_comes_twice_is_counted() -> None:
    fake = MastodonOfMany(lifetime=122)
    tokens = signed_in(fake, "anna")
    assert int(tokens["expires_in"]) == 122
    refresh = form(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (fake.token(refresh).status, fake.replayed) == (200, 0)
    assert (fake.token(refresh).status, fake.replayed) == (400, 1)
