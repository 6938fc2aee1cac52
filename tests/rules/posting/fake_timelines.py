"""A platform that can be posted to, in this process: it accepts, refuses, loses replies, and knows what is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from sharetally.domain.account import Account, Tokens
from sharetally.domain.post import (
    AccessDenied,
    CannotTell,
    Draft,
    LookOutcome,
    NotThere,
    OutcomeUnknown,
    PauseScope,
    Posted,
    PostRejected,
    PublishOutcome,
    TryLater,
)
from sharetally.domain.spending import FREE, Costs
from sharetally.domain.text_rule import TextRule
from sharetally.ports.posting_platform import Connection
from tests.flow.fake_platform import FakePlatform

# What the platform does with the next request to publish, or to delete, after which it works again.
PUBLISHING = ("reply lost", "request lost", "breaks after", "too many", "busy", "refuses", "token refused")
DELETING = ("busy", "refuses")
PAUSE = timedelta(minutes=15)


class FakeGrants(FakePlatform):
    """Connecting again replaces the grant before, as on most platforms."""

    def _connect(self, external_id: str, server: str = "") -> Connection:
        self.end_grants()
        return super()._connect(external_id, server)


@dataclass(kw_only=True)
class FakeTimelines:
    """Implements `Publisher`.

    `copies` counts every copy of a post that ever appeared, `there` is what can be seen now, by external id. `unclear`
    are posts of which nobody but this platform can know. `closed` are posts that must not be published any more;
    `faults` says which were.
    """

    grants: FakeGrants
    now: Callable[[], datetime]
    pass_point: Callable[[str], Awaitable[None]]
    deduplicates: bool
    can_be_looked_up: bool
    deduplicates_for: timedelta | None = None
    next_publish: str = ""
    next_delete: str = ""
    next_look_fails: bool = False
    copies: Counter[UUID] = field(default_factory=Counter)
    there: dict[str, UUID] = field(default_factory=dict)
    unclear: set[UUID] = field(default_factory=set)
    closed: set[UUID] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    @property
    def platform(self) -> str:
        """The name under which accounts are connected, too."""
        return self.grants.platform

    @property
    def api_version(self) -> str | None:
        """There is only one."""
        return None

    @property
    def text_rule(self) -> TextRule | None:
        """Nobody counts."""
        return None

    def costs(self, draft: Draft) -> Costs:
        """Posts are free."""
        return FREE

    def text_fault(self, text: str, url: str) -> str | None:
        """Everything fits."""
        return None

    def warnings(self, text: str) -> Sequence[str]:
        """Nothing to say."""
        return ()

    async def prepare(
        self, account: Account, tokens: Tokens, draft: Draft
    ) -> Mapping[str, str] | TryLater | PostRejected | AccessDenied:
        """Answer without publishing anything."""
        if not self.grants.accepts(tokens):
            return AccessDenied(reason="invalid_token")
        await self.pass_point("prepared")
        return {"commit": "bafy"}

    async def publish(self, account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        """Put the post on the timeline, unless the platform does something else with it."""
        if draft.id in self.closed:
            self.faults.append(f"{draft.id} was published although it had ended")
        does, self.next_publish = self.next_publish, ""
        if does == "token refused" or not self.grants.accepts(tokens):
            return AccessDenied(reason="invalid_token")
        match does:
            case "refuses":
                return PostRejected(code="forbidden", message="the platform refuses this text")
            case "too many":
                return TryLater(reason="too many posts", at=self.now() + PAUSE, pause=PauseScope.ACCOUNT)
            case "busy":
                return TryLater(reason="the platform is busy")
            case "request lost":
                self.unclear.add(draft.id)
                return OutcomeUnknown(reason="no answer")
        await self.pass_point("in flight")
        posted = self._put(draft)
        await self.pass_point("accepted")
        if does == "reply lost":
            self.unclear.add(draft.id)
            return OutcomeUnknown(reason="no answer")
        if does == "breaks after":
            self.unclear.add(draft.id)
            raise ConnectionResetError("the connection broke")
        return posted

    def _put(self, draft: Draft) -> Posted:
        number = self.copies[draft.id]
        if not (self.deduplicates and number):
            self.copies[draft.id] += 1
        external_id = str(uuid5(draft.id, str(self.copies[draft.id])))
        self.there[external_id] = draft.id
        return Posted(external_id=external_id, external_url=f"https://{self.platform}.example/{external_id}")

    async def look(self, account: Account, tokens: Tokens, draft: Draft) -> LookOutcome:
        """Search the timeline, where that is possible."""
        if not self.grants.accepts(tokens):
            return AccessDenied(reason="invalid_token")
        fails, self.next_look_fails = self.next_look_fails, False
        if fails or not self.can_be_looked_up:
            return CannotTell(reason="posts cannot be read")
        found = [external_id for external_id, post in self.there.items() if post == draft.id]
        await self.pass_point("looked")
        return Posted(external_id=found[0], external_url=None) if found else NotThere()

    async def delete(
        self, account: Account, tokens: Tokens, external_id: str
    ) -> TryLater | PostRejected | AccessDenied | None:
        """Take a post off the timeline."""
        if not self.grants.accepts(tokens):
            return AccessDenied(reason="invalid_token")
        does, self.next_delete = self.next_delete, ""
        if not external_id:
            self.faults.append("a post without an id was to be deleted")
        if does == "busy":
            return TryLater(reason="the platform is busy")
        if does == "refuses":
            return PostRejected(code="not-deleted", message="the platform does not delete it")
        self.there.pop(external_id, None)
        return None
