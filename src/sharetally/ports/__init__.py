"""What the flow needs from the world: Protocols and the values that cross them.

Each method says what success and failure are and what a repeated call does. Implementations are in
`adapters/`; one contract suite per port runs over all of them. `ledger` writes, `outbox` waits, `reading`
answers and proves, `insight` is what people look at, `database` is all of these; `broker` carries jobs, `channel`
newest counts; the rest stands `beside` them.
"""

from sharetally.ports.beside import Cache, Clock, Meter, Platform, Stop
from sharetally.ports.broker import Broker, Delivery, FeedMessage, Headers, Message, Queue, QueueState, Subscription
from sharetally.ports.channel import Channel, Listener
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
from sharetally.ports.insight import Group, Insight, RollupFilter, RollupSum, TopContent
from sharetally.ports.ledger import (
    CallerKey,
    Counted,
    Ledger,
    Locked,
    References,
    StoredAnswer,
    Total,
    Transaction,
    Writes,
)
from sharetally.ports.outbox import Backlog, EventHead, Outbox, ParkedEvent, Waiting
from sharetally.ports.reading import AuditFilter, FoundLink, LinkFilter, PlatformStatus, Proving, Reading
from sharetally.ports.signing_in import Session, SessionStore, SignInCode

__all__ = [
    "ApiKey",
    "AuditFilter",
    "Backlog",
    "Broker",
    "Cache",
    "CallerKey",
    "Channel",
    "Claimed",
    "Clock",
    "Counted",
    "Database",
    "Delivery",
    "DeliveryBacklog",
    "DeliveryCount",
    "DeliveryStore",
    "DeliveryWrites",
    "Due",
    "DueGate",
    "EventHead",
    "FeedMessage",
    "FoundLink",
    "Group",
    "Headers",
    "Insight",
    "KeyStore",
    "Ledger",
    "LinkFilter",
    "Listener",
    "Locked",
    "Message",
    "Meter",
    "NewDelivery",
    "Outbox",
    "ParkedEvent",
    "Platform",
    "PlatformStatus",
    "Proving",
    "Queue",
    "QueueState",
    "Reading",
    "References",
    "RollupFilter",
    "RollupSum",
    "Schema",
    "Session",
    "SessionStore",
    "SignInCode",
    "Stop",
    "StoredAnswer",
    "Subscription",
    "Target",
    "TopContent",
    "Total",
    "Transaction",
    "Waiting",
    "Writes",
]
