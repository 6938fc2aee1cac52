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

CONSOLE_HEADER = b"x-sharetally-console"
SAFE_METHODS = frozenset({"GET", "HEAD"})
_SAME_ORIGIN = frozenset({"same-origin"})
_SAME_ORIGIN_OR_DIRECT = frozenset({"same-origin", "none"})
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def check_same_origin(scope: Scope, public_url: str | None) -> None:
    """`Forbidden` unless a cookie that came with this request may be used for it."""
    if scope["type"] == "websocket":
        if not _is_from_own_origin(scope, public_url, _SAME_ORIGIN):
            raise Forbidden("a console session is for this service's own pages alone")
    elif scope["method"] in SAFE_METHODS:
        if _single_header(scope, b"sec-fetch-site") not in (None, *_SAME_ORIGIN_OR_DIRECT):
            raise Forbidden("a console session is for this service's own pages alone")
    else:
        check_console_request(scope, public_url)


def check_console_request(scope: Scope, public_url: str | None) -> None:
    """`Forbidden` unless a script on a page of ours sent this; what neither header speaks for did not come from one."""
    if _single_header(scope, CONSOLE_HEADER) != "1":
        raise Forbidden("a console session changes things only with the header X-Sharetally-Console: 1")
    if not _is_from_own_origin(scope, public_url, _SAME_ORIGIN):
        raise Forbidden("a console session is for this service's own pages alone")


def _is_from_own_origin(scope: Scope, public_url: str | None, sites: Iterable[str]) -> bool:
    site, origin = _single_header(scope, b"sec-fetch-site"), _single_header(scope, b"origin")
    if site is not None:
        return site in sites
    return origin is not None and origin in _own_origins(scope, public_url)


def _own_origins(scope: Scope, public_url: str | None) -> set[str]:
    """Ours: as PUBLIC_URL says, and as this request found us."""
    scheme = scope.get("scheme", "http")
    host = _single_header(scope, b"host")
    urls = [f"{_HTTP_SCHEMES.get(scheme, scheme)}://{host}" if host else None, public_url]
    return {origin for url in urls if url and (origin := _origin_of(url)) is not None}


def _origin_of(url: str) -> str | None:
    """As browsers write it: lower case, without the port that is usual; none of a host that cannot be one."""
    try:
        split = urlsplit(url)
    except ValueError:
        return None
    return f"{split.scheme}://{split.netloc.lower().removesuffix(_DEFAULT_PORTS.get(split.scheme, ''))}"


def _single_header(scope: Scope, name_wanted: bytes) -> str | None:
    """The header's value; of one that came twice neither is believed, and it matches nothing."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == name_wanted]
    return values[0] if len(values) == 1 else ("" if values else None)
