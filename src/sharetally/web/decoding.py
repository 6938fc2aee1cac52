"""Bodies and query strings: read within their limit, decoded into the endpoint's own types.

Every fault names the field and says what is wrong with it; nothing was done when one is found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import UnsetType, inspect
from starlette.types import Receive

from sharetally.domain.content import text_fault
from sharetally.domain.errors import InvalidRequest, TooLarge
from sharetally.web.decode_errors import locate_error


async def read_body(receive: Receive, limit: int, content_length: str | None) -> bytes:
    """The whole body; `TooLarge` as soon as it is known to be longer than `limit` bytes."""
    if content_length is not None and content_length.isdecimal() and int(content_length[:20]) > limit:
        raise TooLarge(f"a body here has at most {limit} bytes")
    chunks, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest(("body", "was cut off"))
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"a body here has at most {limit} bytes")
        if not message.get("more_body", False):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)


def decode_body(raw: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """The body as its type; `InvalidRequest` names the field."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidRequest(locate_error(error, decoder.type, "body")) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = "is empty; send a JSON object" if not raw else f"is not JSON: {error}"
        raise InvalidRequest(("body", reason)) from None


def decode_query(raw: bytes, kind: type[msgspec.Struct]) -> Any:
    """The query string as its type; every parameter once, unknown ones refused."""
    if not raw:
        return _default_query(kind)
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict")
    except (UnicodeError, ValueError):
        raise InvalidRequest(("query", "must be UTF-8, percent-encoded")) from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise InvalidRequest((name, "must be there once"))
        if fault := text_fault(value):
            raise InvalidRequest((name, fault))
        values[name] = value
    # What reads as the number or switch that it must be becomes one; the rest stays text, and is judged as such.
    coerced: dict[str, object] = dict(values)
    for name, scalar in _non_text_fields(kind).items():
        value = values.get(name, "")
        if scalar is bool and value in _BOOLEANS:
            coerced[name] = _BOOLEANS[value]
        elif scalar is int and re.fullmatch(r"-?[0-9]{1,18}", value):
            coerced[name] = int(value)
    try:
        return msgspec.convert(coerced, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(locate_error(error, kind, "query")) from None


@lru_cache(maxsize=64)
def _default_query(kind: type[msgspec.Struct]) -> Any:
    """The query of who asks for nothing special; a parameter that is needed has no such value."""
    try:
        return msgspec.convert({}, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(locate_error(error, kind, "query")) from None


_BOOLEANS = {"true": True, "false": False}


@lru_cache(maxsize=64)
def _non_text_fields(kind: type[msgspec.Struct]) -> Mapping[str, type]:
    """The parameters that are no text: numbers and switches."""
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    scalars = {}
    for each in described.fields:
        kind_of_field = type(each.type.type if isinstance(each.type, inspect.Metadata) else each.type)
        if kind_of_field in _SCALAR_TYPES:
            scalars[each.encode_name] = _SCALAR_TYPES[kind_of_field]
    return scalars


_SCALAR_TYPES: Mapping[type[inspect.Type], type] = {inspect.IntType: int, inspect.BoolType: bool}


def to_utc(moment: datetime | UnsetType | None, path: str) -> datetime | None:
    """The moment in UTC, None where there is none; it lies from 1970 to 9999, as all databases can store."""
    if not isinstance(moment, datetime):
        return None
    if moment.year < 1970:
        raise InvalidRequest((path, "must not lie before 1970"))
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest((path, "must lie before the year 10000 in UTC too")) from None
