"""The parameters in the OpenAPI document: those of the path, the query and the headers."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sharetally.web.endpoint import Endpoint
from sharetally.web.schemas.fields import ID, ContentType, Id, Uuid

REF = "#/components/schemas/{name}"
_Platform = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        description="The name of a platform, in upper or lower case; `x` means `twitter`.",
        examples=["twitter"],
        extra_json_schema={"pattern": ID, "not": {"enum": [".", ".."]}},
    ),
]
_Code = Annotated[str, Meta(pattern="^[0-9A-Za-z]{1,64}$", description="The code of a link or of a record.")]
_PATH_SCHEMAS: dict[str, Any] = {
    "contentType": ContentType,
    "contentId": Id,
    "videoId": Id,
    "platform": _Platform,
    "id": Uuid,
    "recordId": Uuid,
    "code": _Code,
}
_EXAMPLES = {
    "contentType": "video",
    "contentId": "dQw4w9WgXcQ",
    "videoId": "dQw4w9WgXcQ",
    "platform": "twitter",
    "id": "0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f",
    "code": "aB3dE5fG7h",
    "recordId": "0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e40",
}
_KEY = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
_ABOUT_KEY = "If the same key is sent again, for at least 24 hours, the stored response is returned; "
"another request gets 422."
_ABOUT_TAG = "An `ETag` that the client knows; if it is still current, the response is 304."
_ABOUT_LAST = "The version that the client knows: the first event is the next version. Browsers send it automatically."


def parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    """All parameters of an endpoint, without its body."""
    in_path = [
        _parameter(name, "path", msgspec.json.schema(_PATH_SCHEMAS[name]), _EXAMPLES[name])
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    in_query: list[dict[str, Any]] = []
    if endpoint.query is not None:
        _, components = msgspec.json.schema_components([endpoint.query], ref_template=REF)
        properties = components[endpoint.query.__name__]["properties"]
        in_query = [_parameter(name, "query", schema) for name, schema in properties.items()]
    return [*in_path, *in_query, *_in_headers(endpoint)]


def as_json_schema(schema: Any) -> Any:
    """The schema in the syntax of JSON Schema, where a pattern ends in `$` instead of `\\Z`."""
    if isinstance(schema, list):
        return [as_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {key: as_json_schema(each) for key, each in schema.items()}
    pattern = converted.get("pattern")
    if isinstance(pattern, str) and pattern.endswith(r"\Z"):
        converted["pattern"] = pattern.removesuffix(r"\Z") + "$"
    return converted


def _in_headers(endpoint: Endpoint) -> list[dict[str, Any]]:
    found = []
    if endpoint.writes:
        found.append(_parameter("Idempotency-Key", "header", _KEY | {"description": _ABOUT_KEY}, "9b2f41c0"))
    if endpoint.media_type == "text/event-stream":
        schema = {"type": "string", "pattern": "^[0-9]{1,19}$", "description": _ABOUT_LAST}
        found.append(_parameter("Last-Event-ID", "header", schema, "1795190400000000"))
    if 304 in endpoint.responses:
        schema = {"type": "string", "description": _ABOUT_TAG}
        found.append(_parameter("If-None-Match", "header", schema, '"1795190400000000"'))
    return found


def _parameter(name: str, where: str, schema: dict[str, Any], example: str | None = None) -> dict[str, Any]:
    """One parameter, with the description and the example of its schema at the level where OpenAPI has them."""
    plain = {key: value for key, value in as_json_schema(schema).items() if key not in ("description", "examples")}
    found = {"name": name, "in": where, "required": where == "path", "schema": plain}
    if "description" in schema:
        found["description"] = schema["description"]
    shown = example if example is not None else next(iter(schema.get("examples", ())), None)
    return found if shown is None else {**found, "example": shown}
