"""Hooks: code of your own that runs before or inside a write and can never lose an event.

A hook is an object with any of the methods of `Hook`. Hooks that can refuse run before the batch and refuse only their
own request, by raising `Forbidden` or `Conflict` (`may_share` can also return False). Hooks that write run inside the
transaction, each request in its own savepoint: they get all they need as arguments, may run more than once, must not
do any other I/O, and have 50 ms.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Forbidden, SharetallyError, Unavailable
from sharetally.domain.link import ShareLink
from sharetally.domain.share import ShareRecord
from sharetally.flow.unit_of_work import Entity, EntityChange
from sharetally.ports import Transaction

HOOK_SECONDS = 0.05


class HookTooSlow(Unavailable):
    """A hook exceeded its time; nothing of its request was written."""


class Hook(Protocol):
    """The methods that a hook can have; each is optional."""

    async def may_share(self, user_id: str, content: ContentRef, platform: str) -> bool:
        """Whether this user may share this content item on this platform; False becomes a 403 response."""
        ...

    async def before_create(self, entity: Entity) -> None:
        """A record or link is about to be created."""
        ...

    async def before_delete(self, entity: Entity) -> None:
        """A record is about to be withdrawn, or a link to be deleted."""
        ...

    async def after_create(self, tx: Transaction, entity: Entity) -> None:
        """A record or link was created in this transaction."""
        ...

    async def after_update(self, tx: Transaction, before: Entity, after: Entity) -> None:
        """A record or link was changed in this transaction."""
        ...

    async def after_delete(self, tx: Transaction, entity: Entity) -> None:
        """A record was withdrawn or a link was deleted in this transaction; `entity` is its state before that."""
        ...


class Hooks:
    """All hooks of this process, in the order of their names; each call may take `seconds`."""

    def __init__(self, hooks: Sequence[object] = (), *, seconds: float = HOOK_SECONDS) -> None:
        self._hooks = tuple(hooks)
        self._seconds = seconds
        writing = ("after_create", "after_update", "after_delete")
        self.write = any(hasattr(hook, name) for hook in hooks for name in writing)

    def __bool__(self) -> bool:
        return bool(self._hooks)

    async def may_share(self, user_id: str, content: ContentRef, platform: str) -> None:
        """Raise `Forbidden` if any hook returns False."""
        for method in self._named("may_share"):
            if await self._timed(method(user_id, content, platform)) is False:
                raise Forbidden(f"not allowed to share this on {platform}")

    async def before_create(self, entity: Entity) -> None:
        """Give every hook the chance to refuse."""
        for method in self._named("before_create"):
            await self._timed(method(entity))

    async def before_delete(self, entity: Entity) -> None:
        """Give every hook the chance to refuse."""
        for method in self._named("before_delete"):
            await self._timed(method(entity))

    async def after(self, tx: Transaction, changes: Sequence[EntityChange]) -> None:
        """Pass what was written to every hook."""
        for change in changes:
            if change.before is None:
                for method in self._named("after_create"):
                    await self._timed(method(tx, change.after))
            elif _live(change.before) and not _live(change.after):
                for method in self._named("after_delete"):
                    await self._timed(method(tx, change.before))
            else:
                for method in self._named("after_update"):
                    await self._timed(method(tx, change.before, change.after))

    def _named(self, name: str) -> list[Callable[..., Awaitable[object]]]:
        return [getattr(hook, name) for hook in self._hooks if hasattr(hook, name)]

    async def _timed(self, call: Awaitable[object]) -> object:
        try:
            async with asyncio.timeout(self._seconds):
                return await call
        except SharetallyError:
            raise
        except TimeoutError as error:
            raise HookTooSlow(f"a hook took longer than {self._seconds * 1000:.0f} ms; nothing was written") from error


def _live(entity: ShareRecord | ShareLink) -> bool:
    return entity.live if isinstance(entity, ShareRecord) else entity.deleted_at is None
