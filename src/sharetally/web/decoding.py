"""Bodies and query strings: read within their limit, decoded into the endpoint's own types.

Every fault names the field and says what is wrong with it; nothing was done when one is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import UnsetType, ValidationError, inspect
from starlette.types import Receive

from sharetally.domain.content import text_fault
from sharetally.domain.errors import InvalidRequest, TooLarge


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
    try:
        return msgspec.convert(_coerce(values, kind), kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(locate_error(error, kind, "query")) from None


@lru_cache(maxsize=64)
def _default_query(kind: type[msgspec.Struct]) -> Any:
    """The query of who asks for nothing special; a parameter that is needed has no such value."""
    try:
        return msgspec.convert({}, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(locate_error(error, kind, "query")) from None


def _coerce(values: Mapping[str, str], kind: type[msgspec.Struct]) -> dict[str, object]:
    """What reads as the number or switch that it must be becomes one; the rest stays text, to be judged as such."""
    scalars = _non_text_fields(kind)
    coerced: dict[str, object] = dict(values)
    for name in scalars.keys() & values.keys():
        value = values[name]
        if scalars[name] is bool and value in _BOOLEANS:
            coerced[name] = _BOOLEANS[value]
        elif scalars[name] is int and re.fullmatch(r"-?[0-9]{1,18}", value):
            coerced[name] = int(value)
    return coerced


_BOOLEANS = {"true": True, "false": False}


@lru_cache(maxsize=64)
def _non_text_fields(kind: type[msgspec.Struct]) -> Mapping[str, type]:
    """The parameters that are no text: numbers and switches."""
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    kinds = {each.encode_name: type(_without_metadata(each.type)) for each in described.fields}
    return {name: _SCALAR_TYPES[found] for name, found in kinds.items() if found in _SCALAR_TYPES}


_SCALAR_TYPES: Mapping[type[inspect.Type], type] = {inspect.IntType: int, inspect.BoolType: bool}


def _without_metadata(described: inspect.Type) -> inspect.Type:
    return described.type if isinstance(described, inspect.Metadata) else described


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


# where an error is, and what to send instead

_ERROR_WITH_PATH = re.compile(r"^(?P<reason>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD_ERROR = re.compile(r"^Object (?:contains unknown|missing required) field `(?P<name>[^`]*)`$")
_ENUM_ERROR = "Invalid enum value "
_PATTERN_ERROR = "Expected `str` matching regex "
_PATH_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[[^\]]*\]")


def locate_error(error: ValidationError, kind: Any, default_path: str) -> tuple[str, str]:
    """The path of the field, or `default_path`, and the reason, for a value that is no `kind`."""
    match = _ERROR_WITH_PATH.match(str(error))
    assert match is not None  # the pattern matches anything
    path, reason = match["path"] or "", match["reason"]
    if field_error := _FIELD_ERROR.match(reason):
        path += f".{field_error['name']}"
    elif reason.startswith((_ENUM_ERROR, _PATTERN_ERROR)):
        reason = _expected(kind, re.sub(r"\[[^\]]*\]", "[]", path)) or reason
    return path.removeprefix(".") or default_path, reason[:1].lower() + reason[1:]


@lru_cache(maxsize=256)
def _expected(kind: Any, path: str) -> str | None:
    """What may stand there, where that is one of a few words or has a form."""
    types = [inspect.type_info(kind)]
    for path_step in _PATH_STEP.finditer(path):
        types = [part for each in types for part in _field_types(each, path_step["name"])]
    kinds = [each for one in types for each in _unwrapped_types(one)]
    choices = [str(word) for each in kinds if isinstance(each, inspect.LiteralType) for word in each.values]
    patterns = [each.pattern for each in kinds if isinstance(each, inspect.StrType) and each.pattern]
    if choices:
        return f"must be one of {', '.join(choices)}"
    return f"must match {_displayed(patterns[0])}{_example(types)}" if patterns else None


def _displayed(pattern: str) -> str:
    return pattern.removeprefix("^").removesuffix(r"\Z")


def _field_types(type_info: inspect.Type, name: str | None) -> Iterator[inspect.Type]:
    """The types of a field, or where no name is given of an item."""
    for each in _unwrapped_types(type_info):
        if isinstance(each, inspect.StructType):
            yield from (field.type for field in each.fields if field.encode_name == name)
        elif isinstance(each, inspect.CollectionType):
            yield each.item_type
        elif isinstance(each, inspect.DictType):
            yield each.value_type


def _unwrapped_types(type_info: inspect.Type) -> Iterator[inspect.Type]:
    """Every type that it may have, without what is said about it."""
    if isinstance(type_info, inspect.Metadata):
        yield from _unwrapped_types(type_info.type)
    elif isinstance(type_info, inspect.UnionType):
        for each in type_info.types:
            yield from _unwrapped_types(each)
    else:
        yield type_info


def _example(types: list[inspect.Type]) -> str:
    for type_info in types:
        for each in type_info.types if isinstance(type_info, inspect.UnionType) else [type_info]:
            if isinstance(each, inspect.Metadata) and (examples := (each.extra_json_schema or {}).get("examples")):
                return f", like `{examples[0]}`"
    return ""
