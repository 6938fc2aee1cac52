"""A platform on which accounts can be connected, as strict as a real one.

It verifies PKCE and the redirect URI, takes each code once, gives a new refresh token with each refresh, and ends the
grant when an old one comes back. `lose_reply` does what was asked and then does not answer; `down` does nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_hex
from urllib.parse import parse_qs, urlencode, urlsplit

from sharetally.domain.account import Account, Profile, Tokens
from sharetally.ports.posting_platform import Authorization, ConnectFailed, Connection, GrantLost, PlatformUnavailable

PASSWORD = "hush-app-password"


@dataclass
class Grant:
    """What one user has permitted."""

    external_id: str
    access: str = ""
    refresh: str = ""
    alive: bool = True


@dataclass
class FakePlatform:
    """Implements `Connector` and `PasswordConnector`."""

    now: Callable[[], datetime]
    platform: str = "bluesky"
    lifetime: timedelta = timedelta(hours=1)
    sends_refresh_tokens: bool = True
    accounts: Sequence[str] = ("did:plc:anna",)
    down: bool = False
    revoke_ends_all: bool = False
    lose_reply: bool = False
    broken: bool = False
    refreshes: int = 0
    begun: int = 0
    signed_in: int = 0
    revoked: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=lambda: [PASSWORD])
    before_refresh: Callable[[], Awaitable[None]] | None = None
    _grants: list[Grant] = field(default_factory=list)
    _challenges: dict[str, tuple[str, str]] = field(default_factory=dict)

    async def authorize(self, *, state: str, redirect_uri: str, code_challenge: str, server: str) -> Authorization:
        """Send the browser to a page that needs nothing but the state."""
        self.begun += 1
        if self.down:
            raise PlatformUnavailable("no answer")
        if server == "https://nowhere.example":
            raise ConnectFailed("there is no server at https://nowhere.example")
        private = self._secret("private")
        query = {"state": state, "redirect_uri": redirect_uri, "code_challenge": code_challenge, "client": private}
        return Authorization(url=f"https://platform.example/authorize?{urlencode(query)}", private={"client": private})

    def agree(self, url: str) -> dict[str, str]:
        """What the platform sends back when the user agrees on the page at this address."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = self._secret("code")
        self._challenges[code] = (query["code_challenge"], query["redirect_uri"])
        self.secrets.append(query["state"])
        return {"state": query["state"], "code": code}

    async def exchange(
        self, *, parameters: Mapping[str, str], redirect_uri: str, code_verifier: str, private: Mapping[str, str]
    ) -> Sequence[Connection]:
        """Take a code once."""
        self.secrets.append(code_verifier)
        if self.down:
            raise PlatformUnavailable("no answer")
        challenge, wanted_uri = self._challenges.pop(parameters["code"], ("", ""))
        sent = urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).decode().rstrip("=")
        if (sent, redirect_uri) != (challenge, wanted_uri) or not private["client"].startswith("hush-private"):
            raise ConnectFailed("the platform refused the code")
        return [self._connect(name) for name in self.accounts]

    async def sign_in(self, *, identifier: str, password: str, server: str) -> Connection:
        """Take one password."""
        self.signed_in += 1
        if self.down:
            raise PlatformUnavailable("no answer")
        if password != PASSWORD:
            raise ConnectFailed("wrong handle or app password")
        return self._connect(f"did:plc:{identifier}", server)

    async def refresh(self, account: Account, tokens: Tokens) -> Tokens:
        """Rotate; a refresh token that was used before ends the grant."""
        self.refreshes += 1
        if self.before_refresh is not None:
            await self.before_refresh()
        await asyncio.sleep(0.02)
        if self.broken:
            raise ValueError(f"broken by {tokens.refresh}")
        if self.down:
            raise PlatformUnavailable("no answer")
        grant = next((each for each in self._grants if each.external_id == account.external_id and each.alive), None)
        if grant is None or tokens.refresh is None:
            raise GrantLost
        if grant.refresh != tokens.refresh:
            grant.alive = False
            raise GrantLost
        fresh = self._issue(grant)
        if self.lose_reply:
            raise PlatformUnavailable("no answer")
        return fresh

    async def revoke(self, account: Account, tokens: Tokens) -> None:
        """End the grant."""
        if self.down:
            raise PlatformUnavailable("no answer")
        self.revoked.append(tokens.access)
        for grant in self._grants:
            grant.alive = grant.alive and grant.external_id != account.external_id

    def accepts(self, tokens: Tokens) -> bool:
        """Whether a call with this access token would be answered."""
        return any(grant.alive and grant.access == tokens.access for grant in self._grants)

    def end_grants(self) -> None:
        """As when the user withdraws the permission at the platform."""
        for grant in self._grants:
            grant.alive = False

    def _connect(self, external_id: str, server: str = "") -> Connection:
        grant = Grant(external_id)
        self._grants.append(grant)
        tokens = self._issue(grant)
        handle = external_id.rpartition(":")[2]
        return Connection(profile=Profile(external_id=external_id, handle=handle, server=server), tokens=tokens)

    def _issue(self, grant: Grant) -> Tokens:
        grant.access, grant.refresh = self._secret("access"), self._secret("refresh")
        return Tokens(
            access=grant.access,
            refresh=grant.refresh if self.sends_refresh_tokens else None,
            expires_at=self.now() + self.lifetime,
            private={"key": self._secret("key")},
        )

    def _secret(self, kind: str) -> str:
        made = f"hush-{kind}-{token_hex(12)}"
        self.secrets.append(made)
        return made
