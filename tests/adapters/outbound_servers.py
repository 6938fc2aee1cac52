"""Real servers that an outbound client talks to, on the loopback; each does one thing to its connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Writer: TypeAlias = asyncio.StreamWriter
Respond: TypeAlias = Callable[[Writer], Awaitable[None]]


@dataclass
class Server:
    """A running server: its port, where each connection arrived, each request, and each name in a TLS handshake."""

    port: int = 0
    addresses: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        """A URL that leads here."""
        return f"{scheme}://{host}:{self.port}/path?query=1"


@asynccontextmanager
async def serving(
    respond: Respond, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A server that reads each request completely and then responds."""
    server = Server()

    async def handle(reader: asyncio.StreamReader, writer: Writer) -> None:
        server.addresses.append(writer.get_extra_info("sockname")[0])
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = [line for line in head.lower().splitlines() if line.startswith("content-length:")]
                body = await reader.readexactly(int(length[0].partition(":")[2])) if length else b""
                server.requests.append(head + body.decode())
                await respond(writer)
                await writer.drain()
        except (OSError, EOFError):
            return  # the client has left
        finally:
            writer.close()

    if tls is not None:
        tls.sni_callback = lambda _, name, __: server.server_names.append(name)
    listener = await asyncio.start_server(handle, host, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


def responding(body: bytes = b"hello", *, status: str = "200 OK", headers: str = "") -> Respond:
    """Respond with this, and keep the connection."""

    async def respond(writer: Writer) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    return respond


async def hanging_up(writer: Writer) -> None:
    """Close the connection instead of responding."""
    writer.close()


async def stalling(writer: Writer) -> None:
    """Begin a response and never go on."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
    await writer.drain()
    await asyncio.Event().wait()


async def dripping(writer: Writer) -> None:
    """Send a byte now and then, for ever: no single read ever waits long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def flooding(writer: Writer) -> None:
    """Send a body without an end, as fast as it is read."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


async def speaking_nonsense(writer: Writer) -> None:
    """Respond with something that is not HTTP."""
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    writer.close()


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The TLS contexts of a server with a throw-away certificate for this name, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    file = folder / f"{name}.pem"
    file.write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())
