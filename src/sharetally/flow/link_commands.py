"""Creating, changing and deleting share links as commands, applied under the link's lock.

A change of channel or campaign is one event that moves a share from one cell to another. A deletion subtracts exactly
what the lock shows, and only once, however many callers request it at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sharetally.domain.audit import AuditEntry
from sharetally.domain.caller import Caller
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import NotFound
from sharetally.domain.event import Cell, Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.link import ShareLink, new_link_code
from sharetally.domain.share import Action
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import LockSet


class CreateLink:
    """Somebody hands out a link; `channel` and `campaign` are `''` where there is none."""

    def __init__(
        self,
        *,
        content: ContentRef,
        caller: Caller,
        url: str,
        channel: str,
        campaign: str,
        expires_at: datetime | None,
        request_id: str = "",
    ) -> None:
        self.id, self._audit_id, self._event_id = new_id(), new_id(), new_id()
        self._code = new_link_code()
        self._content = content
        self._caller = caller
        self._fields = {"url": url, "channel": channel, "campaign": campaign, "expires_at": expires_at}
        self._request_id = request_id

    def lock_set(self) -> LockSet:
        """Nothing that exists yet."""
        return LockSet()

    def apply(self, work: UnitOfWork) -> ShareLink:
        """The new link."""
        link = self.draft(work.now)
        work.put_link(link)
        work.audit(_audit_entry(work, link, self._audit_id, Action.LINK_CREATED, self._caller, self._request_id))
        work.event(_event(work, link, self._event_id, Job.SHARE_CREATED, self._request_id, delta=1))
        return link

    def draft(self, now: datetime) -> ShareLink:
        """The link as it would stand."""
        return ShareLink(
            id=self.id,
            code=self._code,
            content=self._content,
            user_id=self._caller.user_id,
            created_at=now,
            updated_at=now,
            **self._fields,  # type: ignore[arg-type]
        )


class _LinkCommand:
    """A command about an existing link. Only its owner and admins may change it; for others it does not exist."""

    def __init__(self, *, link_id: UUID, caller: Caller, request_id: str = "") -> None:
        self._id = link_id
        self._caller = caller
        self._request_id = request_id
        self._audit_id, self._event_id = new_id(), new_id()

    def lock_set(self) -> LockSet:
        """That link."""
        return LockSet(links=frozenset({self._id}))

    def _require_link(self, work: UnitOfWork) -> ShareLink:
        link = work.link(self._id)
        if link is None or link.deleted_at is not None or not may_edit(self._caller, link):
            raise NotFound("no such share link")
        return link


class PatchLink(_LinkCommand):
    """Change url, channel, campaign or expiry; `fields` holds only what changes."""

    def __init__(self, *, link_id: UUID, caller: Caller, fields: Mapping[str, Any], request_id: str = "") -> None:
        super().__init__(link_id=link_id, caller=caller, request_id=request_id)
        self._fields = dict(fields)

    def apply(self, work: UnitOfWork) -> ShareLink:
        """The link as it stands then; a patch that changes nothing writes nothing."""
        before = self._require_link(work)
        after = replace(before, **self._fields)
        if after == before:
            return before
        after = replace(after, updated_at=work.now)
        work.put_link(after)
        work.audit(_audit_entry(work, after, self._audit_id, Action.LINK_UPDATED, self._caller, self._request_id))
        if after.cell != before.cell and before.is_counted:
            work.event(_event(work, after, self._event_id, Job.SHARE_UPDATED, self._request_id, origin=before.cell))
        return after


class DeleteLink(_LinkCommand):
    """Delete it: it no longer counts, and its address answers 410."""

    def apply(self, work: UnitOfWork) -> ShareLink:
        """The link as it stood."""
        before = self._require_link(work)
        after = replace(before, deleted_at=work.now, updated_at=work.now)
        work.put_link(after)
        work.audit(_audit_entry(work, after, self._audit_id, Action.LINK_DELETED, self._caller, self._request_id))
        if before.is_counted:
            work.event(_event(work, after, self._event_id, Job.SHARE_DELETED, self._request_id, delta=-1))
        return before


def may_edit(caller: Caller, link: ShareLink) -> bool:
    """Whether this caller may see and change a link."""
    return link.user_id == caller.user_id or caller.may("admin")


def _audit_entry(
    work: UnitOfWork, link: ShareLink, audit_id: UUID, action: Action, caller: Caller, request_id: str
) -> AuditEntry:
    return AuditEntry(
        id=audit_id,
        at=work.now,
        subject_id=link.id,
        content=link.content,
        user_id=link.user_id,
        actor=caller.actor,
        action=action.value,
        request_id=request_id,
    )


def _event(
    work: UnitOfWork,
    link: ShareLink,
    event_id: UUID,
    job: Job,
    request_id: str,
    *,
    delta: int = 0,
    origin: Cell | None = None,
) -> Event:
    return Event(
        id=event_id,
        job=job,
        content=link.content,
        at=link.created_at if origin is not None else work.now,
        delta=delta,
        cell_delta=delta if origin is None else 1,
        to=link.cell,
        origin=origin,
        share_id=link.id,
        user_id=link.user_id,
        request_id=request_id,
    )
