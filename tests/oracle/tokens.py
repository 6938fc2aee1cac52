"""Tokens for as many users as a load needs, signed with the secret that the system was started with."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.web.forging import with_secret

Token = Callable[[str], str]
HOUR = 3600


def token_signer(secret: str, scope: str = "shares") -> Token:
    """User id -> a token that holds for an hour; the same user gets the same one again."""
    made: dict[str, str] = {}

    def token(user: str) -> str:
        if user not in made:
            claims = {"sub": user, "scope": scope, "exp": int(time.time()) + HOUR}
            made[user] = with_secret({"alg": "HS256", "typ": "JWT"}, claims, secret.encode())
        return made[user]

    return token
