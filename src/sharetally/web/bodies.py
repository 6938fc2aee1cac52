"""Bodies and query strings: read within their limit, decoded into the endpoint's own types.

Every fault names the field and says what is wrong with it; nothing was done when one is found.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive

from sharetally.domain.errors import InvalidRequest, TooLarge

_AT = re.compile(r"^(?P<reason>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)


async def read_body(receive: Receive, limit: int, announced: str | None) -> bytes:
    """The whole body; `TooLarge` as soon as it is known to be longer than `limit` bytes."""
    if announced is not None and announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"a body here has at most {limit} bytes")
    parts, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest(("body", "was cut off"))
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(f"a body here has at most {limit} bytes")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def decoded_body(raw: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """The body as its type; `InvalidRequest` names the field."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidRequest(_located(str(error), "body")) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = "is empty; send a JSON object" if not raw else f"is not JSON: {error}"
        raise InvalidRequest(("body", reason)) from None


def decoded_query(raw: bytes, kind: Any) -> Any:
    """The query string as its type; every parameter once, unknown ones refused."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict")
    except (UnicodeError, ValueError):
        raise InvalidRequest(("query", "must be UTF-8, percent-encoded")) from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise InvalidRequest((name, "must be there once"))
        values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(_located(str(error), "query")) from None


def _located(message: str, whole: str) -> tuple[str, str]:
    found = _AT.match(message)
    assert found is not None  # the pattern matches anything
    path = (found["path"] or "").removeprefix("$").removeprefix(".")
    named = re.match(r"^Object (?:contains unknown|missing required) field `(?P<name>[^`]*)`$", found["reason"])
    if named:
        path = f"{path}.{named['name']}".removeprefix(".")
    return path or whole, found["reason"][:1].lower() + found["reason"][1:]
