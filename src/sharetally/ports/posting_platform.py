"""A platform on which this service can post from a user's own account.

Two Protocols, which one class may implement together: `Connector` obtains and renews the permission, `Publisher`
uses it. Neither keeps state of its own: what has to survive is returned and stored by the caller. Each method makes
outbound calls only through `ports/outbound.py`, and never inside a database transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable

from sharetally.domain.account import Account, Profile, Tokens
from sharetally.domain.post import AccessDenied, Draft, LookOutcome, PostRejected, PublishOutcome, TryLater
from sharetally.domain.spending import FREE, Costs
from sharetally.domain.text_rule import TextRule


class GrantLost(Exception):
    """The platform says that the grant is gone (`invalid_grant`): only the user can connect again."""


class ConnectFailed(Exception):
    """The account cannot be connected; the message says why, and what the user can do."""


class PlatformUnavailable(Exception):
    """The platform did not answer, or answered that it cannot at the moment; trying again later is fine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Authorization:
    """Where the user's browser goes, and what has to be kept until it comes back (secrets included)."""

    url: str
    private: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """An account that the user has agreed to, with its tokens."""

    profile: Profile
    tokens: Tokens


class Connector(Protocol):
    """Obtains, renews and revokes the permission to act for a user (RFC 6749, RFC 7636, RFC 7009)."""

    @property
    def platform(self) -> str:
        """The canonical name."""
        ...

    async def authorize(self, *, state: str, redirect_uri: str, code_challenge: str, server: str) -> Authorization:
        """Begin: `code_challenge` is PKCE S256; `server` is what the user named where a platform has many servers.

        Raises `ConnectFailed` or `PlatformUnavailable`.
        """
        ...

    async def exchange(
        self, *, parameters: Mapping[str, str], redirect_uri: str, code_verifier: str, private: Mapping[str, str]
    ) -> Sequence[Connection]:
        """Finish: `parameters` are the callback's. Several connections where the user has to choose (pages).

        Raises `ConnectFailed` or `PlatformUnavailable`.
        """
        ...

    async def refresh(self, account: Account, tokens: Tokens) -> Tokens:
        """New tokens; what the platform does not send anew (often the refresh token) is carried over.

        Raises `GrantLost` or `PlatformUnavailable`.
        """
        ...

    @property
    def revoke_ends_all(self) -> bool:
        """Whether revoking one account ends the permission for all accounts of its user on this platform.

        Then the permission is given back only with the last of these accounts.
        """
        return False

    async def revoke(self, account: Account, tokens: Tokens) -> None:
        """Give the permission back; a grant that is already gone is fine. Raises `PlatformUnavailable`."""
        ...


@runtime_checkable
class PasswordConnector(Protocol):
    """A connector that can also do without a browser, with a password that the user has created for this service."""

    async def sign_in(self, *, identifier: str, password: str, server: str) -> Connection:
        """Sign in; `server` is empty where the user named none. Raises `ConnectFailed` or `PlatformUnavailable`."""
        ...


@runtime_checkable
class PublishesDocuments(Protocol):
    """A connector whose platform reads documents of this client (client metadata, JWKS) from this service."""

    def documents(self) -> Mapping[str, Mapping[str, object]]:
        """JSON documents by the last part of their path, `/oauth/{platform}/{name}`."""
        ...


class Publisher(Protocol):
    """Publishes posts. Every outcome is classified by status and documented code, never by a part of a message."""

    @property
    def platform(self) -> str:
        """The canonical name."""
        ...

    @property
    def deduplicates(self) -> bool:
        """Whether the platform itself drops a repeated post, so that a post that is not there may be sent again."""
        ...

    @property
    def deduplicates_for(self) -> timedelta | None:
        """For how long after the first attempt the platform drops a repeated post; None if it always does."""
        return None

    def costs(self, draft: Draft) -> Costs:
        """What the platform charges for this post, for one look for it and for deleting it."""
        return FREE

    @property
    def api_version(self) -> str | None:
        """The version of the platform's API that this publisher uses; None where there is nothing to choose."""
        return None

    @property
    def text_rule(self) -> TextRule | None:
        """How the platform counts a text; None if nobody can count it beforehand."""
        return None

    def text_fault(self, text: str, url: str) -> str | None:
        """Why the composed text is too long or not allowed, with count and limit, or None."""
        ...

    def warnings(self, text: str) -> Sequence[str]:
        """What the user should know before posting this."""
        ...

    async def prepare(
        self, account: Account, tokens: Tokens, draft: Draft
    ) -> Mapping[str, str] | TryLater | PostRejected | AccessDenied:
        """What has to be known before the first byte of the post (a commit, a container); publishes nothing."""
        ...

    async def publish(self, account: Account, tokens: Tokens, draft: Draft) -> PublishOutcome:
        """Publish once; never repeats anything by itself after the first byte of the post has left."""
        ...

    async def look(self, account: Account, tokens: Tokens, draft: Draft) -> LookOutcome:
        """Whether this post is there."""
        ...

    async def delete(
        self, account: Account, tokens: Tokens, external_id: str
    ) -> TryLater | PostRejected | AccessDenied | None:
        """Delete the post; None once it is gone, whoever deleted it."""
        ...


@runtime_checkable
class LimitsByAccount(Protocol):
    """A publisher whose limits depend on the account, because its platform consists of many servers."""

    async def account_text_fault(self, account: Account, text: str, url: str) -> str | None:
        """Like `text_fault` of `Publisher`, by the account's own limits; None also if nobody can tell at the moment.

        It takes some seconds at most; `prepare` refuses what was let through here.
        """
        ...


def version_of(publisher: Publisher) -> str | None:
    """Platform and version of the API that a publisher uses, such as `linkedin/202609`."""
    return f"{publisher.platform}/{publisher.api_version}" if publisher.api_version else None
