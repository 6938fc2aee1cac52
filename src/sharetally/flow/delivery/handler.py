"""What a kind of delivery has to bring: how it is attempted, and what else its outcome changes."""

from __future__ import annotations

from typing import Protocol

from sharetally.domain.backoff import Backoff
from sharetally.domain.delivery import Delivery, Outcome
from sharetally.ports import Transaction


class Handler(Protocol):
    """One per kind."""

    @property
    def kind(self) -> str:
        """Whose deliveries it handles."""
        ...

    @property
    def retries(self) -> Backoff:
        """The pauses between attempts that fail, and how many attempts there are."""
        ...

    @property
    def seconds(self) -> float:
        """How long one attempt may take; then it is cancelled and has failed."""
        ...

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Attempt it once. An exception counts as a `Retry` until the attempts have run out, then as `Dead`."""
        ...

    async def settle(self, tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
        """Write what follows from an outcome, in the transaction that stores it; rolled back if the lease is lost.

        It may lock what comes before delivery targets in the lock order, and nothing after it.
        """
        ...

    async def discard(self, tx: Transaction, delivery: Delivery, *, actor: str, reason: str) -> None:
        """Write what follows when a person gives a dead or unknown delivery up, in the same transaction."""
        ...
