"""The database: transactions, and one store per feature.

Everything that belongs to one commit happens within `transaction()` (see `ports/ledger`). All else is a method of a
store, each in a transaction or snapshot of its own. A constructor takes the stores that it uses, not the database.
"""

from __future__ import annotations

from typing import Protocol

from sharetally.ports.accounts import AccountStore
from sharetally.ports.analytics import AnalyticsStore
from sharetally.ports.audit import AuditStore
from sharetally.ports.content_items import ContentItemStore
from sharetally.ports.counts import CountStore
from sharetally.ports.deliveries import DeliveryStore
from sharetally.ports.durability import Durability
from sharetally.ports.events import EventStore
from sharetally.ports.keys import KeyStore
from sharetally.ports.ledger import Ledger
from sharetally.ports.links import LinkStore
from sharetally.ports.posts import PostStore
from sharetally.ports.proof import ProofStore
from sharetally.ports.responses import ResponseStore
from sharetally.ports.schema import Schema
from sharetally.ports.sessions import SessionStore
from sharetally.ports.shares import ShareStore
from sharetally.ports.spending import SpendingStore
from sharetally.ports.verification_runs import VerificationRunStore


class Database(Ledger, Protocol):
    """Transactions, and the stores over the same connections."""

    @property
    def shares(self) -> ShareStore:
        """Share records."""
        ...

    @property
    def links(self) -> LinkStore:
        """Share links."""
        ...

    @property
    def counts(self) -> CountStore:
        """Counts of content items."""
        ...

    @property
    def audit(self) -> AuditStore:
        """The audit trail."""
        ...

    @property
    def keys(self) -> KeyStore:
        """API keys."""
        ...

    @property
    def sessions(self) -> SessionStore:
        """Console sessions and sign-in codes."""
        ...

    @property
    def responses(self) -> ResponseStore:
        """Responses by Idempotency-Key."""
        ...

    @property
    def events(self) -> EventStore:
        """Pending and parked events."""
        ...

    @property
    def proof(self) -> ProofStore:
        """The proof of counts."""
        ...

    @property
    def verification_runs(self) -> VerificationRunStore:
        """Full verifications."""
        ...

    @property
    def analytics(self) -> AnalyticsStore:
        """Shares over time."""
        ...

    @property
    def content_items(self) -> ContentItemStore:
        """Details of content items."""
        ...

    @property
    def deliveries(self) -> DeliveryStore:
        """Deliveries to the outside world."""
        ...

    @property
    def accounts(self) -> AccountStore:
        """Connected accounts."""
        ...

    @property
    def posts(self) -> PostStore:
        """Posts."""
        ...

    @property
    def spending(self) -> SpendingStore:
        """What posting costs."""
        ...

    @property
    def schema(self) -> Schema:
        """The schema."""
        ...

    @property
    def durability(self) -> Durability:
        """Whether commits survive a crash."""
        ...

    async def open(self) -> None:
        """Connect; `Unavailable` if the server does not answer."""
        ...

    async def close(self) -> None:
        """Close every connection; repeating is fine."""
        ...
