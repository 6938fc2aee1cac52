"""What other servers answer about identity: bounded in size and time, and only by https or from this machine.

Stands between `jwks.py` and `oidc.py` and the client of `ports/outbound.py`. Whoever could change a response on its way
(keys, addresses, tokens) could sign in as anybody, so no other URL is asked. Redirects are not followed: the response
comes from the URL that was configured, or from one that a configured server named.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

from sharetally.domain.errors import ConfigurationError
from sharetally.ports.outbound import Outbound, OutboundError, OutboundResponse

TIMEOUT_SECONDS = 5.0  # seconds that a whole exchange may take
MAX_BYTES = 256 * 1024
FETCH_ERRORS = (OutboundError, OSError, ValueError)
"""What `fetch_url` raises where nothing usable came."""


def require_secure_url(url: str, named: str) -> str:
    """The address; `ConfigurationError`, with what it is `named`, unless it is https or on this machine."""
    if not is_secure_url(url):
        raise ConfigurationError(f"{named}: must be https://, for whoever can change what comes can sign in as anybody")
    return url


def is_secure_url(url: str) -> bool:
    """Whether what comes from there cannot be changed on its way."""
    try:
        split = urlsplit(url)
    except ValueError:
        return False
    return bool(split.hostname) and (
        split.scheme == "https" or (split.scheme == "http" and _is_this_machine(split.hostname))
    )


def _is_this_machine(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


async def fetch_url(
    outbound: Outbound, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> OutboundResponse:
    """GET, or POST of a form; one of `FETCH_ERRORS` if no complete response comes in time, or it is too large."""
    if not is_secure_url(url):
        raise ValueError("the address is neither https nor on this machine")
    sent = {"Accept": "application/json", **(headers or {})}
    if form is None:
        return await outbound.request("GET", url, headers=sent, deadline=TIMEOUT_SECONDS, max_bytes=MAX_BYTES)
    sent["Content-Type"] = "application/x-www-form-urlencoded"
    body = urlencode(form).encode()
    return await outbound.request("POST", url, headers=sent, body=body, deadline=TIMEOUT_SECONDS, max_bytes=MAX_BYTES)
