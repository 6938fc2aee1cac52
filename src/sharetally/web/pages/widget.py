"""The widget's files: the script under its two addresses, its hash, and what it loads when needed.

That is words, platforms that few pages name, and the dialog for posts. Any page may take them (CORS `*`).
`/widget/<version>/share-buttons.js` never changes, so that a page can name its hash; `/widget/share-buttons.js` is the
newest one. Each version loads the dialog of its own version. A changed script is a new `VERSION`; the bytes of the one
before stay as `share-buttons-<version>.js` and `post-dialog-<version>.js`, or pages that named their hash would lose
their buttons.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from hashlib import sha256, sha384
from importlib.resources import files

import msgspec

from sharetally.ports import Button
from sharetally.web.endpoint import Access, AnyEndpoint, AnyQuery, Endpoint, NoBody, NoPath, NoService, Request
from sharetally.web.pages.minify import minify
from sharetally.web.responses import Response

VERSION = "1.0.0"
SCRIPT = "share-buttons.js"
DIALOG = "post-dialog.js"
JAVASCRIPT = "text/javascript; charset=utf-8"
LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "it", "ja", "nl", "pl", "pt", "zh")
IMMUTABLE = "public, max-age=31536000, immutable"
SHORT_CACHE = "public, max-age=600"  # seconds until browsers ask again, by the ETag
_FOLDER = files("sharetally.web").joinpath("static", "widget")
_HEADERS = (
    ("access-control-allow-origin", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("vary", "accept-encoding"),
)


FileHandler = Callable[[NoService, Request[NoPath, AnyQuery, NoBody]], Awaitable[Response]]


def widget_endpoints(buttons: Mapping[str, Button]) -> Iterator[AnyEndpoint]:
    """Everything under `/widget/`; `buttons` are those that the script fetches, by platform."""
    scripts, dialogs = dict(_versions(SCRIPT)), dict(_versions(DIALOG))
    for name, versions in ((SCRIPT, scripts), (DIALOG, dialogs)):
        for version, body in versions.items():
            yield _endpoint(f"{version}/{name}", _file(body, JAVASCRIPT, IMMUTABLE))
    yield _endpoint(SCRIPT, _file(scripts[VERSION], JAVASCRIPT, SHORT_CACHE))
    published = {
        version: {
            "path": f"{version}/{SCRIPT}",
            "integrity": integrity(body),
            "dialog": {"path": f"{version}/{DIALOG}", "integrity": integrity(dialogs[version])},
        }
        for version, body in scripts.items()
    }
    document = msgspec.json.encode({"current": VERSION, "versions": published})
    yield _endpoint("integrity.json", _file(document, "application/json", SHORT_CACHE))
    yield _endpoint("platforms.json", _file(_platforms(buttons), "application/json", SHORT_CACHE))
    for name in (f"{folder}/{language}.json" for folder in ("labels", "dialog") for language in LANGUAGES):
        yield _endpoint(name, _file(_FOLDER.joinpath(name).read_bytes(), "application/json", SHORT_CACHE))


def integrity(body: bytes) -> str:
    """What a page writes into `integrity` (W3C Subresource Integrity)."""
    return f"sha384-{b64encode(sha384(body).digest()).decode()}"


def _platforms(buttons: Mapping[str, Button]) -> bytes:
    """The buttons; a platform that every language has words for has these in English instead of a label."""
    english = msgspec.json.decode(_FOLDER.joinpath("labels", "en.json").read_bytes(), type=dict[str, str])
    words = {name: english[name] for name in buttons if name in english}
    labelled = {name: each._replace(label="") if name in words else each for name, each in buttons.items()}
    return msgspec.json.encode({"platforms": labelled, "words": words})


def _versions(name: str) -> Iterator[tuple[str, bytes]]:
    """Version -> the bytes of this script that are served."""
    yield VERSION, minify(_FOLDER.joinpath(name).read_text("utf-8")).encode()
    prefix = f"{name.removesuffix('.js')}-"
    for file in _FOLDER.iterdir():
        if file.name.startswith(prefix):
            yield file.name.removeprefix(prefix).removesuffix(".js"), file.read_bytes()


def _endpoint(name: str, handler: FileHandler) -> AnyEndpoint:
    return Endpoint(
        method="GET",
        path=f"/widget/{name}",
        handler=handler,
        service=NoService,
        request=Request[NoPath, AnyQuery, NoBody],
        access=Access.PUBLIC,
        responses={200: None},
        head=True,
    )


def _file(body: bytes, media_type: str, cache_control: str) -> FileHandler:
    tag = f'W/"{sha256(body).hexdigest()[:32]}"'
    common = (*_HEADERS, ("cache-control", cache_control), ("etag", tag))
    plain = Response(status=200, headers=(*common, ("content-type", media_type)), body=body)
    gzipped = Response(
        status=200,
        headers=(*plain.headers, ("content-encoding", "gzip")),
        body=gzip.compress(body, 9, mtime=0),
    )
    not_modified = Response(status=304, headers=common)

    async def handler(_: NoService, request: Request[NoPath, AnyQuery, NoBody]) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return not_modified
        return gzipped if "gzip" in request.headers.get("accept-encoding", "") else plain

    return handler
