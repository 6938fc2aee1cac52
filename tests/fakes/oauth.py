"""The authorization side of a fake platform: a user who agrees, codes that work once, tokens that can be revoked."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

CLIENT_ID = "client-1"
CLIENT_SECRET = "a secret: with / signs & more"
BASIC = "Basic " + base64.b64encode(b"client-1:a%20secret%3A%20with%20%2F%20signs%20%26%20more").decode()


@dataclass(kw_only=True)
class Code:
    """A code that was given to a redirect URI."""

    redirect_uri: str
    challenge: str | None


@dataclass
class Grants:
    """What users have agreed to."""

    codes: dict[str, Code] = field(default_factory=dict)
    access: set[str] = field(default_factory=set)
    refresh: set[str] = field(default_factory=set)
    scopes: list[str] = field(default_factory=list)
    count: int = 0

    def agree(self, url: str, *, pkce: bool) -> dict[str, str]:
        """A user opens the authorization URL and agrees; returns the parameters of the callback."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert ("code_challenge" in asked) is pkce
        if pkce:
            assert asked["code_challenge_method"] == "S256"
        self.scopes.append(asked["scope"])
        code = self._fresh("code")
        self.codes[code] = Code(redirect_uri=asked["redirect_uri"], challenge=asked.get("code_challenge"))
        return {"code": code, "state": asked["state"]}

    def redeem(self, form: dict[str, str]) -> bool:
        """Whether the code is good for this request; it never is twice."""
        code = self.codes.pop(form["code"], None)
        if code is None or code.redirect_uri != form["redirect_uri"]:
            return False
        return code.challenge is None or code.challenge == challenge_of(form.get("code_verifier", ""))

    def issue(self) -> str:
        """A new access token."""
        token = self._fresh("access")
        self.access.add(token)
        return token

    def issue_refresh(self) -> str:
        """A new refresh token."""
        token = self._fresh("refresh")
        self.refresh.add(token)
        return token

    def revoke_all(self) -> None:
        """The user has removed the application."""
        self.access.clear()
        self.refresh.clear()

    def _fresh(self, kind: str) -> str:
        self.count += 1
        return f"{kind}-{self.count}"


def challenge_of(verifier: str) -> str:
    """S256 of RFC 7636."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
