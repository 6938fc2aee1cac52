"""What other servers answer: bounded in size and time, and only by https or from this machine.

Whoever could change what comes (keys, addresses, tokens) could sign in as anybody, so nothing else will do. Redirects
are not followed: an address that was configured, or told by one that was, is where the answer comes from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2

from sharetally.domain.errors import Misconfigured

PATIENCE = 5.0  # seconds that an answer may take, all of it
MAX_BYTES = 256 * 1024
FAULTS = (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError)
"""What `fetched` raises where nothing usable came."""


class Fetched(NamedTuple):
    """What came, whole."""

    status: int
    body: bytes


def check_address(url: str, named: str) -> str:
    """The address; `Misconfigured`, with what it is `named`, unless it is https or on this machine."""
    if not is_safe(url):
        raise Misconfigured(f"{named}: must be https://, for whoever can change what comes can sign in as anybody")
    return url


def is_safe(url: str) -> bool:
    """Whether what comes from there cannot be changed on its way."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname)))


def _is_here(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


async def fetched(
    url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> Fetched:
    """GET, or POST of a form; one of `FAULTS` if nobody answers in time, or too much comes."""
    if not is_safe(url):
        raise ValueError("the address is neither https nor on this machine")
    # what comes uncompressed cannot grow in our hands
    asked = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    method = "GET" if form is None else "POST"
    async with (
        asyncio.timeout(PATIENCE),
        httpx2.AsyncClient(timeout=PATIENCE, headers=asked, follow_redirects=False) as client,
        client.stream(method, url, data=form) as answer,
    ):
        return Fetched(answer.status_code, await _body(answer))


async def _body(answer: httpx2.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > MAX_BYTES:
            raise ValueError("too long")
    return bytes(body)
