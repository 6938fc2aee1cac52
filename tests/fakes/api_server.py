"""The HTTP side of a fake platform: it answers what its OpenAPI description allows, or does what a fault says.

Each operation of the description is a method of the fake with the name of its `operationId`. Requests and replies are
checked against the description; what does not fit is kept in `violations`, and a test that leaves one there fails.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema_rs
from openapi_spec_validator.readers import read_from_filename

DESCRIPTIONS = Path(__file__).with_name("openapi")
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request; `path` holds the parameters of the path, header names are lower case."""

    method: str
    target: str
    path: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The body of a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def bearer(self) -> str:
        """The access token."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a server answers."""

    status: int = 200
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def encode(self) -> tuple[bytes, dict[str, str]]:
        """Body and headers."""
        body = b"" if self.json is None else json.dumps(self.json).encode()
        return body, {**({"content-type": self.content_type} if body else {}), **self.headers}


class Ending(StrEnum):
    """What happens to a connection instead of a reply."""

    STALL = "stall"
    RESET = "reset"
    SLOW_BODY = "slow body"
    MALFORMED = "malformed"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to the next request of one operation; `carried_out` says whether the server does its work first."""

    carried_out: bool
    reply: Reply | None = None
    ending: Ending | None = None


class ApiServer:
    """A server for one description; a fake derives from it."""

    description: str

    def __init__(self) -> None:
        document, _ = read_from_filename(str(DESCRIPTIONS / self.description))
        self._document: dict[str, Any] = dict(document)
        self._operations = list(_operations(self._document))
        self.url = ""
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.faults: dict[str, list[Fault]] = {}
        self.latency = 0.0  # seconds from the work to the reply

    def fail(self, operation: str, fault: Fault, *more: Fault) -> None:
        """Let the next requests of this operation meet these faults."""
        self.faults.setdefault(operation, []).extend([fault, *more])

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve on a free port until the end; nothing may have contradicted the description."""
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await self._converse(reader, writer)
            except (OSError, EOFError, asyncio.CancelledError):
                return  # the client has left, or the test is over
            finally:
                tasks.discard(task)
                writer.close()

        listener = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            listener.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert not self.violations, "\n".join(self.violations)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            method, target, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            operation = next((each for each in self._operations if each.matches(method, urlsplit(target).path)), None)
            if operation is None:
                self.violations.append(f"{method} {target} is not described")
                await _write(writer, Reply(status=404))
                continue
            request = Request(
                method=method,
                target=target,
                path=operation.parameters(urlsplit(target).path),
                query=dict(parse_qsl(urlsplit(target).query, keep_blank_values=True)),
                headers=headers,
                body=body,
            )
            self.requests.append(request)
            self.violations += operation.request_violations(request)
            await self._respond(operation, request, writer)

    async def _respond(self, operation: _Operation, request: Request, writer: asyncio.StreamWriter) -> None:
        handler: Callable[[Request], Reply] = getattr(self, operation.name)
        faults = self.faults.get(operation.name, [])
        fault = faults.pop(0) if faults else Fault(carried_out=True)
        reply = handler(request) if fault.carried_out else Reply(status=500)
        reply = fault.reply or reply
        body, _ = reply.encode()
        if self.latency:
            await asyncio.sleep(self.latency)
        match fault.ending:
            case None:
                self.violations += operation.reply_violations(reply)
                await _write(writer, reply)
            case Ending.STALL:
                await asyncio.Event().wait()
            case Ending.RESET:
                writer.transport.abort()
                raise EOFError
            case Ending.SLOW_BODY:
                writer.write(b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n" % (reply.status, len(body) + 100_000))
                while not writer.is_closing():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.01)
                raise EOFError
            case Ending.MALFORMED:
                await _write(writer, reply, body[:-2] or b"{")


async def _write(writer: asyncio.StreamWriter, reply: Reply, body: bytes | None = None) -> None:
    whole, headers = reply.encode()
    if body is not None:
        headers = {name: value for name, value in headers.items() if name == "content-type"}
    sent = whole if body is None else body
    lines = [f"HTTP/1.1 {reply.status} Status", f"content-length: {len(sent)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
    await writer.drain()


@dataclass(frozen=True, kw_only=True)
class _Operation:
    """One operation of a description."""

    document: dict[str, Any]
    method: str
    path: re.Pattern[str]
    described: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.described["operationId"])

    def matches(self, method: str, path: str) -> bool:
        return method == self.method and self.path.fullmatch(path) is not None

    def parameters(self, path: str) -> dict[str, str]:
        found = self.path.fullmatch(path)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else {}

    def request_violations(self, request: Request) -> Iterator[str]:
        known = {"path": request.path, "query": request.query, "header": request.headers}
        described = [self._resolve(each) for each in self.described.get("parameters", [])]
        for parameter in described:
            values = known[parameter["in"]]
            if parameter["name"] in values:
                yield from self._mismatches(parameter["name"], values[parameter["name"]], parameter["schema"])
            elif parameter.get("required"):
                yield f"{self.name}: {parameter['in']} {parameter['name']} is missing"
        names = {parameter["name"] for parameter in described if parameter["in"] == "query"}
        yield from (f"{self.name}: query {name} is not described" for name in request.query if name not in names)
        content = self.described.get("requestBody", {}).get("content", {})
        media = request.headers.get("content-type", "")
        if not content:
            if request.body:
                yield f"{self.name}: a body is not described"
        elif media not in content:
            yield f"{self.name}: content type {media} is not described"
        else:
            body = request.form if media == FORM else request.json
            yield from self._mismatches("request", body, content[media]["schema"])

    def reply_violations(self, reply: Reply) -> Iterator[str]:
        responses = self.described["responses"]
        if str(reply.status) not in responses:
            yield f"{self.name}: status {reply.status} is not described"
            return
        response = self._resolve(responses[str(reply.status)])
        for name, header in response.get("headers", {}).items():
            if name in reply.headers:
                yield from self._mismatches(name, reply.headers[name], header["schema"])
            elif header.get("required"):
                yield f"{self.name}: header {name} of {reply.status} is missing"
        content = response.get("content", {})
        if reply.json is not None and reply.content_type not in content:
            yield f"{self.name}: {reply.content_type} of {reply.status} is not described"
        elif content and reply.json is None:
            yield f"{self.name}: the body of {reply.status} is missing"
        elif content:
            yield from self._mismatches(f"{reply.status}", reply.json, content[reply.content_type]["schema"])

    def _mismatches(self, what: str, value: object, schema: dict[str, Any]) -> Iterator[str]:
        whole = {**schema, "components": self.document.get("components", {})}
        for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(value):
            yield f"{self.name}: {what}: {error.message}"

    def _resolve(self, described: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in described:
            return described
        found: Any = self.document
        for part in described["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return dict(found)


def _operations(document: dict[str, Any]) -> Iterator[_Operation]:
    for path, methods in document["paths"].items():
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
        for method, described in methods.items():
            yield _Operation(document=document, method=method.upper(), path=pattern, described=described)
