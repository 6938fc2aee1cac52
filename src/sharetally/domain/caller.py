"""Who asks: the user the request is about, who acts for them, and what they may."""

from __future__ import annotations

from dataclasses import dataclass

SCOPES = ("shares", "audit", "admin", "act-as")


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """`actor` is the user, or `key:<name>` where a server acts; `address` is the client's.

    A token without scopes has `shares`; no scope implies another.
    """

    user_id: str
    actor: str
    scopes: frozenset[str]
    address: str = ""

    def may(self, scope: str) -> bool:
        """Whether the credential carries this scope."""
        return scope in self.scopes
