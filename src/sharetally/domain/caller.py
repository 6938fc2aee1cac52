"""The caller of a request: the user whom it concerns, who acts for that user, and what the credential allows."""

from __future__ import annotations

from typing import NamedTuple

SCOPES = ("shares", "audit", "analytics", "admin", "act-as")
VISITOR = "visitor:"  # prefix of the id of a person without an account


def is_visitor(user_id: str) -> bool:
    """Whether this is a person without an account, whom only the token that we issued identifies."""
    return user_id.startswith(VISITOR)


class Caller(NamedTuple):
    """Who sends a request, and with which scopes.

    `actor` is the user, or `key:<name>` if a server acts for the user; a visitor without an account is `visitor:<id>`.
    A token without scopes has `shares`; no scope includes another.
    """

    user_id: str
    actor: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the credential carries this scope."""
        return scope in self.scopes
