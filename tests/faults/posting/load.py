"""Users who post: each from an account of their own, one share after the other, and sure of an answer.

A request without an answer is repeated under its Idempotency-Key, as a careful client does, so every share that is
entered here was acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from secrets import token_hex

from tests.faults.harness import FaultHarness
from tests.faults.posting.servers import BlueskyServer, PostingServer, directory_package
from tests.oracle.client import Client, NoResponse, NotSent
from tests.oracle.system import System, Topology

PUBLIC_URL = "https://shares.example"
KEY = "rows:" + "A" * 43 + "="
REPEAT_AFTER_SECONDS = 0.3
DECLARED_EVERY = 3  # of so many shares one was declared before


@dataclass(frozen=True)
class SharedPost:
    """An acknowledged share that posts; `declared` says that its user had shared it by other means before."""

    user: str
    platform: str
    video: str
    declared: bool


@dataclass(kw_only=True)
class PostingLoad:
    """The users of `servers`, so many of each; each posts every `pause` seconds."""

    harness: FaultHarness
    servers: Sequence[PostingServer]
    users: int = 16
    bluesky_users: int = 4
    pause: float = 1.5
    shared: list[SharedPost] = field(default_factory=list)
    unposted: list[SharedPost] = field(default_factory=list)  # declared, and their post was refused

    def settings(self) -> dict[str, str]:
        """What the service needs to post there."""
        platforms = ",".join(dict.fromkeys(server.platform for server in self.servers))
        return {
            "PUBLIC_URL": PUBLIC_URL,
            "SHARE_PLATFORMS": f"twitter,{platforms}",
            "POST_PLATFORMS": platforms,
            "POST_PRIVATE_SERVERS": ",".join(server.url for server in self.servers),
            "TOKEN_KEYS": KEY,
        }

    def prepared(self, topology: Topology) -> Topology:
        """The topology with what the real server needs."""
        real = [server for server in self.servers if isinstance(server, BlueskyServer)]
        if not real:
            return topology
        return replace(topology, packages=directory_package(self.harness.folder / "packages", real[0]))

    def names(self, server: PostingServer) -> list[str]:
        """The users who post to this server."""
        number = self.bluesky_users if isinstance(server, BlueskyServer) else self.users
        place = list(self.servers).index(server)
        return [f"{server.platform}-{place}-{number}" for number in range(number)]

    async def connect(self, system: System, servers: Sequence[PostingServer] | None = None) -> None:
        """Each user connects an account, or those of these servers do so again."""
        with Client(system.port) as client:
            for server in self.servers if servers is None else servers:
                for user in self.names(server):
                    await server.connect(client, user, self.harness.promises.user_token(user))

    @asynccontextmanager
    async def running(self, system: System) -> AsyncIterator[None]:
        """Everybody posts until the block ends; the requests that are under way then are finished."""
        ended = asyncio.Event()
        tasks = [
            asyncio.create_task(self._post_on(system, server.platform, user, ended))
            for server in self.servers
            for user in self.names(server)
        ]
        try:
            yield
            ended.set()
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _post_on(self, system: System, platform: str, user: str, ended: asyncio.Event) -> None:
        with Client(system.port) as client:
            while not ended.is_set():
                number = len([each for each in (*self.shared, *self.unposted) if each.user == user])
                await self._share(client, SharedPost(user, platform, f"clip-{number}", number % DECLARED_EVERY == 0))
                try:
                    await asyncio.wait_for(ended.wait(), self.pause)
                except TimeoutError:
                    continue

    async def _share(self, client: Client, share: SharedPost) -> None:
        body: dict[str, object] = {"platforms": [share.platform]}
        if share.declared:
            await self._status(client, share, body)
        posting = {"mode": "server_post", "text": f"{share.user} saw {{url}}"}
        if await self._status(client, share, body | posting) in {200, 202}:
            self.shared.append(share)
        elif share.declared:
            self.unposted.append(share)

    async def _status(self, client: Client, share: SharedPost, body: dict[str, object]) -> int:
        token, tally = self.harness.promises.user_token(share.user), self.harness.promises.tally
        headers = {"idempotency-key": token_hex(8)}
        while True:
            try:
                response = await client.request(
                    "POST", f"/videos/{share.video}/share", body, token=token, headers=headers
                )
            except NoResponse as error:
                tally.outcomes["NotSent" if isinstance(error, NotSent) else "NoResponse"] += 1
            else:
                self.harness.promises.record_responses("share", response)
                if response.status != 503:
                    return response.status
            await asyncio.sleep(REPEAT_AFTER_SECONDS)
