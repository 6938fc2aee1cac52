"""An internet for tests: names have the addresses that a test gives them, and all servers are one on the loopback.

Only names, addresses and the certificate are made up. The client is the one that the service uses, with its guard.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpcore2
import pytest

from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.outbound_guard import AddressGuard
from tests.adapters.outbound_servers import certificate

PUBLIC = "93.184.216.34"
Respond = Callable[[str, str], "Page"]


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a server answers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Internet:
    """Who has which address, what servers answer by host and path, and what happened."""

    addresses: dict[str, list[list[str]]] = field(default_factory=dict)
    respond: Respond = field(default=lambda host, path: Page(status=404))
    resolved: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    port: int = 0

    def name(self, host: str, *answers: Sequence[str]) -> None:
        """A name with the addresses of each look-up in turn; the last answer stays."""
        self.addresses[host] = [list(each) for each in answers or [[PUBLIC]]]

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a name, as a resolver says at this moment."""
        self.resolved.append(host)
        answers = self.addresses.get(host)
        if answers is None:
            raise OSError(f"{host} is not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request to any of its servers."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split("\r\n")[0].split(" ")
        (host,) = [line.partition(":")[2].strip() for line in head.split("\r\n") if line.lower().startswith("host:")]
        lengths = [line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        sent = await reader.readexactly(int(lengths[0])) if lengths else b""
        self.requests.append(f"{method} https://{host}{path} {sent.decode()}".strip())
        page = self.respond(host, path)
        body = b"" if page.body is None else json.dumps(page.body).encode()
        fields = {"content-type": "application/json", "content-length": str(len(body)), **page.headers}
        lines = [f"HTTP/1.1 {page.status} Status", "connection: close", *(f"{key}: {fields[key]}" for key in fields)]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def open_internet(folder: Path, monkeypatch: pytest.MonkeyPatch, *hosts: str) -> AsyncIterator[Internet]:
    """The whole service is in it; there are certificates for `hosts`, of which each has a public address."""
    internet = Internet()
    for host in hosts:
        internet.name(host)
    contexts = {host: certificate(folder, host) for host in hosts}
    server, client = contexts[hosts[0]][0], ssl.create_default_context()
    for host in hosts:
        pem = (folder / f"{host}.pem").read_text()
        client.load_verify_locations(cadata=pem[: pem.index("-----BEGIN PRIVATE KEY")])

    def choose(socket: ssl.SSLObject, name: str, _: ssl.SSLContext) -> None:
        if name in contexts:
            socket.context = contexts[name][0]

    server.sni_callback = choose
    network_connect = httpcore2.AnyIOBackend.connect_tcp

    async def connect_tcp(self: Any, host: str, port: int, *rest: Any, **named: Any) -> Any:
        internet.connected.append(f"{host}:{port}")
        if host != PUBLIC:
            raise httpcore2.ConnectError("nobody is there")
        return await network_connect(self, "127.0.0.1", internet.port, *rest, **named)

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect_tcp)
    guard = AddressGuard(resolve=internet.resolve)
    monkeypatch.setattr(
        "sharetally.wiring.posting_outbound", lambda settings: OutboundClient(guard=guard, ssl_context=client)
    )
    listener = await asyncio.start_server(internet.serve, "127.0.0.1", 0, ssl=server)
    internet.port = listener.sockets[0].getsockname()[1]
    try:
        yield internet
    finally:
        listener.close()
