"""What each kind of delivery defines: how it is attempted, and what else its outcome changes."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from sharetally.domain.backoff import Backoff
from sharetally.domain.delivery import Delivery, Outcome
from sharetally.ports import Transaction


class Lease(Protocol):
    """The lease under which an attempt runs."""

    @property
    def worker(self) -> UUID:
        """The worker that has it."""
        ...

    @property
    def stale(self) -> bool:
        """Whether others may soon take it over, or have done so: then nothing may be sent any more."""
        ...


class Handler(Protocol):
    """Handles all deliveries of one kind."""

    @property
    def kind(self) -> str:
        """The kind of the deliveries that it handles."""
        ...

    @property
    def retries(self) -> Backoff:
        """The pauses between attempts that fail, and how many attempts there are."""
        ...

    @property
    def seconds(self) -> float:
        """How long one attempt may take; after that it is cancelled and has failed."""
        ...

    async def deliver(self, delivery: Delivery, lease: Lease) -> Outcome:
        """Make one attempt. An exception counts as a `Retry` until the attempts have run out, and then as `Dead`."""
        ...

    async def hold_overdue(self, before: datetime) -> None:
        """After a time without any worker, note what was due before then: it may have been delivered already.

        If the database was restored from a backup, it does not know what was delivered after it.
        """
        ...

    async def settle(self, tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
        """Write what follows from an outcome, in the transaction that stores the outcome.

        The transaction is rolled back if the lease is lost. It may lock rows that come before the delivery targets in
        the lock order, but none that come after them.
        """
        ...

    async def discard(self, tx: Transaction, delivery: Delivery, *, actor: str, reason: str) -> None:
        """Write what follows when a person discards a dead or unknown delivery, in the same transaction."""
        ...
