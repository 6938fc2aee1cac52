"""The console's files: one page for all of its views, and what that page loads.

They are built from `console/` into `static/console/` and are in no commit. A file below `assets/` has its own
hash in its name, so a browser keeps it for ever; the page is asked for anew each time, and is told where this
service is, since what was built knows only its own address. Where nothing was built, the page says so.
"""

from __future__ import annotations

import gzip
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

from sharetally.domain.errors import NotFound
from sharetally.web.endpoint import Access, Endpoint, Handler, Request
from sharetally.web.responses import Response, document_response
from sharetally.web.services import Services

VIEWS = (
    "/console",
    "/console/",
    "/console/sign-in",
    "/console/content",
    "/console/content/{contentType}/{contentId}",
    "/console/links",
    "/console/links/{id}",
    "/console/audit",
    "/console/audit/{recordId}",
    "/console/dead",
    "/console/dead/{id}",
    "/console/keys",
)
HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' https:; "
        "base-uri 'none'; frame-ancestors 'none'; form-action 'none'; require-trusted-types-for 'script'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
)
_IMMUTABLE = ("cache-control", "public, max-age=31536000, immutable")
_NO_CACHE = ("cache-control", "no-cache")
_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
_NOT_BUILT = """\
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>No console</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="{root}/page.css"></head><body><main class="problem"><h1>The console is not here yet</h1>
<p>This installation was made without it. In the source directory, <code>make console</code> builds it; that needs
npm's registry once. Then start the service again.</p><p>Everything else works: see <a href="{root}/docs">the HTTP
API</a> and <code>sharetally --help</code>.</p></main></body></html>
"""


def console_endpoints(built: Traversable | None = None) -> tuple[Endpoint, ...]:
    """Every view's address, and the files that were `built`; by default those in this package."""
    built = built or files("sharetally.web").joinpath("static", "console")
    index = built.joinpath("index.html")
    text = index.read_text("utf-8") if index.is_file() else None
    index_page = _index_handler(text) if text else _not_built_handler
    assets = {each.name: _StaticFile(each, _IMMUTABLE) for each in _list_files(built.joinpath("assets"))}
    other_files = {name: built.joinpath(name) for name in ("mark.svg", "licences.txt")}
    return (
        *(_endpoint(path, index_page) for path in VIEWS),
        _endpoint("/console/{nowhere}", _index_handler(text, status=404) if text else _not_built_handler),
        _endpoint("/console/assets/{file}", _file_handler(assets)),
        *(
            _endpoint(f"/console/{name}", _file_handler({"": _StaticFile(files_by_name, _NO_CACHE)}))
            for name, files_by_name in other_files.items()
            if files_by_name.is_file()
        ),
    )


def _endpoint(path: str, handler: Handler) -> Endpoint:
    return Endpoint(
        method="GET", path=path, handler=handler, summary="", tag="", access=Access.PUBLIC, responses={200: None}
    )


def _list_files(folder: Traversable) -> list[Traversable]:
    return [each for each in folder.iterdir() if each.is_file()] if folder.is_dir() else []


def _index_handler(text: str, status: int = 200) -> Handler:
    async def handler(services: Services, request: Request) -> Response:
        base_url = escape(f"{services.url_policy.root_path}/console/")
        index_page = document_response(text.replace('="./', f'="{base_url}'), _MEDIA_TYPES["html"], _NO_CACHE, *HEADERS)
        return index_page._replace(status=status)

    return handler


async def _not_built_handler(services: Services, request: Request) -> Response:
    body = _NOT_BUILT.format(root=escape(services.url_policy.root_path))
    return document_response(body, _MEDIA_TYPES["html"], _NO_CACHE, *HEADERS)._replace(status=503)


class _StaticFile:
    """A file as it is sent, and what is sent to those who take gzip."""

    def __init__(self, files_by_name: Traversable, caching: tuple[str, str]) -> None:
        body = files_by_name.read_bytes()
        headers = (caching, ("vary", "accept-encoding"), *HEADERS)
        self.plain = document_response(body, _MEDIA_TYPES[files_by_name.name.rsplit(".", 1)[1]], *headers)
        gzipped = gzip.compress(body, mtime=0)
        self.gzipped = self.plain._replace(headers=(*self.plain.headers, ("content-encoding", "gzip")), body=gzipped)


def _file_handler(files_by_name: dict[str, _StaticFile]) -> Handler:
    async def handler(services: Services, request: Request) -> Response:
        file = files_by_name.get(request.path.get("file", ""))
        if file is None:
            raise NotFound("no such file")
        return file.gzipped if "gzip" in request.headers.get("accept-encoding", "") else file.plain

    return handler
