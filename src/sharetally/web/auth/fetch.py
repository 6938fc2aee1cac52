"""Requests to other servers about identity, limited in size and time, only by https or to this machine.

`jwks.py` and `oidc.py` use it, on top of the client of `ports/outbound.py`. Whoever could change a response on its way
(keys, addresses, tokens) could sign in as anybody, so plain http to another machine is rejected. Redirects are not
followed: a response comes from the configured URL, or from a URL that a configured server named.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

from sharetally.domain.errors import ConfigurationError
from sharetally.ports.outbound import Outbound, OutboundError, OutboundResponse

TIMEOUT_SECONDS = 5.0  # for the whole request and response
MAX_BYTES = 256 * 1024
FETCH_ERRORS = (OutboundError, OSError, ValueError)
"""What `fetch_url` raises if there is no usable response."""


def require_secure_url(url: str, named: str) -> str:
    """Return the URL; `ConfigurationError`, which names the setting, unless it is https or on this machine."""
    if not is_secure_url(url):
        raise ConfigurationError(
            f"{named}: must be https://, because whoever can change the response could sign in as anybody"
        )
    return url


def is_secure_url(url: str) -> bool:
    """Whether nobody can change a response on its way: by https, or from this machine."""
    try:
        split = urlsplit(url)
    except ValueError:
        return False
    if not split.hostname or split.scheme != "http":
        return bool(split.hostname) and split.scheme == "https"
    try:
        return ip_address(split.hostname).is_loopback
    except ValueError:
        return split.hostname == "localhost"


async def fetch_url(
    outbound: Outbound, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> OutboundResponse:
    """GET the URL, or POST the form; one of `FETCH_ERRORS` if the response is incomplete, late or too large."""
    if not is_secure_url(url):
        raise ValueError("the URL is neither https nor on this machine")
    sent = {"Accept": "application/json", **(headers or {})}
    if form is None:
        return await outbound.request("GET", url, headers=sent, deadline=TIMEOUT_SECONDS, max_bytes=MAX_BYTES)
    sent["Content-Type"] = "application/x-www-form-urlencoded"
    body = urlencode(form).encode()
    return await outbound.request("POST", url, headers=sent, body=body, deadline=TIMEOUT_SECONDS, max_bytes=MAX_BYTES)
