"""What the committer's tests share: a running committer over a database, commands, and answers under a key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.caller import Caller
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Event
from sharetally.domain.share import Trigger
from sharetally.flow.committer import Committer
from sharetally.flow.hooks import Hooks
from sharetally.flow.share_commands import Share, ShareResult
from sharetally.flow.unit_of_work import IdempotentCommand, UnitOfWork
from sharetally.flow.withdraw_commands import Withdraw
from sharetally.ports import IdempotencyKey, Ledger, LockSet, Meter, StoredResponse

VIDEO = ContentRef(type="video", id="abc")
GENEROUS_TIMEOUT = 30.0  # seconds that a hook has; a busy machine is no slow hook


class CommitSizeMeter(Meter):
    """Remembers how many commands each commit had."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.begun = asyncio.Event()

    def shares(self, platform: str, mode: str, status: str, number: int = 1) -> None:
        """Not looked at."""

    def share_error(self, platform: str, reason: str) -> None:
        """Not looked at."""

    def batch(self, size: int) -> None:
        """Remembered."""
        self.sizes.append(size)
        self.begun.set()

    def statement(self, name: str, seconds: float) -> None:
        """Not looked at."""

    def delivery(self, kind: str, seconds: float) -> None:
        """Not looked at."""

    def reaction_error(self, reaction: str) -> None:
        """Not looked at."""

    def job(self, job: str, outcome: str, seconds: float, number: int = 1) -> None:
        """Not looked at."""


@dataclass(kw_only=True)
class RunningCommitter:
    """A committer, the task that runs it, what it published and how large its commits were."""

    committer: Committer
    running: asyncio.Task[None]
    meter: CommitSizeMeter
    published: list[Event] = field(default_factory=list)


@asynccontextmanager
async def run_committer(
    db: SqlDatabase,
    *,
    ledger: Ledger | None = None,
    hooks: Sequence[object] = (),
    hook_seconds: float = GENEROUS_TIMEOUT,
) -> AsyncIterator[RunningCommitter]:
    """One process: a committer over this database, or over a ledger in front of it."""
    told = Hooks(hooks, seconds=hook_seconds)
    clock, meter, published = DatabaseClock(), CommitSizeMeter(), list[Event]()
    await clock.measure(db.events)
    committer = Committer(ledger=ledger or db, clock=clock, hooks=told, meter=meter, on_committed=published.extend)
    running = asyncio.create_task(committer.run())
    try:
        yield RunningCommitter(committer=committer, running=running, meter=meter, published=published)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def caller(user: str) -> Caller:
    return Caller(user_id=user, actor=user, scopes=frozenset({"shares"}))


def share(
    user: str = "anna", *platforms: str, content: ContentRef = VIDEO, request: Trigger = Trigger.DECLARE
) -> Share:
    """A user's command to share, on twitter unless other platforms are named."""
    return Share(content=content, caller=caller(user), platforms=platforms or ("twitter",), trigger=request)


def withdraw(user: str = "anna", platform: str = "twitter") -> Withdraw:
    return Withdraw(content=VIDEO, caller=caller(user), platform=platform)


def idempotent(key: str, *, asked: str = "share", user: str = "anna") -> IdempotentCommand:
    """An Idempotency-Key; the answer holds the record and whether it existed before."""
    return IdempotentCommand(
        key=IdempotencyKey(caller=user, key=key), request_hash=sha256(asked.encode()).digest(), render=_rendered
    )


def _rendered(outcome: object) -> StoredResponse:
    assert isinstance(outcome, list)
    body = ",".join(_told(result) for result in outcome)
    return StoredResponse(request_hash=sha256(b"share").digest(), status=200, headers=(("A", "b"),), body=body.encode())


def _told(result: ShareResult) -> str:
    return f"{result.record.id} {result.already_shared}"


class FailingCommand:
    """A command with a fault of its own."""

    def lock_set(self) -> LockSet:
        """Nothing."""
        return LockSet()

    def apply(self, batch: UnitOfWork) -> None:
        """Never."""
        raise ZeroDivisionError


async def gather_outcomes(answers: Iterable[Awaitable[Any]]) -> list[Any]:
    """All outcomes in order; for a rejected command it is the error."""
    return await asyncio.gather(*answers, return_exceptions=True)


def already_shared_flags(outcomes: Iterable[list[ShareResult]]) -> list[bool]:
    """What each outcome says of its first platform."""
    return [outcome[0].already_shared for outcome in outcomes]
