"""Dead and unknown deliveries: a person replays them once the cause is gone, or discards them with a reason.

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

AT_ONCE = 500
SPREAD = timedelta(seconds=10)  # in which the deliveries of one chunk become due, when there are several


class About(NamedTuple):
    """What a payload says of the share that a delivery is about; empty or None where it does not say."""

    content_type: str = ""
    content_id: str = ""
    record_id: str | None = None
    user_id: str | None = None
    platform: str | None = None
    request_id: str = ""


def about(delivery: Delivery) -> About:
    """Read it from the payload, whose names all kinds have in common."""
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
    """What a person can do about them."""

    def __init__(self, *, store: DeliveryStore, ledger: Ledger, handlers: Sequence[Handler]) -> None:
        self._store = store
        self._ledger = ledger
        self._handlers = {handler.kind: handler for handler in handlers}

    async def newest(self, *, limit: int, after: UUID | None = None) -> Sequence[Delivery]:
        """Newest first, those after this id in that order."""
        return await self._store.stuck(limit=limit, after=after)

    async def find(self, delivery_id: UUID) -> Delivery | None:
        """One of them."""
        return await self._store.stuck_by_id(delivery_id)

    async def replay(self, ids: Sequence[UUID], broker: Broker | None) -> list[UUID]:
        """Make them wait again, 500 in one transaction, and nudge a worker if the broker is there."""
        replayed: list[UUID] = []
        for start in range(0, len(ids), AT_ONCE):
            chunk = ids[start : start + AT_ONCE]
            replayed += await self._store.replay(chunk, over=SPREAD if len(ids) > AT_ONCE else timedelta())
        if replayed and broker is not None:
            with suppress(BrokerUnavailable):
                await broker.publish([Message(job=JOB, body=b"[]")])
        return replayed

    async def replay_all(self, broker: Broker | None) -> list[UUID]:
        """All of them, however many; each is replayed once."""
        replayed: list[UUID] = []
        after: UUID | None = None
        while page := await self._store.stuck(limit=AT_ONCE, after=after):
            replayed += await self.replay([each.id for each in page], broker)
            after = page[-1].id
        return replayed

    async def discard(self, delivery_id: UUID, *, actor: str, reason: str) -> None:
        """Give one up, with what follows from that, in one transaction; `NotFound` if it is not dead or unknown."""
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
