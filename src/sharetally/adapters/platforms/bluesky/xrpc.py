"""Calls to a Bluesky server (XRPC), with whichever kind of token an account has, and what its errors mean.

OAuth sessions are bound to a key (DPoP) and answer 401 `invalid_token`; sessions of app passwords are plain bearer
tokens and answer 400 `ExpiredToken` or `InvalidToken`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlencode

import msgspec

from sharetally.adapters.platforms._api import Failure, bearer, decode, epoch_header, is_ambiguous, quoted, retry_after
from sharetally.adapters.platforms.bluesky.dpop import DpopClient, load_key
from sharetally.domain.account import Tokens
from sharetally.domain.post import AccessDenied, PauseScope, PostRejected, TryLater
from sharetally.ports.outbound import DEADLINE, Outbound, OutboundResponse

DPOP_KEY = "dpop_key"  # in `Tokens.private`: the key of an OAuth session
TOKEN_ERRORS = frozenset({"ExpiredToken", "InvalidToken"})
ACCOUNT_ERRORS = {
    "AccountTakedown": "Bluesky has taken this account down",
    "AccountSuspended": "Bluesky has suspended this account",
    "AccountDeactivated": "this account is deactivated; activate it at Bluesky first",
    "RepoTakendown": "Bluesky has taken this account down",
    "RepoSuspended": "Bluesky has suspended this account",
    "RepoDeactivated": "this account is deactivated; activate it at Bluesky first",
    "RepoNotFound": "the server of this account does not know it any more; connect the account again",
}


class XrpcError(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every error; `error` is the documented name."""

    error: str = ""
    message: str = ""


class Xrpc:
    """Calls methods by their names."""

    def __init__(self, outbound: Outbound, *, now: Callable[[], datetime]) -> None:
        self._outbound = outbound
        self._dpop = DpopClient(outbound, now=now)
        self._now = now

    async def query(self, server: str, method: str, parameters: Mapping[str, str]) -> OutboundResponse:
        """Read what is public. Raises `OutboundError`."""
        return await self._outbound.request("GET", f"{server}/xrpc/{method}?{urlencode(parameters)}")

    async def procedure(
        self,
        server: str,
        method: str,
        tokens: Tokens | None,
        body: Mapping[str, object] | None,
        *,
        deadline: float = DEADLINE,
    ) -> OutboundResponse:
        """Do something, as the user if there are tokens. Raises `OutboundError`."""
        url, content = f"{server}/xrpc/{method}", b"" if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"} if content else {}
        if tokens is not None and DPOP_KEY in tokens.private:
            key = load_key(tokens.private[DPOP_KEY])
            return await self._dpop.request(
                "POST",
                url,
                key=key,
                headers=headers,
                body=lambda: content,
                access_token=tokens.access,
                deadline=deadline,
            )
        if tokens is not None:
            headers |= bearer(tokens)
        return await self._outbound.request("POST", url, headers=headers, body=content, deadline=deadline)

    def failure(self, response: OutboundResponse) -> Failure:
        """What a response other than 200 means, where nothing was written."""
        now, error = self._now(), decode(response, XrpcError) or XrpcError()
        if error.error in ACCOUNT_ERRORS:
            return PostRejected(code=error.error, message=ACCOUNT_ERRORS[error.error])
        if response.status == 401 or (response.status == 400 and error.error in TOKEN_ERRORS):
            return AccessDenied(reason="Bluesky does not accept the access token")
        if response.status == 429:
            at = retry_after(response, now) or epoch_header(response.headers, "ratelimit-reset", now)
            return TryLater(reason="Bluesky allows no more posts at the moment", at=at, pause=PauseScope.ACCOUNT)
        if is_ambiguous(response) or response.status < 400:
            return TryLater(reason=f"Bluesky answered {response.status}", at=retry_after(response, now))
        code = quoted(error.error) or f"http-{response.status}"
        return PostRejected(code=code, message=f"Bluesky refuses this post: {quoted(error.message) or code}")


def error_name(response: OutboundResponse) -> str:
    """The documented name of an error, empty if there is none."""
    return (decode(response, XrpcError) or XrpcError()).error
