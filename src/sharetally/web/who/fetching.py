"""What other servers answer about identity: bounded in size and time, and only by https or from this machine.

Stands between `jwks.py` and `oidc.py` and the client of `ports/outbound.py`. Whoever could change a response on its way
(keys, addresses, tokens) could sign in as anybody, so no other URL is asked. Redirects are not followed: the response
comes from the URL that was configured, or from one that a configured server named.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

from sharetally.domain.errors import Misconfigured
from sharetally.ports.outbound import Outbound, OutboundError, OutboundResponse

PATIENCE = 5.0  # seconds that a whole exchange may take
MAX_BYTES = 256 * 1024
FAULTS = (OutboundError, OSError, ValueError)
"""What `fetched` raises where nothing usable came."""


def check_address(url: str, named: str) -> str:
    """The address; `Misconfigured`, with what it is `named`, unless it is https or on this machine."""
    if not is_safe(url):
        raise Misconfigured(f"{named}: must be https://, for whoever can change what comes can sign in as anybody")
    return url


def is_safe(url: str) -> bool:
    """Whether what comes from there cannot be changed on its way."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname)))


def _is_here(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


async def fetched(
    outbound: Outbound, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> OutboundResponse:
    """GET, or POST of a form; one of `FAULTS` if no complete response comes in time, or it is too large."""
    if not is_safe(url):
        raise ValueError("the address is neither https nor on this machine")
    sent = {"Accept": "application/json", **(headers or {})}
    if form is None:
        return await outbound.request("GET", url, headers=sent, deadline=PATIENCE, max_bytes=MAX_BYTES)
    sent["Content-Type"] = "application/x-www-form-urlencoded"
    body = urlencode(form).encode()
    return await outbound.request("POST", url, headers=sent, body=body, deadline=PATIENCE, max_bytes=MAX_BYTES)
