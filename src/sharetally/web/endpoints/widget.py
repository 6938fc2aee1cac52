"""The widget's files: the script under its two addresses, its hash, words and platforms that are loaded when needed.

Any page may take them (CORS `*`). `/widget/<version>/share-buttons.js` never changes, so that a page can name its
hash; `/widget/share-buttons.js` is the newest one. A changed script is a new `VERSION`; the bytes of the one before
stay as `share-buttons-<version>.js`, or pages that named their hash would lose their buttons.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256, sha384
from importlib.resources import files

import msgspec

from sharetally.web.answers import Answer
from sharetally.web.endpoint import Access, Asked, Endpoint, Handler
from sharetally.web.endpoints.squeeze import squeezed
from sharetally.web.parts import Parts

VERSION = "1.0.0"
SCRIPT = "share-buttons.js"
LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "it", "ja", "nl", "pl", "pt", "zh")
FOREVER = "public, max-age=31536000, immutable"
A_WHILE = "public, max-age=600"  # seconds until browsers ask again, by the ETag
_FOLDER = files("sharetally.web").joinpath("static", "widget")
_HEADERS = (
    ("access-control-allow-origin", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("vary", "accept-encoding"),
)


def widget_endpoints() -> Iterator[Endpoint]:
    """Everything under `/widget/`."""
    scripts = dict(_scripts())
    for version, body in scripts.items():
        yield _endpoint(f"{version}/{SCRIPT}", _file(body, "text/javascript; charset=utf-8", FOREVER))
    yield _endpoint(SCRIPT, _file(scripts[VERSION], "text/javascript; charset=utf-8", A_WHILE))
    yield _endpoint("integrity.json", _file(_integrity(scripts), "application/json", A_WHILE))
    for name in ("platforms.json", *(f"labels/{language}.json" for language in LANGUAGES)):
        yield _endpoint(name, _file(_FOLDER.joinpath(name).read_bytes(), "application/json", A_WHILE))


def integrity(body: bytes) -> str:
    """What a page writes into `integrity` (W3C Subresource Integrity)."""
    return f"sha384-{b64encode(sha384(body).digest()).decode()}"


def _scripts() -> Iterator[tuple[str, bytes]]:
    """Version -> the bytes that are served."""
    yield VERSION, squeezed(_FOLDER.joinpath(SCRIPT).read_text("utf-8")).encode()
    for file in _FOLDER.iterdir():
        if file.name.startswith("share-buttons-"):
            yield file.name.removeprefix("share-buttons-").removesuffix(".js"), file.read_bytes()


def _integrity(scripts: dict[str, bytes]) -> bytes:
    shown = {
        version: {"path": f"{version}/{SCRIPT}", "integrity": integrity(body)} for version, body in scripts.items()
    }
    return msgspec.json.encode({"current": VERSION, "versions": shown})


def _endpoint(name: str, handler: Handler) -> Endpoint:
    path = f"/widget/{name}"
    return Endpoint(
        method="GET", path=path, handler=handler, summary="", tag="", access=Access.PUBLIC, answers={200: None}
    )


def _file(body: bytes, media_type: str, keep: str) -> Handler:
    tag = f'W/"{sha256(body).hexdigest()[:32]}"'
    common = (*_HEADERS, ("cache-control", keep), ("etag", tag))
    plain = Answer(status=200, headers=(*common, ("content-type", media_type)), body=body)
    small = Answer(
        status=200,
        headers=(*plain.headers, ("content-encoding", "gzip")),
        body=gzip.compress(body, 9, mtime=0),
    )
    same = Answer(status=304, headers=common)

    async def handler(parts: Parts, asked: Asked) -> Answer:
        if tag in asked.headers.get("if-none-match", ""):
            return same
        return small if "gzip" in asked.headers.get("accept-encoding", "") else plain

    return handler
