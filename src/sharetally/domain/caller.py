"""Who asks: the user the request is about, who acts for them, and what they may."""

from __future__ import annotations

from typing import NamedTuple

SCOPES = ("shares", "audit", "analytics", "admin", "act-as")


VISITOR = "visitor:"  # what the id of somebody without an account begins with


def is_visitor(user_id: str) -> bool:
    """Whether this is somebody whom nobody knows but by the token that we gave them."""
    return user_id.startswith(VISITOR)


class Caller(NamedTuple):
    """`actor` is the user, or `key:<name>` where a server acts; a visitor without an account is `visitor:<id>`.

    A token without scopes has `shares`; no scope implies another.
    """

    user_id: str
    actor: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the credential carries this scope."""
        return scope in self.scopes
