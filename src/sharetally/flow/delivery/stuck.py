"""Dead and unknown deliveries: an operator replays them once the cause is fixed, or discards them with a reason.

They are shown, replayed and discarded in the same place as parked events.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from sharetally.domain.delivery import Delivery
from sharetally.domain.errors import BrokerUnavailable, NotFound
from sharetally.flow import parked_events
from sharetally.flow.delivery.handler import Handler
from sharetally.flow.delivery.nudge import JOB
from sharetally.flow.jobs import NOT_JSON
from sharetally.ports import Broker, DeliveryStore, Ledger, Message

MAX_PER_TRANSACTION = 500
SPREAD = timedelta(seconds=10)  # when there are several chunks, the deliveries of each become due over this period


class About(NamedTuple):
    """The share that a delivery concerns, as far as its payload names it; otherwise empty or None."""

    content_type: str = ""
    content_id: str = ""
    record_id: str | None = None
    user_id: str | None = None
    platform: str | None = None
    request_id: str = ""


def about(delivery: Delivery) -> About:
    """Read it from the payload, in which all kinds use the same field names."""
    try:
        found = _common.decode(delivery.payload)
    except NOT_JSON:
        return About()
    return About(
        content_type=found.contentType,
        content_id=found.contentId,
        record_id=found.recordId,
        user_id=found.userId,
        platform=found.platform,
        request_id=found.requestId,
    )


class _Common(msgspec.Struct, frozen=True):
    contentType: str = ""  # noqa: N815
    contentId: str = ""  # noqa: N815
    recordId: str | None = None  # noqa: N815
    userId: str | None = None  # noqa: N815
    platform: str | None = None
    requestId: str = ""  # noqa: N815


_common = msgspec.json.Decoder(_Common)


class StuckDeliveries:
    """Lists, replays and discards dead and unknown deliveries."""

    def __init__(self, *, store: DeliveryStore, ledger: Ledger, handlers: Sequence[Handler]) -> None:
        self._store = store
        self._ledger = ledger
        self._handlers = {handler.kind: handler for handler in handlers}

    async def newest(self, *, limit: int, after: UUID | None = None) -> Sequence[Delivery]:
        """The newest first, beginning after this id if there is one."""
        return await self._store.stuck(limit=limit, after=after)

    async def find(self, delivery_id: UUID) -> Delivery | None:
        """The dead or unknown delivery with this id, if there is one."""
        return await self._store.stuck_by_id(delivery_id)

    async def replay(self, ids: Sequence[UUID], broker: Broker | None) -> list[UUID]:
        """Make these deliveries wait again, 500 in one transaction, and nudge a worker if the broker is available.

        Returns the ids of those that were dead or unknown.
        """
        replayed: list[UUID] = []
        for start in range(0, len(ids), MAX_PER_TRANSACTION):
            chunk = ids[start : start + MAX_PER_TRANSACTION]
            replayed += await self._store.replay(chunk, over=SPREAD if len(ids) > MAX_PER_TRANSACTION else timedelta())
        if replayed and broker is not None:
            with suppress(BrokerUnavailable):
                await broker.publish([Message(job=JOB, body=b"[]")])
        return replayed

    async def replay_all(self, broker: Broker | None) -> list[UUID]:
        """Replay all of them, however many there are; each is replayed once."""
        replayed: list[UUID] = []
        after: UUID | None = None
        while page := await self._store.stuck(limit=MAX_PER_TRANSACTION, after=after):
            replayed += await self.replay([each.id for each in page], broker)
            after = page[-1].id
        return replayed

    async def discard(self, delivery_id: UUID, *, actor: str, reason: str) -> None:
        """Discard one and write what follows from that, in one transaction; `NotFound` if it is not dead or unknown."""
        parked_events.check_author_and_reason(actor, reason)
        found = await self._store.stuck_by_id(delivery_id)
        if found is None:
            raise NotFound(f"no dead delivery {delivery_id}")
        async with self._ledger.transaction() as tx:
            handler = self._handlers.get(found.kind)
            if handler is not None:
                await handler.discard(tx, found, actor=actor, reason=reason)
            if await tx.deliveries.discard(delivery_id, f"discarded by {actor}: {reason}") is None:
                raise NotFound(f"no dead delivery {delivery_id}")
