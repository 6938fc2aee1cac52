"""Whose pages may follow live counts: our own, and those that CORS_ORIGINS names.

A browser opens a WebSocket to anywhere and sends cookies along; only `Origin` tells whose page it was (RFC 6455,
10.2). Who sends none is no browser.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import Scope

from sharetally.domain.errors import Forbidden


def check_origin(scope: Scope, *, allowed: Collection[str], public_url: str | None) -> None:
    """`Forbidden` for the page of a stranger."""
    origins = _values(scope, b"origin")
    if not origins or "*" in allowed:
        return
    if len(origins) > 1 or not (origins[0] in allowed or _own(scope, origins[0], public_url)):
        raise Forbidden("this origin is not in CORS_ORIGINS")


def _own(scope: Scope, origin: str, public_url: str | None) -> bool:
    """The same host and port; of the scheme a proxy may have told us nothing."""
    hosts = [host.lower() for host in _values(scope, b"host")]
    if public_url is not None:
        hosts.append(urlsplit(public_url).netloc.lower())
    try:
        return urlsplit(origin).netloc.lower() in hosts
    except ValueError:  # no address at all
        return False


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
