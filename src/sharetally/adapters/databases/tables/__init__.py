"""The schema as statements see it, one file per feature; `adapters/migrations` creates it.

A test compares the two. What a column means is explained at the value in `domain/` that it stores; the tables say only
what a database needs to know.
"""

from sharetally.adapters.databases.tables.access import api_keys, console_codes, console_sessions
from sharetally.adapters.databases.tables.accounts import accounts, oauth_states
from sharetally.adapters.databases.tables.content_items import content_details, content_words
from sharetally.adapters.databases.tables.counts import (
    events,
    last_verify,
    queue_marks,
    share_counts,
    share_rollups,
    share_totals,
)
from sharetally.adapters.databases.tables.deliveries import (
    deliveries,
    delivery_gates,
    delivery_log,
    delivery_targets,
    delivery_workers,
    messages,
)
from sharetally.adapters.databases.tables.posts import posts
from sharetally.adapters.databases.tables.schema import MYSQL_OPTIONS, exact_text, metadata
from sharetally.adapters.databases.tables.shares import (
    adjustments,
    idempotency_keys,
    share_audit,
    share_links,
    share_records,
)
from sharetally.adapters.databases.tables.spending import spending

__all__ = [
    "MYSQL_OPTIONS",
    "accounts",
    "adjustments",
    "api_keys",
    "console_codes",
    "console_sessions",
    "content_details",
    "content_words",
    "deliveries",
    "delivery_gates",
    "delivery_log",
    "delivery_targets",
    "delivery_workers",
    "events",
    "exact_text",
    "idempotency_keys",
    "last_verify",
    "messages",
    "metadata",
    "oauth_states",
    "posts",
    "queue_marks",
    "share_audit",
    "share_counts",
    "share_links",
    "share_records",
    "share_rollups",
    "share_totals",
    "spending",
]
