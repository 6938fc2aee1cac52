"""How a post gets to Bluesky exactly once, and how to see whether it is there (docs.bsky.app, HTTP reference).

The key of the record is chosen here, from the post's id, and `putRecord` demands that no record has it yet: a
repetition of the same bytes writes nothing new, other bytes are refused. A user who deletes the post must not see it
return, so each attempt also names the commit at which it began: once the repository has moved on, a repetition is
refused (`InvalidSwap`) instead of creating the post again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode

import msgspec

from sharetally.adapters.platforms._api import (
    POST_DEADLINE,
    Failure,
    as_look,
    decode,
    is_ambiguous,
    unpublished,
    unread,
)
from sharetally.adapters.platforms._oauth import utc_now
from sharetally.adapters.platforms.bluesky import text as text_rules
from sharetally.adapters.platforms.bluesky.text import COLLECTION, record, record_key, timestamp
from sharetally.adapters.platforms.bluesky.xrpc import Xrpc, error_name
from sharetally.domain.account import Account, Tokens
from sharetally.domain.post import (
    AccessDenied,
    CannotTell,
    Draft,
    LookOutcome,
    NotThere,
    OutcomeUnknown,
    Posted,
    PostRejected,
    PublishOutcome,
    TryLater,
)
from sharetally.ports.outbound import Outbound, OutboundError
from sharetally.ports.posting_platform import Publisher

COMMIT, CREATED_AT = "commit", "createdAt"  # in `Draft.prepared`
GONE = PostRejected(
    code="not-found",
    message="Bluesky does not show the post, and the account has changed since: it was deleted, or never got there; "
    "retry it if you want it there",
)


class _Commit(msgspec.Struct, frozen=True, kw_only=True):
    cid: str


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    uri: str


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    text: str


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    value: _Value


class BlueskyPublisher(Publisher):
    """Posts to Bluesky for accounts that have been connected."""

    platform = "bluesky"
    deduplicates = True
    text_rule = text_rules.RULE

    def __init__(self, outbound: Outbound, *, now: Callable[[], datetime] = utc_now) -> None:
        self._xrpc = Xrpc(outbound, now=now)
        self._now = now

    def text_fault(self, text: str, url: str) -> str | None:
        """By graphemes and bytes."""
        return text_rules.text_fault(text, url)

    def warnings(self, text: str) -> Sequence[str]:
        """None."""
        return ()

    async def prepare(
        self, account: Account, tokens: Tokens, draft: Draft
    ) -> Mapping[str, str] | TryLater | PostRejected | AccessDenied:
        """The newest commit of the repository, and the time that the post will show."""
        try:
            response = await self._xrpc.query(
                account.server, "com.atproto.sync.getLatestCommit", {"did": account.external_id}
            )
        except OutboundError as error:
            return unread(error, "Bluesky")
        if response.status != 200:
            return self._xrpc.failure(response)
        commit = decode(response, _Commit)
        if commit is None:
            return TryLater(reason="Bluesky answered without a commit")
        return {COMMIT: commit.cid, CREATED_AT: timestamp(self._now())}

    async def publish(self, account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        """Put the record at its key, which writes it at most once; a refused swap is looked up."""
        body = {
            "repo": account.external_id,
            "collection": COLLECTION,
            "rkey": record_key(draft.id),
            "swapRecord": None,
            "swapCommit": draft.prepared[COMMIT],
            "record": record(draft.text, draft.url, draft.prepared[CREATED_AT]),
        }
        try:
            response = await self._xrpc.procedure(
                account.server, "com.atproto.repo.putRecord", tokens, body, deadline=POST_DEADLINE
            )
        except OutboundError as error:
            return unpublished(error, "Bluesky")
        if response.status < 400 or is_ambiguous(response):
            if response.status != 200 or decode(response, _Written) is None:
                return OutcomeUnknown(reason=f"Bluesky answered {response.status} without the address of a post")
            return _posted(account, draft)
        if response.status == 400 and error_name(response) == "InvalidSwap":
            return await self._refused_swap(account, tokens, draft)
        return self._xrpc.failure(response)

    async def look(self, account: Account, tokens: Tokens, draft: Draft) -> LookOutcome:
        """Read the record at the post's own key, which is public."""
        query = {"repo": account.external_id, "collection": COLLECTION, "rkey": record_key(draft.id)}
        try:
            response = await self._xrpc.query(account.server, "com.atproto.repo.getRecord", query)
        except OutboundError as error:
            return unread(error, "Bluesky")
        if response.status == 200:
            found = decode(response, _Record)
            if found is None or draft.url not in found.value.text:
                return CannotTell(reason="what Bluesky has at the key of this post is another one")
            return _posted(account, draft)
        if response.status == 400 and error_name(response) == "RecordNotFound":
            return NotThere()
        return as_look(self._xrpc.failure(response))

    async def delete(self, account: Account, tokens: Tokens, external_id: str) -> Failure | None:
        """Delete the record; one that is not there is fine."""
        body = {"repo": account.external_id, "collection": COLLECTION, "rkey": external_id.rpartition("/")[2]}
        try:
            response = await self._xrpc.procedure(account.server, "com.atproto.repo.deleteRecord", tokens, body)
        except OutboundError as error:
            return unread(error, "Bluesky")
        return None if response.status == 200 else self._xrpc.failure(response)

    async def _refused_swap(self, account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        """The key is taken, or the repository has moved on since `prepare`; this request has written nothing."""
        found = await self.look(account, tokens, draft)
        if isinstance(found, Posted):
            return found
        if not draft.repeated:
            return TryLater(reason="the account has changed since the attempt began")
        if isinstance(found, NotThere):  # no earlier request can write it any more: its commit is outdated, too
            return GONE
        return OutcomeUnknown(reason="the account has changed since the attempt began")


def _posted(account: Account, draft: Draft) -> Posted:
    did, key = account.external_id, record_key(draft.id)
    page = f"https://bsky.app/profile/{did}/post/{key}"
    if not account.server.startswith("https:"):  # a server on one's own machine, whose posts bsky.app does not show
        query = urlencode({"repo": did, "collection": COLLECTION, "rkey": key})
        page = f"{account.server}/xrpc/com.atproto.repo.getRecord?{query}"
    return Posted(external_id=f"at://{did}/{COLLECTION}/{key}", external_url=page)
