"""Checks that a request comes from one of our own pages, so that other sites cannot use the console's cookie.

A browser sends the cookie with every request, whichever site caused it. A request that changes something must come
from our own origin and have the header `X-Sharetally-Console: 1`, which a form cannot send, nor a script of another
site without a preflight. A request that only reads must not come from a page of another origin. Browsers report the
origin in `Sec-Fetch-Site` (Fetch Metadata, W3C); older ones send `Origin` with requests that change something.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import Scope

from sharetally.domain.errors import Forbidden

CONSOLE_HEADER = b"x-sharetally-console"
SAFE_METHODS = frozenset({"GET", "HEAD"})
_SAME_ORIGIN = frozenset({"same-origin"})
_SAME_ORIGIN_OR_DIRECT = frozenset({"same-origin", "none"})
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def check_same_origin(scope: Scope, public_url: str | None) -> None:
    """`Forbidden` unless the cookie of this request may be used for it."""
    if scope["type"] == "websocket":
        if not _is_from_own_origin(scope, public_url, _SAME_ORIGIN):
            raise Forbidden("a console session can only be used by this service's own pages")
    elif scope["method"] in SAFE_METHODS:
        if _single_header(scope, b"sec-fetch-site") not in (None, *_SAME_ORIGIN_OR_DIRECT):
            raise Forbidden("a console session can only be used by this service's own pages")
    else:
        check_console_request(scope, public_url)


def check_console_request(scope: Scope, public_url: str | None) -> None:
    """`Forbidden` unless a script on one of our own pages sent this request; both headers must prove it."""
    if _single_header(scope, CONSOLE_HEADER) != "1":
        raise Forbidden("to change something with a console session, send the header X-Sharetally-Console: 1")
    if not _is_from_own_origin(scope, public_url, _SAME_ORIGIN):
        raise Forbidden("a console session can only be used by this service's own pages")


def _is_from_own_origin(scope: Scope, public_url: str | None, sites: Iterable[str]) -> bool:
    site, origin = _single_header(scope, b"sec-fetch-site"), _single_header(scope, b"origin")
    if site is not None:
        return site in sites
    if origin is None:
        return False
    scheme = scope.get("scheme", "http")
    host = _single_header(scope, b"host")
    urls = [f"{_HTTP_SCHEMES.get(scheme, scheme)}://{host}" if host else None, public_url]
    return origin in {_origin_of(url) for url in urls if url}


def _origin_of(url: str) -> str | None:
    """The origin as browsers write it: lower case, without the default port; None for an invalid host."""
    try:
        split = urlsplit(url)
    except ValueError:
        return None
    return f"{split.scheme}://{split.netloc.lower().removesuffix(_DEFAULT_PORTS.get(split.scheme, ''))}"


def _single_header(scope: Scope, wanted: bytes) -> str | None:
    """The value of the header; empty, so that it matches nothing, if it was sent more than once."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
    return values[0] if len(values) == 1 else ("" if values else None)
