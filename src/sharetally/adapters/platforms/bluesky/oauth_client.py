"""What this service is as an OAuth client at Bluesky, where nobody registers clients (atproto.com, OAuth).

The id of a client is the address of its metadata, which the servers read from this service. Without keys it is a
public client, whose sessions last two weeks; with keys (`private_key_jwt`, RFC 7523) they last months. A session stays
bound to the key with which it began, so old keys have to stay in the list, of which the first is used for new sessions
and for those that began without any key.
Servers keep the list for minutes: a new key is published in the last place first, and moved to the front later. A
service on the loopback, which no server can read, uses the id that Bluesky reserves for development.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

SCOPE = "atproto transition:generic"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
METADATA, JWKS = "client-metadata.json", "jwks.json"
LIFETIME = 60  # seconds of an assertion


class OAuthClient:
    """The client with this public URL; `keys` are JWKs (P-256, private, each with a `kid`)."""

    def __init__(
        self, *, public_url: str, name: str, keys: Sequence[Mapping[str, str]], now: Callable[[], datetime]
    ) -> None:
        self._public_url = public_url
        self._name = name
        self._now = now
        self._is_local = _is_loopback(public_url)
        loaded = () if self._is_local else [ECKey.import_key(dict(key)) for key in keys]
        self._keys = {key.kid: key for key in loaded if key.kid}
        if len(self._keys) < len(loaded):
            raise ValueError("each key needs a kid of its own")

    @property
    def redirect_uri(self) -> str:
        """Where the servers send people back."""
        return f"{self._public_url}/oauth/bluesky/callback"

    @property
    def id(self) -> str:
        """The `client_id`."""
        if self._is_local:
            return "http://localhost?" + urlencode({"redirect_uri": self.redirect_uri, "scope": SCOPE}, quote_via=quote)
        return f"{self._public_url}/oauth/bluesky/{METADATA}"

    @property
    def first_key_id(self) -> str | None:
        """The key for new sessions; None for a public client."""
        return next(iter(self._keys), None)

    def can_authenticate(self, key_id: str | None) -> bool:
        """Whether sessions with this key, or without any, can go on."""
        return key_id is None or key_id in self._keys

    def documents(self) -> Mapping[str, Mapping[str, object]]:
        """The documents that servers read, by the last part of their path."""
        if self._is_local:
            return {}
        metadata: dict[str, object] = {
            "client_id": self.id,
            "client_name": self._name,
            "client_uri": self._public_url,
            "application_type": "web",
            "dpop_bound_access_tokens": True,
            "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": [self.redirect_uri],
            "response_types": ["code"],
            "scope": SCOPE,
            "token_endpoint_auth_method": "none",
        }
        if not self._keys:
            return {METADATA: metadata}
        metadata |= {
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "jwks_uri": f"{self._public_url}/oauth/bluesky/{JWKS}",
        }
        published = [
            {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": "ES256"} for kid, key in self._keys.items()
        ]
        return {METADATA: metadata, JWKS: {"keys": published}}

    def authentication(self, issuer: str, key_id: str | None) -> dict[str, str]:
        """The fields by which the client proves itself to this issuer; they work once."""
        if key_id is None:
            return {"client_id": self.id}
        now = int(self._now().timestamp())
        claims: dict[str, object] = {
            "iss": self.id,
            "sub": self.id,
            "aud": issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + LIFETIME,
        }
        key = self._keys[key_id]
        assertion = jwt.encode({"alg": "ES256", "kid": key_id}, claims, key, algorithms=["ES256"])
        return {"client_id": self.id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}


def new_client_key() -> str:
    """A fresh key, as the JSON of a private JWK; its `kid` is its thumbprint (RFC 7638)."""
    key = ECKey.generate_key("P-256")
    return json.dumps({**key.as_dict(private=True), "kid": key.thumbprint()})


def _is_loopback(url: str) -> bool:
    split = urlsplit(url)
    host = split.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
