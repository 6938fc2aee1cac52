"""One caller of a system: sends requests, and waits until what it did is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from tests.oracle.client import Client, Response

TIMEOUT = 60.0  # seconds until something is counted: a minute is what the relay may need


class Caller:
    """A user with a token; `also` opens further connections to ask many things at once."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._stack = ExitStack()
        self._client = self._stack.enter_context(Client(port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    async def request(
        self, method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """One request."""
        return await self._client.request(method, target, body, token=self._token, headers=headers)

    async def request_concurrently(
        self, *requests: tuple[str, str, object], headers: Mapping[str, str] | None = None
    ) -> list[Response]:
        """All requests at the same moment, each over a connection that is open already."""
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(self._port)) for _ in requests]
            await asyncio.gather(*(client.connect() for client in clients))
            asked = zip(clients, requests, strict=True)
            return await asyncio.gather(
                *(client.request(*request, token=self._token, headers=headers) for client, request in asked)
            )

    async def counted(self, content: str) -> int:
        """The plain count, once nothing is pending for this content item (`type/id`) and it is up to date."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            proof = await self.proof(content)
            shown = (await self.request("GET", f"/share-links/count/{content}")).json()["shareCount"]
            if proof["pending"] == 0 and shown == proof["counted"]:
                return int(shown)
            await asyncio.sleep(0.05)
        raise AssertionError(f"not counted within {TIMEOUT:.0f} s: {proof}, shown {shown}")

    async def exact(self, content: str) -> int:
        """The exact count, at once."""
        return int((await self.request("GET", f"/share-links/count/{content}?consistent=true")).json()["shareCount"])

    async def proof(self, content: str) -> dict[str, Any]:
        """Ledger, pending and counted."""
        response = await self.request("GET", f"/proof/{content}")
        assert response.status == 200, response
        proof: dict[str, Any] = response.json()
        return proof

    async def actions(self, content: str) -> list[str]:
        """What one's own audit says of a content, oldest first."""
        kind, name = content.split("/")
        response = await self.request("GET", f"/audit?contentType={kind}&contentId={name}&pageSize=100")
        return [line["action"] for line in reversed(response.json()["items"])]
