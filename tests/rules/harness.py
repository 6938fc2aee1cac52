"""The service on a database, called from a test that is not async, which counts only when the test wants it to.

On a database server there are two instances, as two processes would be: simultaneous requests go to both in turn.
Time stands still between two calls, so that a failed run fails again. `settle` ends it as any run ends: the workers
take every message that was published in the meantime, and find nothing left to count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import uvloop

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.stores.delivery_rows import WITH_PAYLOAD, D
from sharetally.domain.ids import new_id
from sharetally.domain.proof import VerificationResult
from sharetally.domain.share import ShareRecord, Status
from sharetally.flow.delivery.attempt import Attempts
from sharetally.flow.delivery.claiming import EPOCH
from sharetally.flow.posting.message import PostMessage, decode_post
from sharetally.ports import EventRef, Writes
from sharetally.wiring import start_embedded_workers
from tests.contracts.database_rows import created_event, records_by_key, write_rows
from tests.rules.model import Content, Key, Request
from tests.web.api import Api, HttpResponse, make_settings, start_api

T = TypeVar("T")
ALL = 10_000  # more events than ever wait


@dataclass(frozen=True)
class FreshLease:
    """A lease that nobody takes over."""

    worker: UUID
    stale: bool = False


class ServiceHarness:
    """One or two services over one database."""

    def __init__(self, runner: asyncio.Runner, apis: Sequence[Api]) -> None:
        self._runner = runner
        self.apis = apis
        consumers = apis[0].core.consumers
        self._owners = {job: consumer for consumer in consumers for job in consumer.queue.jobs}

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """Let time pass until this is done."""
        return self._runner.run(step)

    def request(self, request: Request) -> HttpResponse:
        """One request to the first of them."""
        return self.run(_send(self.apis[0], request))

    def request_concurrently(self, requests: Sequence[Request]) -> list[HttpResponse]:
        """All at the same time, to each of them in turn."""

        async def gathered() -> list[HttpResponse]:
            turns = (_send(self.apis[place % len(self.apis)], each) for place, each in enumerate(requests))
            return list(await asyncio.gather(*turns))

        return self.run(gathered())

    def get(self, target: str, **how: Any) -> HttpResponse:
        """The present state."""
        return self.run(self.apis[0].request("GET", target, **how))

    def now(self) -> datetime:
        """The database's clock, as the service knows it."""
        return self.apis[0].core.clock.now()

    def store(self, record: ShareRecord) -> None:
        """A record as only posting would leave it; a live one is still to be counted."""
        events = [created_event(record, at=record.first_shared_at)] if record.status is Status.SUCCESS else []
        self.run(write_rows(self.apis[0].database, Writes(new_records=records_by_key(record), events=events)))

    def waiting(self, contents: Sequence[Content]) -> list[EventRef]:
        """Everything that is not counted or posted yet, oldest first."""
        heads = self.run(self.apis[0].database.events.claim(sorted(self._owners), None, ALL))
        mine = (head for head in heads if (head.content.type, head.content.id) in contents)
        return sorted(mine, key=lambda head: head.id)

    def posts(self, contents: Sequence[Content]) -> Mapping[UUID, Key]:
        """The deliveries that wait for a post: whose, and where."""

        async def waiting() -> list[tuple[UUID, PostMessage]]:
            statement = WITH_PAYLOAD.where(D.c.state == "waiting")
            async with self.apis[0].database._engine.read_connection() as connection:
                return [(row["id"], decode_post(row["payload"])) for row in await connection.rows(statement)]

        found = {
            each: ((post.contentType, post.contentId), post.platform, post.userId) for each, post in self.run(waiting())
        }
        return {each: key for each, key in found.items() if key[0] in contents}

    def post(self) -> None:
        """Everything that waits for a post is attempted once."""

        async def attempted() -> None:
            core = self.apis[0].core
            worker = new_id()
            await core.database.deliveries.register(worker, "test")
            attempts = Attempts(
                ledger=core.ledger, clock=core.clock, meter=core.meter, on_committed=core.publisher.take
            )
            (handler,) = core.delivery_handlers
            for gate in (await core.database.deliveries.due({handler.kind}, EPOCH)).gates:
                claimed = await core.database.deliveries.claim(worker, gate, {handler.kind}, EPOCH, ALL)
                for delivery in claimed.deliveries:
                    await attempts.run(handler, delivery, FreshLease(worker))

        while self.run(self.apis[0].database.deliveries.due({"post"}, EPOCH)).gates:
            self.run(attempted())

    def deliver(self, heads: Sequence[EventRef]) -> None:
        """Pass jobs to their consumers, one batch for each."""
        for owner in dict.fromkeys(self._owners[head.job] for head in heads):
            self.run(owner.handle([head for head in heads if self._owners[head.job] is owner]))

    def settle(self) -> VerificationResult:
        """Every message comes at last; then look at everything."""

        async def settled() -> VerificationResult:
            for api in self.apis:
                end = start_embedded_workers(api.core)
                assert isinstance(api.core.broker, MemoryBroker)
                await api.core.broker.join()
                await end()
            return await self.apis[0].database.proof.verify(None, lambda _: None)

        return self.run(settled())


@contextmanager
def open_harness(folder: Path, database_url: str) -> Iterator[ServiceHarness]:
    """The service, ready, over a database that is at its head."""
    chosen = make_settings(folder, database_url, LINK_HOSTS="example.org")
    services = 1 if database_url.startswith("sqlite") else 2
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stack = AsyncExitStack()
        try:
            apis = [runner.run(stack.enter_async_context(start_api(chosen, counting=False))) for _ in range(services)]
            yield ServiceHarness(runner, apis)
        finally:
            runner.run(stack.aclose())


async def _send(api: Api, request: Request) -> HttpResponse:
    headers = {"idempotency-key": request.key} if request.key else {}
    return await api.request(
        request.method, request.target, request.body, user=request.user, scope=request.scope, headers=headers
    )
