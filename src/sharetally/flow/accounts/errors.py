"""What can go wrong with an account, as the caller of a use case sees it."""

from __future__ import annotations

from sharetally.domain.errors import Conflict, NotFound


class AccountMissing(NotFound):
    """There is no such account, or it is somebody else's."""

    def __init__(self) -> None:
        super().__init__("no such account")


class ReconnectNeeded(Conflict):
    """The platform no longer accepts our permission; only the user can connect the account again."""

    def __init__(self) -> None:
        super().__init__("the platform has ended the permission to post: connect the account again")


class UnknownConnection(Conflict):
    """The state or choice of a callback is not one that this browser may use."""

    def __init__(self) -> None:
        super().__init__(
            "this connection was begun in another browser, was finished before, or took longer than ten minutes"
        )


class ConnectionDeclined(Conflict):
    """The user or the platform said no; the detail contains the platform's code for it (RFC 6749, 4.1.2.1)."""


class ConnectionRefused(Conflict):
    """The account cannot be connected; the detail says why, and what the user can do."""
