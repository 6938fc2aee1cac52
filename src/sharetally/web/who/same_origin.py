"""Whether a request comes from a page of ours, as browsers tell: what keeps other sites from using a cookie.

A browser sends the console's cookie along whoever made the request. What changes something with it must come from
our own origin and bear `X-Sharetally-Console: 1`, which no form can send and no foreign script without asking
first. What only reads must not come from a page of another origin. `Sec-Fetch-Site` is the browser's own word
(Fetch Metadata, W3C); an older one sends `Origin` with what changes something (RFC 6454).
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import Scope

from sharetally.domain.errors import Forbidden

HEADER = b"x-sharetally-console"
SAFE = frozenset({"GET", "HEAD"})
_OURS = frozenset({"same-origin"})
_OURS_OR_TYPED = frozenset({"same-origin", "none"})
_HTTP = {"ws": "http", "wss": "https"}
_USUAL = {"http": ":80", "https": ":443"}


def check_same_origin(scope: Scope, public_url: str | None) -> None:
    """`Forbidden` unless a cookie that came with this request may be used for it."""
    if scope["type"] == "websocket":
        if not _from_here(scope, public_url, _OURS):
            raise Forbidden("a console session is for this service's own pages alone")
    elif scope["method"] in SAFE:
        if _one(scope, b"sec-fetch-site") not in (None, *_OURS_OR_TYPED):
            raise Forbidden("a console session is for this service's own pages alone")
    else:
        check_own_page(scope, public_url)


def check_own_page(scope: Scope, public_url: str | None) -> None:
    """`Forbidden` unless a script on a page of ours sent this; what neither header speaks for did not come from one."""
    if _one(scope, HEADER) != "1":
        raise Forbidden("a console session changes things only with the header X-Sharetally-Console: 1")
    if not _from_here(scope, public_url, _OURS):
        raise Forbidden("a console session is for this service's own pages alone")


def _from_here(scope: Scope, public_url: str | None, sites: Iterable[str]) -> bool:
    site, origin = _one(scope, b"sec-fetch-site"), _one(scope, b"origin")
    if site is not None:
        return site in sites
    return origin is not None and origin in _origins(scope, public_url)


def _origins(scope: Scope, public_url: str | None) -> set[str]:
    """Ours: as PUBLIC_URL says, and as this request found us."""
    scheme = scope.get("scheme", "http")
    host = _one(scope, b"host")
    urls = [f"{_HTTP.get(scheme, scheme)}://{host}" if host else None, public_url]
    return {origin for url in urls if url and (origin := _origin(url)) is not None}


def _origin(url: str) -> str | None:
    """As browsers write it: lower case, without the port that is usual; none of a host that cannot be one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(_USUAL.get(parts.scheme, ''))}"


def _one(scope: Scope, wanted: bytes) -> str | None:
    """The header's value; of one that came twice neither is believed, and it matches nothing."""
    found = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
    return found[0] if len(found) == 1 else ("" if found else None)
