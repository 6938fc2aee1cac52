"""The HTTP API: one package per feature, with its routes, bodies and handlers side by side.

The order is that of the OpenAPI document. To add an endpoint, see "Add an endpoint" in CONTRIBUTING.md.
"""

from sharetally.web.api.accounts.routes import ENDPOINTS as ACCOUNTS
from sharetally.web.api.analytics.routes import ENDPOINTS as ANALYTICS
from sharetally.web.api.audit.routes import ENDPOINTS as AUDIT
from sharetally.web.api.console.routes import ENDPOINTS as CONSOLE
from sharetally.web.api.content_items.routes import ENDPOINTS as CONTENT_ITEMS
from sharetally.web.api.counts.routes import ENDPOINTS as COUNTS
from sharetally.web.api.dead_letters.routes import ENDPOINTS as DEAD_LETTERS
from sharetally.web.api.keys.routes import ENDPOINTS as KEYS
from sharetally.web.api.links.routes import ENDPOINTS as LINKS
from sharetally.web.api.operation.routes import ENDPOINTS as OPERATION
from sharetally.web.api.operation.routes import PROBE_ENDPOINTS
from sharetally.web.api.posts.routes import ENDPOINTS as POSTS
from sharetally.web.api.shares.routes import ENDPOINTS as SHARES
from sharetally.web.api.tokens.routes import ENDPOINTS as TOKENS

__all__ = ["API_ENDPOINTS", "PROBE_ENDPOINTS"]

API_ENDPOINTS = (
    *SHARES,
    *LINKS,
    *ACCOUNTS,
    *POSTS,
    *COUNTS,
    *ANALYTICS,
    *CONTENT_ITEMS,
    *AUDIT,
    *TOKENS,
    *CONSOLE,
    *DEAD_LETTERS,
    *KEYS,
    *OPERATION,
)
