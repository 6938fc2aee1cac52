"""The interfaces between the flow and everything outside it: Protocols, and the values that cross them.

One file per port. Each method states success, failure and what a repeated call does. The implementations are in
`adapters/`; one contract suite per port runs over all of them. `database` has `ledger`'s transactions and one store per
feature; `broker` carries jobs, `channel` the newest counts.
"""

from sharetally.ports.accounts import (
    AccountKey,
    AccountStore,
    AccountWrite,
    PendingConnection,
    StoredAccount,
    TokenWrite,
)
from sharetally.ports.analytics import AnalyticsStore, GroupBy, RollupFilter, RollupSum, TopContent
from sharetally.ports.audit import AuditFilter, AuditStore
from sharetally.ports.broker import Broker, Delivery, FeedMessage, Headers, Message, Queue, QueueState, Subscription
from sharetally.ports.cache import Cache
from sharetally.ports.channel import Channel, Listener
from sharetally.ports.clock import Clock
from sharetally.ports.content_items import ContentItemStore
from sharetally.ports.counts import CountStore, PlatformStatus
from sharetally.ports.database import Database
from sharetally.ports.deliveries import (
    Claimed,
    ClosedGate,
    DeliveryBacklog,
    DeliveryCount,
    DeliveryStore,
    DeliveryWrites,
    Due,
    DueGate,
    NewDelivery,
    Target,
)
from sharetally.ports.events import Backlog, BacklogReport, EventRef, EventStore, ParkedEvent
from sharetally.ports.keys import ApiKey, KeyStore
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
from sharetally.ports.links import LinkFilter, LinkStore, LinkTarget
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
from sharetally.ports.platform import Button, Platform
from sharetally.ports.proof import ProofStore
from sharetally.ports.quota import Grant, Leases, Usage
from sharetally.ports.responses import ResponseStore
from sharetally.ports.schema import Schema
from sharetally.ports.sessions import Session, SessionStore, SignInCode
from sharetally.ports.shares import ShareStore
from sharetally.ports.stop import Stop
from sharetally.ports.vault import SealContext, TokenKey, Vault, VaultError
from sharetally.ports.verification_runs import VerificationRunStore

__all__ = [
    "AccountKey",
    "AccountStore",
    "AccountWrite",
    "AddressRefused",
    "AnalyticsStore",
    "ApiKey",
    "AuditFilter",
    "AuditStore",
    "Backlog",
    "BacklogReport",
    "Broker",
    "Button",
    "Cache",
    "Channel",
    "Claimed",
    "Clock",
    "ClosedGate",
    "ConnectFailed",
    "ContentItemStore",
    "CountStore",
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
    "EventStore",
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
    "LinkStore",
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
    "ParkedEvent",
    "PendingConnection",
    "Platform",
    "PlatformStatus",
    "ProofStore",
    "Queue",
    "QueueState",
    "ResponseStore",
    "ResponseTooLarge",
    "RollupFilter",
    "RollupSum",
    "Schema",
    "SealContext",
    "Session",
    "SessionStore",
    "ShareStore",
    "SignInCode",
    "Stop",
    "StoredAccount",
    "StoredResponse",
    "Subscription",
    "Target",
    "TokenKey",
    "TokenWrite",
    "TopContent",
    "Total",
    "Transaction",
    "Usage",
    "Vault",
    "VaultError",
    "VerificationRunStore",
    "Writes",
]
