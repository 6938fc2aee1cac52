"""Parameters of the OpenAPI document: of the path, the query and the headers."""

from __future__ import annotations

from typing import Any

import msgspec

from sharetally.web.endpoint import AnyEndpoint

REF = "#/components/schemas/{name}"
_KEY = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
_ABOUT_KEY = "A repeated key gets the stored response for at least 24 hours; with another request it gets 422."
_ABOUT_TAG = "An `ETag` that the client has; if it is still current, the response is 304."
_ABOUT_LAST = "The version that the client has; the first event is the next other one. Browsers send it automatically."


def parameters(endpoint: AnyEndpoint) -> list[dict[str, Any]]:
    """Everything that one endpoint takes beside its body."""
    found = []
    if endpoint.writes:
        found.append(_parameter("Idempotency-Key", "header", _KEY | {"description": _ABOUT_KEY}, "9b2f41c0"))
    if endpoint.media_type == "text/event-stream":
        schema = {"type": "string", "pattern": "^[0-9]{1,19}$", "description": _ABOUT_LAST}
        found.append(_parameter("Last-Event-ID", "header", schema, "1795190400000000"))
    if 304 in endpoint.responses:
        schema = {"type": "string", "description": _ABOUT_TAG}
        found.append(_parameter("If-None-Match", "header", schema, '"1795190400000000"'))
    return [*_of(endpoint.path_type, "path"), *_of(endpoint.query, "query"), *found]


def as_json_schema(schema: Any) -> Any:
    """A schema as JSON Schema has it: a pattern ends in `$`, and a description stands beside the schema."""
    if isinstance(schema, dict):
        converted = {key: as_json_schema(each) for key, each in schema.items()}
        pattern = converted.get("pattern")
        if isinstance(pattern, str) and pattern.endswith(r"\Z"):
            converted["pattern"] = pattern.removesuffix(r"\Z") + "$"
        return converted
    return [as_json_schema(each) for each in schema] if isinstance(schema, list) else schema


def _of(kind: type[msgspec.Struct], where: str) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([kind], ref_template=REF)
    properties = components[kind.__name__]["properties"]
    return [_parameter(name, where, schema) for name, schema in properties.items()]


def _parameter(name: str, where: str, schema: dict[str, Any], example: str | None = None) -> dict[str, Any]:
    """One parameter; what its schema says of it stands where readers of documents look."""
    plain = {key: value for key, value in as_json_schema(schema).items() if key not in ("description", "examples")}
    found = {"name": name, "in": where, "required": where == "path", "schema": plain}
    if "description" in schema:
        found["description"] = schema["description"]
    shown = example if example is not None else next(iter(schema.get("examples", ())), None)
    return found if shown is None else {**found, "example": shown}
