"""What the flow needs from the world: Protocols and the values that cross them.

Each method says what success and failure are and what a repeated call does. Implementations are in
`adapters/`; one contract suite per port runs over all of them. `ledger` writes, `outbox` waits, `read_store`
answers and proves, `analytics` is what people look at, `database` is all of these; `broker` carries jobs, `channel`
newest counts; `cache`, `clock`, `meter`, `platform` and `stop` are what else the flow uses.
"""

from sharetally.ports.analytics import AnalyticsStore, GroupBy, RollupFilter, RollupSum, TopContent
from sharetally.ports.broker import Broker, Delivery, FeedMessage, Headers, Message, Queue, QueueState, Subscription
from sharetally.ports.cache import Cache
from sharetally.ports.channel import Channel, Listener
from sharetally.ports.clock import Clock
from sharetally.ports.database import ApiKey, Database, KeyStore, Schema
from sharetally.ports.deliveries import (
    Claimed,
    DeliveryBacklog,
    DeliveryCount,
    DeliveryStore,
    DeliveryWrites,
    Due,
    DueGate,
    NewDelivery,
    Target,
)
from sharetally.ports.ledger import (
    CountedBatch,
    CountedEvent,
    IdempotencyKey,
    Ledger,
    LockedRows,
    LockSet,
    StoredResponse,
    Total,
    Transaction,
    Writes,
)
from sharetally.ports.meter import Meter
from sharetally.ports.outbound import (
    AddressRefused,
    ConnectFailed,
    ExchangeFailed,
    ExchangeTimedOut,
    Outbound,
    OutboundError,
    OutboundResponse,
    ResponseTooLarge,
)
from sharetally.ports.outbox import Backlog, BacklogReport, EventRef, Outbox, ParkedEvent
from sharetally.ports.platform import Platform
from sharetally.ports.quota import Grant, Leases, Usage
from sharetally.ports.read_store import AuditFilter, LinkFilter, LinkTarget, PlatformStatus, ProofStore, ReadStore
from sharetally.ports.sessions import Session, SessionStore, SignInCode
from sharetally.ports.stop import Stop

__all__ = [
    "AddressRefused",
    "AnalyticsStore",
    "ApiKey",
    "AuditFilter",
    "Backlog",
    "BacklogReport",
    "Broker",
    "Cache",
    "Channel",
    "Claimed",
    "Clock",
    "ConnectFailed",
    "CountedBatch",
    "CountedEvent",
    "Database",
    "Delivery",
    "DeliveryBacklog",
    "DeliveryCount",
    "DeliveryStore",
    "DeliveryWrites",
    "Due",
    "DueGate",
    "EventRef",
    "ExchangeFailed",
    "ExchangeTimedOut",
    "FeedMessage",
    "Grant",
    "GroupBy",
    "Headers",
    "IdempotencyKey",
    "KeyStore",
    "Leases",
    "Ledger",
    "LinkFilter",
    "LinkTarget",
    "Listener",
    "LockSet",
    "LockedRows",
    "Message",
    "Meter",
    "NewDelivery",
    "Outbound",
    "OutboundError",
    "OutboundResponse",
    "Outbox",
    "ParkedEvent",
    "Platform",
    "PlatformStatus",
    "ProofStore",
    "Queue",
    "QueueState",
    "ReadStore",
    "ResponseTooLarge",
    "RollupFilter",
    "RollupSum",
    "Schema",
    "Session",
    "SessionStore",
    "SignInCode",
    "Stop",
    "StoredResponse",
    "Subscription",
    "Target",
    "TopContent",
    "Total",
    "Transaction",
    "Usage",
    "Writes",
]
