"""Requests that prove the possession of a key (DPoP, RFC 9449), with the nonce that a server may demand.

A request without the server's current nonce is refused before anything else is done with it, so it is safe to repeat
it once, even if it is a post. Nonces are remembered for each server to spare that; losing them costs one request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey

from sharetally.adapters.platforms._api import decode
from sharetally.ports.outbound import DEADLINE, Outbound, OutboundResponse

NONCE_DEMANDED = "use_dpop_nonce"
MAX_SERVERS = 1_000


class _Error(msgspec.Struct, frozen=True, kw_only=True):
    error: str = ""


class DpopClient:
    """Sends requests with proofs."""

    def __init__(self, outbound: Outbound, *, now: Callable[[], datetime]) -> None:
        self._outbound = outbound
        self._now = now
        self._nonces = dict[str, str]()

    async def request(
        self,
        method: str,
        url: str,
        *,
        key: ECKey,
        headers: Mapping[str, str],
        body: Callable[[], bytes],
        access_token: str | None = None,
        deadline: float = DEADLINE,
    ) -> OutboundResponse:
        """Send once, or twice if the server demands a nonce; `body` is called for each. Raises `OutboundError`."""
        response = await self._send(method, url, key, headers, body(), access_token, deadline)
        if response.headers.get("dpop-nonce") and _demands_nonce(response):
            response = await self._send(method, url, key, headers, body(), access_token, deadline)
        return response

    async def _send(
        self,
        method: str,
        url: str,
        key: ECKey,
        headers: Mapping[str, str],
        body: bytes,
        access_token: str | None,
        deadline: float,
    ) -> OutboundResponse:
        split = urlsplit(url)
        server = f"{split.scheme}://{split.netloc}"
        proof = {"DPoP": self._proof(method, url, key, access_token, self._nonces.get(server))}
        if access_token is not None:
            proof["Authorization"] = f"DPoP {access_token}"
        response = await self._outbound.request(method, url, headers={**headers, **proof}, body=body, deadline=deadline)
        if nonce := response.headers.get("dpop-nonce"):
            self._nonces.pop(server, None)
            self._nonces[server] = nonce
            if len(self._nonces) > MAX_SERVERS:
                del self._nonces[next(iter(self._nonces))]
        return response

    def _proof(self, method: str, url: str, key: ECKey, access_token: str | None, nonce: str | None) -> str:
        claims: dict[str, object] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": urlunsplit((*urlsplit(url)[:3], "", "")),
            "iat": int(self._now().timestamp()),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if access_token is not None:
            digest = hashlib.sha256(access_token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
        return jwt.encode(header, claims, key, algorithms=["ES256"])


def new_key() -> str:
    """A fresh key, as the JSON of a JWK with its private part."""
    return json.dumps(ECKey.generate_key("P-256").as_dict(private=True))


def load_key(text: str) -> ECKey:
    """A key that `new_key` made."""
    return ECKey.import_key(json.loads(text))


def _demands_nonce(response: OutboundResponse) -> bool:
    """An authorization server demands it in the body, a resource server in a header (RFC 9449, 8 and 9)."""
    if response.status == 401 and f'error="{NONCE_DEMANDED}"' in response.headers.get("www-authenticate", ""):
        return True
    error = decode(response, _Error)
    return response.status in {400, 401} and error is not None and error.error == NONCE_DEMANDED
