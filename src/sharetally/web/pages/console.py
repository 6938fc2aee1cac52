"""The console's files: one page for all of its views, and what that page loads.

They are built from `console/` into `static/console/` and are in no commit. A file below `assets/` has its own
hash in its name, so a browser keeps it for ever; the page is asked for anew each time, and is told where this
service is, since what was built knows only its own address. Where nothing was built, the page says so.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

from msgspec import Struct

from sharetally.domain.errors import NotFound
from sharetally.web.api.audit.schemas import RecordPath
from sharetally.web.endpoint import Access, AnyEndpoint, AnyQuery, Endpoint, NoBody, NoPath, NoService, Request
from sharetally.web.fields import RequestModel
from sharetally.web.parameters import ContentPath, IdPath
from sharetally.web.responses import Response, document_response

ViewRequest = type[Request[Struct, AnyQuery, NoBody]]
_PLAIN: ViewRequest = Request[NoPath, AnyQuery, NoBody]
_BY_ID: ViewRequest = Request[IdPath, AnyQuery, NoBody]
VIEWS: Mapping[str, ViewRequest] = {
    "/console": _PLAIN,
    "/console/": _PLAIN,
    "/console/sign-in": _PLAIN,
    "/console/content": _PLAIN,
    "/console/content/{contentType}/{contentId}": Request[ContentPath, AnyQuery, NoBody],
    "/console/links": _PLAIN,
    "/console/links/{id}": _BY_ID,
    "/console/posts": _PLAIN,
    "/console/accounts": _PLAIN,
    "/console/audit": _PLAIN,
    "/console/audit/{recordId}": Request[RecordPath, AnyQuery, NoBody],
    "/console/dead": _PLAIN,
    "/console/dead/{id}": _BY_ID,
    "/console/keys": _PLAIN,
}
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


class FilePath(RequestModel, frozen=True, kw_only=False):
    """`/console/assets/{file}`."""

    file: str


class UnknownPath(RequestModel, frozen=True, kw_only=False):
    """`/console/{nowhere}`: a view that does not exist."""

    nowhere: str


PageHandler = Callable[[NoService, Request[Struct, AnyQuery, NoBody]], Awaitable[Response]]


def console_endpoints(built: Traversable | None = None) -> tuple[AnyEndpoint, ...]:
    """Every view's address, and the files that were `built`; by default those in this package."""
    built = built or files("sharetally.web").joinpath("static", "console")
    index = built.joinpath("index.html")
    text = index.read_text("utf-8") if index.is_file() else None
    index_page = _index_handler(text) if text else _not_built_handler
    folder = built.joinpath("assets")
    found = [each for each in folder.iterdir() if each.is_file()] if folder.is_dir() else []
    assets = {each.name: _StaticFile(each, _IMMUTABLE) for each in found}
    other_files = {name: built.joinpath(name) for name in ("mark.svg", "licences.txt")}
    return (
        *(_endpoint(path, request, index_page) for path, request in VIEWS.items()),
        _endpoint(
            "/console/{nowhere}",
            Request[UnknownPath, AnyQuery, NoBody],
            _index_handler(text, status=404) if text else _not_built_handler,
        ),
        _endpoint("/console/assets/{file}", Request[FilePath, AnyQuery, NoBody], _file_handler(assets)),
        *(
            _endpoint(f"/console/{name}", _PLAIN, _file_handler({"": _StaticFile(file, _NO_CACHE)}))
            for name, file in other_files.items()
            if file.is_file()
        ),
    )


def _endpoint(path: str, request: ViewRequest, handler: PageHandler) -> AnyEndpoint:
    return Endpoint(
        method="GET",
        path=path,
        handler=handler,
        service=NoService,
        request=request,
        access=Access.PUBLIC,
        responses={200: None},
        head=True,
    )


def _index_handler(text: str, status: int = 200) -> PageHandler:
    async def handler(_: NoService, request: Request[Struct, AnyQuery, NoBody]) -> Response:
        base_url = escape(f"{request.root_path}/console/")
        index_page = document_response(text.replace('="./', f'="{base_url}'), _MEDIA_TYPES["html"], _NO_CACHE, *HEADERS)
        return index_page._replace(status=status)

    return handler


async def _not_built_handler(_: NoService, request: Request[Struct, AnyQuery, NoBody]) -> Response:
    body = _NOT_BUILT.format(root=escape(request.root_path))
    return document_response(body, _MEDIA_TYPES["html"], _NO_CACHE, *HEADERS)._replace(status=503)


class _StaticFile:
    """A file as it is sent, and what is sent to those who take gzip."""

    def __init__(self, files_by_name: Traversable, caching: tuple[str, str]) -> None:
        body = files_by_name.read_bytes()
        headers = (caching, ("vary", "accept-encoding"), *HEADERS)
        self.plain = document_response(body, _MEDIA_TYPES[files_by_name.name.rsplit(".", 1)[1]], *headers)
        gzipped = gzip.compress(body, mtime=0)
        self.gzipped = self.plain._replace(headers=(*self.plain.headers, ("content-encoding", "gzip")), body=gzipped)


def _file_handler(files_by_name: dict[str, _StaticFile]) -> PageHandler:
    async def handler(_: NoService, request: Request[Struct, AnyQuery, NoBody]) -> Response:
        file = files_by_name.get(request.path.file if isinstance(request.path, FilePath) else "")
        if file is None:
            raise NotFound("no such file")
        return file.gzipped if "gzip" in request.headers.get("accept-encoding", "") else file.plain

    return handler
