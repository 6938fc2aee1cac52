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
    info = document["info"]
    about = "".join(f"<p>{prose(part)}</p>" for part in info["description"].split("\n\n"))
    schemes = []
    for scheme in document["components"]["securitySchemes"].values():
        header = "Authorization: Bearer …" if scheme["type"] == "http" else f"{scheme['name']}: …"
        if scheme.get("in") == "cookie":
            header = f"Cookie: {scheme['name']}=…"
        schemes.append((f"<code>{escape(header)}</code>", prose(scheme["description"])))
    head = (
        f'<header id="top"><h1>{escape(info["title"])}</h1><p class="lead">{escape(info["summary"])}</p>'
        f'<p><small>Version {escape(info["version"])} · <a href="openapi.json">OpenAPI {document["openapi"]}</a> · '
        '<a href="asyncapi.json">AsyncAPI 3.0</a> · '
        f"paths are relative to <code>{escape(document['servers'][0]['url'])}</code></small></p>{about}"
        f"<h3>Authentication</h3>{table(('Header', 'Contains'), schemes)}</header>"
    )
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
    return f'{_contents(document)}<main class="reference">{head}{groups}{types}</main>'


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


def _operation(document: Document, method: str, path: str, operation: Document) -> str:
    """One section: what it does, its parameters, body, responses and errors, and an example."""
    parameters = [
        (f"{name}<br><small>{each['in']}</small>", kind, about)
        for each in operation["parameters"]
        for name, kind, about in [
            row(each["name"], each["schema"], required=each["required"], about=each.get("description", ""))
        ]
    ]
    takes = f"<h4>Parameters</h4>{table(('Name', 'Type', 'Description'), parameters)}" if parameters else ""
    body = example = ""
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        model = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        body = f"<h4>Body</h4><p>{prose(model['description'])}</p>{fields(model)}"
    successes, errors = [], []
    for status, response in sorted(operation["responses"].items()):
        content = response.get("content", {})
        for code, problem in content.get("application/problem+json", {}).get("examples", {}).items():
            link = f'<a href="problems/{code}"><code>{code}</code></a>'
            errors.append((status, link, prose(problem["value"]["title"])))
        if status >= "400" and "application/problem+json" in content:
            continue
        types = ", ".join(type_text(media["schema"]) for media in content.values()) or "none"
        description = prose(response["description"])
        if names := [f"<code>{escape(name)}</code>" for name in response["headers"] if name != "X-Request-Id"]:
            description += f"<br><small>with {', '.join(names)}</small>"
        successes.append((status, types, description))
        for media in content.values():
            if not example and "example" in media:
                value = media["example"]
                text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
                example = f'<pre tabindex="0">{escape(text)}</pre>'
    responses = table(("Status", "Body", "Description"), successes)
    return (
        f'<section id="{operation["operationId"]}"><h3>{_method(method)} <code>{escape(path)}</code></h3>'
        f"<p>{prose(operation['summary'])}. {prose(operation['description'])}</p>"
        f"{takes}{body}<h4>Responses</h4>{responses}"
        f"<details><summary>Errors</summary>{table(('Status', 'Code', 'Description'), errors)}</details>"
        f'<h4>Example</h4><pre class="request" tabindex="0">{escape(_curl(method, path, operation))}</pre>{example}'
        "</section>"
    )


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
