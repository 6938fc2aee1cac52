"""What a decoder's complaint means to whoever sent the value: which field, and what to send instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from msgspec import ValidationError, inspect

_AT = re.compile(r"^(?P<reason>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"^Object (?:contains unknown|missing required) field `(?P<name>[^`]*)`$")
_OF_FEW = "Invalid enum value "
_OF_A_FORM = "Expected `str` matching regex "
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[[^\]]*\]")


def located(error: ValidationError, kind: Any, whole: str) -> tuple[str, str]:
    """The path of the field, or `whole`, and the reason, for a value that is no `kind`."""
    found = _AT.match(str(error))
    assert found is not None  # the pattern matches anything
    path, reason = found["path"] or "", found["reason"]
    if named := _FIELD.match(reason):
        path += f".{named['name']}"
    elif reason.startswith((_OF_FEW, _OF_A_FORM)):
        reason = _wanted(kind, re.sub(r"\[[^\]]*\]", "[]", path)) or reason
    return path.removeprefix(".") or whole, reason[:1].lower() + reason[1:]


@lru_cache(maxsize=256)
def _wanted(kind: Any, path: str) -> str | None:
    """What may stand there, where that is one of a few words or has a form."""
    here = [inspect.type_info(kind)]
    for step in _STEP.finditer(path):
        here = [part for each in here for part in _parts(each, step["name"])]
    kinds = [each for one in here for each in _plain(one)]
    words = [str(word) for each in kinds if isinstance(each, inspect.LiteralType) for word in each.values]
    forms = [each.pattern for each in kinds if isinstance(each, inspect.StrType) and each.pattern]
    if words:
        return f"must be one of {', '.join(words)}"
    return f"must match {_shown(forms[0])}{_example(here)}" if forms else None


def _shown(pattern: str) -> str:
    return pattern.removeprefix("^").removesuffix(r"\Z")


def _parts(described: inspect.Type, name: str | None) -> Iterator[inspect.Type]:
    """The types of a field, or where no name is given of an item."""
    for each in _plain(described):
        if isinstance(each, inspect.StructType):
            yield from (field.type for field in each.fields if field.encode_name == name)
        elif isinstance(each, inspect.CollectionType):
            yield each.item_type
        elif isinstance(each, inspect.DictType):
            yield each.value_type


def _plain(described: inspect.Type) -> Iterator[inspect.Type]:
    """Every type that it may have, without what is said about it."""
    if isinstance(described, inspect.Metadata):
        yield from _plain(described.type)
    elif isinstance(described, inspect.UnionType):
        for each in described.types:
            yield from _plain(each)
    else:
        yield described


def _example(here: list[inspect.Type]) -> str:
    for described in here:
        for each in described.types if isinstance(described, inspect.UnionType) else [described]:
            if isinstance(each, inspect.Metadata) and (examples := (each.extra_json_schema or {}).get("examples")):
                return f", like `{examples[0]}`"
    return ""
