"""Checks which pages may follow live counts: our own, and those of the origins in CORS_ORIGINS.

A browser opens a WebSocket to any site and sends cookies with it; only `Origin` says which page did it (RFC 6455,
10.2). A client without this header is not a browser.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import Scope

from sharetally.domain.errors import Forbidden


def check_origin(scope: Scope, *, allowed: Collection[str], public_url: str | None) -> None:
    """`Forbidden` for a page of any other origin."""
    origins = _values(scope, b"origin")
    if not origins or "*" in allowed:
        return
    if len(origins) > 1 or not (origins[0] in allowed or _is_own_origin(scope, origins[0], public_url)):
        raise Forbidden("this origin is not in CORS_ORIGINS")


def _is_own_origin(scope: Scope, origin: str, public_url: str | None) -> bool:
    """Whether host and port are ours; the scheme is not compared, because a proxy may have changed it."""
    hosts = [host.lower() for host in _values(scope, b"host")]
    if public_url is not None:
        hosts.append(urlsplit(public_url).netloc.lower())
    try:
        return urlsplit(origin).netloc.lower() in hosts
    except ValueError:  # not a URL
        return False


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
