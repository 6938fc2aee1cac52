"""The HTML reference of the API: one page that is made from the OpenAPI document, without scripts or other files.

It is made from the document alone, so the two always agree. All text of the document is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from sharetally.web.documents.reference_types import fields, prose, row, table, type_text

Document = Mapping[str, Any]


def reference(document: Document) -> str:
    """The body of the page."""
    groups = ""
    for tag in document["tags"]:
        name = escape(tag["name"])
        operations = "".join(_operation(document, *each) for each in _operations(document, tag["name"]))
        groups += f'<h2 id="{_anchor(name)}">{name}</h2><p class="lead">{prose(tag["description"])}</p>{operations}'
    types = "".join(
        f'<section id="{escape(name)}"><h3><code>{escape(name)}</code></h3>'
        f"<p>{prose(schema.get('description', ''))}</p>{fields(schema)}</section>"
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    types = f'<h2 id="types">Types</h2>{types}'
    return f'{_contents(document)}<main class="reference">{_head(document)}{groups}{types}</main>'


def _operations(document: Document, tag: str) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield method, path, operation


def _contents(document: Document) -> str:
    groups = []
    for tag in document["tags"]:
        items = []
        for method, path, operation in _operations(document, tag["name"]):
            breakable = escape(path).replace("/", "/<wbr>").replace("/<wbr>", "/", 1)
            link = f'<a href="#{operation["operationId"]}">{_method(method)}<span>{breakable}</span></a>'
            items.append(f"<li>{link}</li>")
        heading = f'<h2><a href="#{_anchor(tag["name"])}">{escape(tag["name"])}</a></h2>'
        groups.append(f"{heading}<ul>{''.join(items)}</ul>")
    return f'<nav aria-label="Contents"><a class="name" href="#top">Sharetally</a>{"".join(groups)}</nav>'


def _anchor(tag: str) -> str:
    return tag.lower().replace(" ", "-")


def _method(method: str) -> str:
    return f'<b class="method {method}">{method.upper()}</b>'


def _head(document: Document) -> str:
    info = document["info"]
    about = "".join(f"<p>{prose(part)}</p>" for part in info["description"].split("\n\n"))
    schemes = [
        (f"<code>{escape(_header_example(scheme))}</code>", prose(scheme["description"]))
        for scheme in document["components"]["securitySchemes"].values()
    ]
    return (
        f'<header id="top"><h1>{escape(info["title"])}</h1><p class="lead">{escape(info["summary"])}</p>'
        f'<p><small>Version {escape(info["version"])} · <a href="openapi.json">OpenAPI {document["openapi"]}</a> · '
        '<a href="asyncapi.json">AsyncAPI 3.0</a> · '
        f"paths are relative to <code>{escape(document['servers'][0]['url'])}</code></small></p>{about}"
        f"<h3>Authentication</h3>{table(('Header', 'Contains'), schemes)}</header>"
    )


def _header_example(scheme: Document) -> str:
    if scheme["type"] == "http":
        return "Authorization: Bearer …"
    return f"Cookie: {scheme['name']}=…" if scheme["in"] == "cookie" else f"{scheme['name']}: …"


def _operation(document: Document, method: str, path: str, operation: Document) -> str:
    return (
        f'<section id="{operation["operationId"]}"><h3>{_method(method)} <code>{escape(path)}</code></h3>'
        f"<p>{prose(operation['summary'])}. {prose(operation['description'])}</p>"
        f"{_parameters(operation)}{_body(document, operation)}{_responses(operation)}{_problems(operation)}"
        f"{_example(method, path, operation)}</section>"
    )


def _parameters(operation: Document) -> str:
    rows = []
    for each in operation["parameters"]:
        description = each.get("description", "")
        name, kind, about = row(each["name"], each["schema"], required=each["required"], about=description)
        rows.append((f"{name}<br><small>{each['in']}</small>", kind, about))
    return f"<h4>Parameters</h4>{table(('Name', 'Type', 'Description'), rows)}" if rows else ""


def _body(document: Document, operation: Document) -> str:
    if "requestBody" not in operation:
        return ""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    body = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return f"<h4>Body</h4><p>{prose(body['description'])}</p>{fields(body)}"


def _responses(operation: Document) -> str:
    rows = []
    for status, response in sorted(operation["responses"].items()):
        content = response.get("content", {})
        if status >= "400" and "application/problem+json" in content:
            continue  # `_problems` shows it
        body = ", ".join(type_text(media["schema"]) for media in content.values()) or "none"
        description = prose(response["description"])
        if names := [f"<code>{escape(name)}</code>" for name in response["headers"] if name != "X-Request-Id"]:
            description += f"<br><small>with {', '.join(names)}</small>"
        rows.append((status, body, description))
    return f"<h4>Responses</h4>{table(('Status', 'Body', 'Description'), rows)}"


def _problems(operation: Document) -> str:
    rows = []
    for status, response in sorted(operation["responses"].items()):
        media = response.get("content", {}).get("application/problem+json")
        for code, example in media["examples"].items() if media else ():
            rows.append(
                (status, f'<a href="problems/{code}"><code>{code}</code></a>', prose(example["value"]["title"]))
            )
    return f"<details><summary>Errors</summary>{table(('Status', 'Code', 'Description'), rows)}</details>"


def _example(method: str, path: str, operation: Document) -> str:
    request = f'<pre class="request" tabindex="0">{escape(_curl(method, path, operation))}</pre>'
    for response in operation["responses"].values():
        for media in response.get("content", {}).values():
            if "example" in media:
                example = media["example"]
                text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
                return f'<h4>Example</h4>{request}<pre tabindex="0">{escape(text)}</pre>'
    return f"<h4>Example</h4>{request}"


def _curl(method: str, path: str, operation: Document) -> str:
    for each in operation["parameters"]:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(each["example"], safe=""))
    lines = [f'curl {"" if method == "get" else f"-X {method.upper()} "}"$SHARETALLY{path}"']
    if operation["security"] and {} not in operation["security"]:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    if "requestBody" in operation:
        body = json.dumps(operation["requestBody"]["content"]["application/json"]["example"], ensure_ascii=False)
        lines += ["-H 'Content-Type: application/json'", f"-d '{body}'"]
    return " \\\n  ".join(lines)
