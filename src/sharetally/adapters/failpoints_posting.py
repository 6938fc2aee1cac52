"""The failpoints of posting and of refreshing tokens; what a failpoint is, `failpoints.py` says.

`posting.before-send`     the attempt is stored, and no byte of the post has left
`posting.after-reply`     the platform has answered, and nobody knows it yet
`posting.before-settle`   the outcome is known, and nothing of it is written
`posting.before-commit`   the outcome is written, and not committed
`posting.after-commit`    the outcome is committed
`refresh.before-request`  the lease of the account is taken, and the platform has not been asked
`refresh.after-reply`     the platform has given new tokens, and they are stored nowhere
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sharetally.adapters.failpoints import Failpoint, failpoint_from
from sharetally.domain.account import Account, Tokens
from sharetally.domain.post import Draft, PublishOutcome
from sharetally.ports import Ledger, Transaction
from sharetally.ports.posting_platform import Connector, Publisher


def arm_publishers(publishers: Mapping[str, Publisher], environ: Mapping[str, str]) -> Mapping[str, Publisher]:
    """The same publishers; if the environment names a failpoint, they reach those before and after a post."""
    failpoint = failpoint_from(environ)
    if failpoint is not None:
        for publisher in publishers.values():
            _arm_publisher(publisher, failpoint)
    return publishers


def _arm_publisher(publisher: Publisher, failpoint: Failpoint) -> None:
    publish = publisher.publish

    async def published(account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        failpoint.reached("posting.before-send")
        outcome = await publish(account, tokens, draft)
        failpoint.reached("posting.after-reply")
        return outcome

    publisher.publish = published  # type: ignore[method-assign]  # the class may have Protocols that a wrapper lacks


def arm_connectors(connectors: Mapping[str, Connector], environ: Mapping[str, str]) -> Mapping[str, Connector]:
    """The same connectors; if the environment names a failpoint, they reach those before and after a refresh."""
    failpoint = failpoint_from(environ)
    if failpoint is not None:
        for connector in connectors.values():
            _arm_connector(connector, failpoint)
    return connectors


def _arm_connector(connector: Connector, failpoint: Failpoint) -> None:
    refresh = connector.refresh

    async def refreshed(account: Account, tokens: Tokens) -> Tokens:
        failpoint.reached("refresh.before-request")
        fresh = await refresh(account, tokens)
        failpoint.reached("refresh.after-reply")
        return fresh

    connector.refresh = refreshed  # type: ignore[method-assign]


def ledger_of_outcomes(ledger: Ledger, environ: Mapping[str, str]) -> Ledger:
    """The ledger in which deliveries store outcomes, with failpoints if the environment names one."""
    failpoint = failpoint_from(environ)
    return ledger if failpoint is None else _FailingLedger(ledger, failpoint)


class _FailingLedger(Ledger):
    def __init__(self, ledger: Ledger, failpoint: Failpoint) -> None:
        self._ledger = ledger
        self._failpoint = failpoint

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin a transaction, with failpoints before it, before its commit and after that."""
        self._failpoint.reached("posting.before-settle")
        async with self._ledger.transaction() as tx:
            yield tx
            self._failpoint.reached("posting.before-commit")
        self._failpoint.reached("posting.after-commit")

    async def committed(self, audit_ids: Sequence[UUID]) -> bool:
        return await self._ledger.committed(audit_ids)
