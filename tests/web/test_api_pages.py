"""What people and tools read: the OpenAPI document, its reading form, the pages of errors, the demo."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from sharetally.web.documents.examples import EXAMPLES
from sharetally.web.problems import STATUS
from tests.web.api import Api
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
CODES = {
    "invalid-request": 400,
    "unsupported-platforms": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "conflict": 409,
    "gone": 410,
    "too-large": 413,
    "idempotency-key-reused": 422,
    "job-id-reused": 422,
    "upgrade-required": 426,
    "rate-limited": 429,
    "internal": 500,
    "platform-unavailable": 502,
    "unavailable": 503,
}


async def described(api: Api) -> dict[str, Any]:
    response = await api.request("GET", "/openapi.json", user=None)
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = response.json
    return found


def operations(found: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, each) for path, methods in found["paths"].items() for method, each in methods.items()]


async def test_the_document_is_valid_openapi_3_1(readonly_api: Api) -> None:
    found = await described(readonly_api)
    assert found["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(found).iter_errors()] == []


async def test_it_has_every_route_of_the_contract(readonly_api: Api) -> None:
    found = {(method.upper(), path) for method, path, _ in operations(await described(readonly_api))}
    share = ("/videos/{videoId}", "/content/{contentType}/{contentId}")
    expected = {("POST", f"{base}/share") for base in share}
    expected |= {("GET", f"{base}/share-status") for base in share}
    expected |= {("DELETE", f"{base}/share/{{platform}}") for base in share}
    expected |= {("POST", f"{base}/share/{{platform}}/retry") for base in share}
    expected |= {("GET", "/platforms"), ("GET", "/audit"), ("POST", "/tokens"), ("GET", "/s/{code}")}
    expected |= {("POST", "/share-links"), ("GET", "/share-links")}
    expected |= {(method, "/share-links/{id}") for method in ("GET", "PATCH", "DELETE")}
    count = "/share-links/count/{contentType}/{contentId}"
    expected |= {("GET", count), ("POST", f"{count}/adjustments"), ("GET", "/proof/{contentType}/{contentId}")}
    expected |= {("POST", "/share-links/counts"), ("POST", "/share-links/adjustments")}
    expected |= {("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/metrics")}
    assert found >= expected


async def test_everything_has_an_example_and_a_description(readonly_api: Api) -> None:
    found = await described(readonly_api)
    for method, path, each in operations(found):
        where = f"{method} {path}"
        assert each["summary"], where
        assert each["operationId"], where
        for parameter in each["parameters"]:
            assert parameter["in"] != "path" or "example" in parameter, (where, parameter["name"])
        media = [each["requestBody"]["content"]] if "requestBody" in each else []
        media += [answer.get("content", {}) for answer in each["responses"].values()]
        for content in media:
            assert all("example" in body or body["examples"] for body in content.values()), where
        assert all("X-Request-Id" in answer["headers"] for answer in each["responses"].values()), where


async def test_no_constraint_is_left_out(readonly_api: Api) -> None:
    """Every text and list that comes in is bounded, every object that comes in is closed."""
    found = await described(readonly_api)
    schemas = found["components"]["schemas"]
    for name in [name for name in schemas if schemas[name].get("additionalProperties") is False]:
        for field, schema in schemas[name]["properties"].items():
            assert bounded(schema), (name, field)
    bodies = [each["requestBody"]["content"] for _, _, each in operations(found) if "requestBody" in each]
    named = {body["application/json"]["schema"]["$ref"].rpartition("/")[2] for body in bodies}
    assert all(schemas[name]["additionalProperties"] is False for name in named)
    for _, path, each in operations(found):
        for parameter in each["parameters"]:
            if parameter["name"] != "If-None-Match":
                assert bounded(parameter["schema"]), (path, parameter["name"])


def bounded(schema: dict[str, Any]) -> bool:
    if "anyOf" in schema:
        return all(bounded(each) for each in schema["anyOf"])
    if schema.get("type") == "string":
        return bool({"maxLength", "pattern", "format"} & set(schema))
    if schema.get("type") == "array":
        return "maxItems" in schema and bounded(schema["items"])
    if schema.get("type") == "object":
        return "maxProperties" in schema and bounded(schema["additionalProperties"])
    if schema.get("type") == "integer":
        return {"minimum", "maximum"} <= set(schema)
    return "$ref" in schema or "enum" in schema or schema.get("type") in ("boolean", "null")


@pytest.mark.parametrize(
    "kind", [kind for kind in EXAMPLES if not issubclass(kind, str)], ids=lambda kind: kind.__name__
)
def test_each_example_is_one_of_its_kind(kind: Any) -> None:
    decoded = msgspec.convert(EXAMPLES[kind], kind)
    assert json.loads(msgspec.json.encode(decoded)).keys() >= EXAMPLES[kind].keys()


@pytest.mark.parametrize(
    ("more", "server"),
    [
        ({}, "/"),
        ({"ROOT_PATH": "/shares"}, "/shares"),
        ({"PUBLIC_URL": "https://sh.example/x", "ROOT_PATH": "/x"}, "https://sh.example/x"),
    ],
)
async def test_it_contains_the_address_of_the_service(make_api: MakeApi, more: dict[str, str], server: str) -> None:
    async with make_api(**more) as api:
        assert (await described(api))["servers"] == [{"url": server}]


# pages


class Page(HTMLParser):
    """What a page refers to, which anchors it has, and whether its tags are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.refers: list[str] = []
        self.anchors: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == [], self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.tags.append(tag)
        self.refers += [value for name in ("href", "src") if (value := found.get(name))]
        self.anchors += [found["id"] or ""] if "id" in found else []
        assert "style" not in found, "the policy forbids styles in attributes"
        assert not any(name.startswith("on") for name in found)
        if tag not in ("meta", "link", "br", "wbr", "input", "img", "path"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


async def page(api: Api, path: str) -> Page:
    response = await api.request("GET", path, user=None)
    assert (response.status, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    return Page(response.body.decode())


async def test_the_reading_form_needs_nothing_from_elsewhere_and_leads_nowhere_wrong(readonly_api: Api) -> None:
    docs = await page(readonly_api, "/docs")
    assert "script" not in docs.tags
    assert len(docs.anchors) == len(set(docs.anchors))
    for address in docs.refers:
        assert not re.match(r"[a-z]+:|//", address), address
        if address.startswith("#"):
            assert address[1:] in docs.anchors, address
        else:
            assert (await readonly_api.request("GET", f"/{address.removeprefix('/')}", user=None)).status == 200, (
                address
            )


async def test_the_reading_form_has_all_that_the_document_has(readonly_api: Api) -> None:
    found, docs = await described(readonly_api), await page(readonly_api, "/docs")
    for _, path, each in operations(found):
        assert each["operationId"] in docs.anchors
        assert path in docs.text
        assert each["summary"] in docs.text.replace("’", "'")
        for parameter in each["parameters"]:
            assert parameter["name"] in docs.text
    for name, schema in found["components"]["schemas"].items():
        assert name in docs.anchors
        assert all(field in docs.text for field in schema["properties"])
    assert all(code in docs.text for code in CODES if code != "method-not-allowed")


def test_the_documented_codes_match_the_contract() -> None:
    assert {code: status for code, (status, _) in STATUS.items()} == CODES


@pytest.mark.parametrize("code", CODES)
async def test_every_error_has_a_page(readonly_api: Api, code: str) -> None:
    found = await page(readonly_api, f"/problems/{code}")
    assert code in found.text
    assert str(CODES[code]) in found.text
    for address in found.refers:
        assert address in ("/page.css", "/icon.svg", "../docs")


async def test_under_a_root_path_pages_find_their_parts(make_api: MakeApi) -> None:
    async with make_api(ROOT_PATH="/shares") as api:
        for path in ("/docs", "/problems/gone"):
            assert "/shares/page.css" in (await page(api, path)).refers
        assert (await api.request("GET", "/shares/page.css")).headers["content-type"] == "text/css; charset=utf-8"


async def test_the_demo_is_served_with_all_its_files(readonly_api: Api) -> None:
    demo = await page(readonly_api, "/demo")
    local = [address for address in demo.refers if not address.startswith(("#", "http"))]
    for address in local:
        response = await readonly_api.request("GET", f"/{address.removeprefix('/')}", user=None)
        assert response.status == 200, address
