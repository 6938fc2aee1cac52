"""Creating, changing and deleting share links as wishes.

A change of channel or campaign is one event that moves the breakdown; a deletion subtracts just what
stood under the lock, and only once, however many ask for it at the same time.
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
from sharetally.domain.link import ShareLink, new_code
from sharetally.domain.share import Action
from sharetally.flow.batch import Batch
from sharetally.ports import References


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
        self.id, self._audit, self._event = new_id(), new_id(), new_id()
        self._code = new_code()
        self._content = content
        self._caller = caller
        self._fields = {"url": url, "channel": channel, "campaign": campaign, "expires_at": expires_at}
        self._request_id = request_id

    def references(self) -> References:
        """Nothing that exists yet."""
        return References()

    def apply(self, batch: Batch) -> ShareLink:
        """The new link."""
        link = self.draft(batch.now)
        batch.put_link(link)
        batch.audit(_audited(batch, link, self._audit, Action.LINK_CREATED, self._caller, self._request_id))
        batch.event(_event(batch, link, self._event, Job.SHARE_CREATED, self._request_id, delta=1))
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


class _OnLink:
    """A wish about a link that exists: its owner's or an admin's, to all others it is not there."""

    def __init__(self, *, link_id: UUID, caller: Caller, request_id: str = "") -> None:
        self._id = link_id
        self._caller = caller
        self._request_id = request_id
        self._audit, self._event = new_id(), new_id()

    def references(self) -> References:
        """That link."""
        return References(links=frozenset({self._id}))

    def _held(self, batch: Batch) -> ShareLink:
        link = batch.link(self._id)
        if link is None or link.deleted_at is not None or not may_touch(self._caller, link):
            raise NotFound("no such share link")
        return link


class PatchLink(_OnLink):
    """Change url, channel, campaign or expiry; `fields` holds only what changes."""

    def __init__(self, *, link_id: UUID, caller: Caller, fields: Mapping[str, Any], request_id: str = "") -> None:
        super().__init__(link_id=link_id, caller=caller, request_id=request_id)
        self._fields = dict(fields)

    def apply(self, batch: Batch) -> ShareLink:
        """The link as it stands then; a patch that changes nothing writes nothing."""
        before = self._held(batch)
        after = replace(before, **self._fields)
        if after == before:
            return before
        after = replace(after, updated_at=batch.now)
        batch.put_link(after)
        batch.audit(_audited(batch, after, self._audit, Action.LINK_UPDATED, self._caller, self._request_id))
        if after.cell != before.cell and before.counts:
            batch.event(_event(batch, after, self._event, Job.SHARE_UPDATED, self._request_id, origin=before.cell))
        return after


class DeleteLink(_OnLink):
    """Delete it: it no longer counts, and its address answers 410."""

    def apply(self, batch: Batch) -> ShareLink:
        """The link as it stood."""
        before = self._held(batch)
        after = replace(before, deleted_at=batch.now, updated_at=batch.now)
        batch.put_link(after)
        batch.audit(_audited(batch, after, self._audit, Action.LINK_DELETED, self._caller, self._request_id))
        if before.counts:
            batch.event(_event(batch, after, self._event, Job.SHARE_DELETED, self._request_id, delta=-1))
        return before


def may_touch(caller: Caller, link: ShareLink) -> bool:
    """Whether this caller may see and change a link."""
    return link.user_id == caller.user_id or caller.may("admin")


def _audited(
    batch: Batch, link: ShareLink, audit_id: UUID, action: Action, caller: Caller, request_id: str
) -> AuditEntry:
    return AuditEntry(
        id=audit_id,
        at=batch.now,
        subject_id=link.id,
        content=link.content,
        user_id=link.user_id,
        actor=caller.actor,
        action=action.value,
        request_id=request_id,
    )


def _event(
    batch: Batch,
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
        at=link.created_at if origin is not None else batch.now,
        delta=delta,
        moved=delta if origin is None else 1,
        to=link.cell,
        origin=origin,
        share_id=link.id,
        user_id=link.user_id,
        request_id=request_id,
    )
