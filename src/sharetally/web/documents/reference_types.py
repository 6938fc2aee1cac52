"""Shows the types of the OpenAPI document: what a field is, its limits, and its description."""

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
    """Text as HTML; text in backticks becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def type_text(schema: Schema) -> str:
    """The type of a value."""
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
    """The name of the type that a reference points to."""
    return str(schema["$ref"]).rsplit("/", 1)[1]


def limits(schema: Schema) -> str:
    """The limits of a value, and its default."""
    one = _non_null(schema)
    limit_texts = [found for bounds in _BOUNDS if (found := _bounds(one, *bounds))]
    if "pattern" in one:
        pattern = one["pattern"]
        if r"\u0000" not in pattern:
            limit_texts.append(f"matches <code>{escape(pattern)}</code>")
        else:  # a rule about control characters is easier to read in words
            allowed = " except tabs and line breaks" if pattern == PROSE else ""
            limit_texts.append(f"no control characters{allowed}")
    if "enum" in one.get("not", {}):
        limit_texts.append("not " + " or ".join(f"<code>{escape(each)}</code>" for each in one["not"]["enum"]))
    if schema.get("default") is not None:
        default = schema["default"]
        shown = str(default).lower() if isinstance(default, bool) else str(default) or "''"
        limit_texts.append(f"default <code>{escape(shown)}</code>")
    return "; ".join(limit_texts)


def _non_null(schema: Schema) -> Schema:
    """The schema of a value that may be null, for when it is not null."""
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


def fields(schema: Schema) -> str:
    """The fields of an object, as a table."""
    required = set(schema.get("required", ()))
    rows = [row(name, each, required=name in required) for name, each in schema.get("properties", {}).items()]
    return table(("Field", "Type", "Description"), rows)


def row(name: str, schema: Schema, *, required: bool, about: str = "") -> Sequence[str]:
    """The row of a field or a parameter."""
    optional = "" if required else ' <small class="maybe">optional</small>'
    text = about or str(schema.get("description") or _non_null(schema).get("description", ""))
    words = [part for part in (prose(text), f"<small>{limits(schema)}</small>" if limits(schema) else "") if part]
    return f"<code>{escape(name)}</code>{optional}", type_text(schema), "<br>".join(words)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls separately in a narrow window; the cells are HTML."""
    head = "".join(f"<th>{each}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" for cells in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
