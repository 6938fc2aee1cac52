"""Where a value in a body or query is wrong, and what to send instead: msgspec's errors in the API's terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from msgspec import ValidationError, inspect

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
    if not patterns:
        return None
    pattern = patterns[0].removeprefix("^").removesuffix(r"\Z")
    variants = [each for one in types for each in (one.types if isinstance(one, inspect.UnionType) else [one])]
    schemas = [each.extra_json_schema or {} for each in variants if isinstance(each, inspect.Metadata)]
    example = next((f", like `{each['examples'][0]}`" for each in schemas if each.get("examples")), "")
    return f"must match {pattern}{example}"


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
