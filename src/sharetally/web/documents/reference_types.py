"""Types of the OpenAPI document in words: what a field is, within which limits, and what it is for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sharetally.web.fields import PROSE

Schema = Mapping[str, Any]
_BOUNDS = (
    ("minLength", "maxLength", "character", "characters"),
    ("minItems", "maxItems", "item", "items"),
    ("minimum", "maximum", "", ""),
)


def prose(text: str) -> str:
    """Text for people: what stands in backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def type_text(schema: Schema) -> str:
    """What a value is."""
    if "$ref" in schema:
        name = escape(name_of(schema))
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(type_text(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if "items" in schema:
        return f"list of {type_text(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"map of {type_text(schema['additionalProperties'])}"
    plain = escape(str(schema.get("type", "any")))
    return f"{plain}, {escape(schema['format'])}" if "format" in schema else plain


def name_of(schema: Schema) -> str:
    """The name of the type that a reference is to."""
    return str(schema["$ref"]).rsplit("/", 1)[1]


def limits(schema: Schema) -> str:
    """Within which limits a value is, and what it is if it is left out."""
    one = _non_null(schema)
    limit_texts = [found for bounds in _BOUNDS if (found := _bounds(one, *bounds))]
    if "pattern" in one:
        limit_texts.append(_pattern(one["pattern"]))
    if "enum" in one.get("not", {}):
        limit_texts.append("not " + " or ".join(f"<code>{escape(each)}</code>" for each in one["not"]["enum"]))
    if schema.get("default") is not None:
        limit_texts.append(f"else <code>{escape(_formatted(schema['default']))}</code>")
    return "; ".join(limit_texts)


def _pattern(pattern: str) -> str:
    """Rules about control characters are told in words."""
    if r"\u0000" not in pattern:
        return f"matches <code>{escape(pattern)}</code>"
    return "no control characters but tabs and line breaks" if pattern == PROSE else "no control characters"


def _non_null(schema: Schema) -> Schema:
    """Of what may be null, what it is when it is not."""
    real = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return real[0] if len(real) == 1 else schema


def _bounds(schema: Schema, low: str, high: str, single: str, several: str) -> str:
    least, most = schema.get(low), schema.get(high)
    if least is None and most is None:
        return ""
    unit = single if (most if most is not None else least) == 1 else several
    if least is not None and most is not None:
        words = f"{least:,} to {most:,}"
    else:
        words = f"at most {most:,}" if least is None else f"at least {least:,}"
    return f"{words} {unit}".rstrip()


def _formatted(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "''"


def fields(schema: Schema) -> str:
    """The fields of an object, as a table."""
    required = set(schema.get("required", ()))
    rows = [row(name, each, required=name in required) for name, each in schema.get("properties", {}).items()]
    return table(("Field", "Is", "About"), rows)


def row(name: str, schema: Schema, *, required: bool, about: str = "") -> Sequence[str]:
    """One field or parameter."""
    must = "" if required else ' <small class="maybe">optional</small>'
    text = about or str(schema.get("description") or _non_null(schema).get("description", ""))
    words = [part for part in (prose(text), f"<small>{limits(schema)}</small>" if limits(schema) else "") if part]
    return f"<code>{escape(name)}</code>{must}", type_text(schema), "<br>".join(words)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls by itself where the window is narrow; the cells are HTML already."""
    head = "".join(f"<th>{each}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" for cells in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
