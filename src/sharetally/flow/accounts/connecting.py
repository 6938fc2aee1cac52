"""Connecting an account: off to the platform, back with its answer, and perhaps a choice among several accounts.

    begin -> the platform -> finish -> (choose, where one sign-in gives several accounts) -> the account is stored

The state and the choice work once, for ten minutes, in the browser that began, for the user who began, and on the
platform for which they were made; PKCE (S256) binds the platform's answer to them. The browser is known by a cookie
that it got when it began. Only digests of state, choice and cookie are stored, and everything secret is sealed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import structlog

from sharetally.domain.account import Account, AccountAction, AccountStatus, Profile, Tokens
from sharetally.domain.caller import Caller
from sharetally.domain.errors import Conflict, InvalidRequest, NotFound, PlatformUnreachable
from sharetally.domain.ids import new_id
from sharetally.flow.accounts.errors import ConnectionDeclined, ConnectionRefused, UnknownConnection
from sharetally.flow.accounts.lines import audit_line
from sharetally.flow.accounts.schedule import next_refresh
from sharetally.flow.accounts.sealing import AuthorizationSecrets, Sealing
from sharetally.flow.retry import retry_transaction
from sharetally.ports import Clock
from sharetally.ports.accounts import AccountKey, AccountStore, AccountWrite, PendingConnection, StoredAccount
from sharetally.ports.posting_platform import (
    ConnectFailed,
    Connection,
    Connector,
    PasswordConnector,
    PlatformUnavailable,
    PublishesDocuments,
)
from sharetally.ports.vault import VaultError

LIFETIME = timedelta(minutes=10)
MAX_PENDING = 10  # connections that one user may have begun at the same time
MAX_CHOICES = 100
MAX_NAME = 255  # characters of an external id, a server or a handle
AUTHORIZE, CHOOSE = "authorize", "choose"
_ERROR = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
log = structlog.get_logger("sharetally.accounts")


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """Where the user's browser goes, and the cookie by which it is known when it comes back."""

    url: str
    browser: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Several accounts, of which the user has to choose one; `token` stands for this choice."""

    token: str = field(repr=False)
    profiles: Sequence[Profile]


class Connecting:
    """Connects accounts; `connectors` are the platforms on which this service can post."""

    def __init__(
        self,
        *,
        store: AccountStore,
        sealing: Sealing | None,
        connectors: Mapping[str, Connector],
        clock: Clock,
        public_url: str | None,
        canonical: Callable[[str], str],
    ) -> None:
        self._store = store
        self._optional_sealing = sealing
        self._connectors = connectors
        self._clock = clock
        self.public_url = public_url
        self._canonical = canonical

    async def begin(self, platform: str, server: str, caller: Caller, *, request_id: str) -> Begun:
        """Begin: the user's browser has to go to the address that this returns."""
        connector = self._connector(platform)
        redirect_uri = self._redirect_uri(connector.platform)
        state, browser, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        try:
            authorization = await connector.authorize(
                state=state, redirect_uri=redirect_uri, code_challenge=_s256(verifier), server=server
            )
        except (ConnectFailed, PlatformUnavailable) as error:
            raise _as_rejection(connector.platform, error) from None
        pending_id = new_id()
        sealed = self._sealing.seal_authorization(
            AuthorizationSecrets(code_verifier=verifier, private=dict(authorization.private)),
            user_id=caller.user_id,
            platform=connector.platform,
            pending=pending_id,
        )
        pending = PendingConnection(
            id=pending_id,
            digest=_digest(state),
            browser=_digest(browser),
            step=AUTHORIZE,
            user_id=caller.user_id,
            actor=caller.actor,
            platform=connector.platform,
            sealed=sealed,
            expires_at=self._clock.now() + LIFETIME,
        )
        line = audit_line(
            self._clock,
            AccountAction.CONNECTING,
            pending_id,
            user_id=caller.user_id,
            actor=caller.actor,
            platform=connector.platform,
            request_id=request_id,
        )
        await retry_transaction(lambda: self._store.begin(pending, at_most=MAX_PENDING, audit=line))
        return Begun(url=authorization.url, browser=browser)

    async def sign_in(
        self, platform: str, *, identifier: str, password: str, server: str, caller: Caller, request_id: str
    ) -> Account:
        """Connect with a password that the user has created for this service, where the platform has such passwords."""
        connector = self._connector(platform)
        if not isinstance(connector, PasswordConnector):
            raise InvalidRequest(("appPassword", f"{connector.platform} has no app passwords; connect without one"))
        attempt = _Attempt(new_id(), caller.user_id, caller.actor, connector.platform, request_id)
        try:
            connection = await connector.sign_in(identifier=identifier, password=password, server=server)
        except (ConnectFailed, PlatformUnavailable) as error:
            raise await self._failure(attempt, error) from None
        return await self._keep(attempt, connection)

    async def finish(
        self, platform: str, parameters: Mapping[str, str], browser: str | None, *, request_id: str
    ) -> Account | Choice:
        """Finish: `parameters` are what the platform sent along, `browser` is the cookie."""
        connector = self._connector(platform)
        pending = await self._redeem(connector.platform, AUTHORIZE, parameters.get("state"), browser)
        attempt = _Attempt(pending.id, pending.user_id, pending.actor, pending.platform, request_id)
        if "error" in parameters:
            sent = parameters["error"]
            code = sent if _ERROR.fullmatch(sent) else "an error"
            await self._record_failure(attempt, "declined", f"the platform answered: {code}")
            raise ConnectionDeclined(f"the platform answered: {code}")
        kept = self._sealing.open_authorization(pending)
        try:
            found = await connector.exchange(
                parameters=parameters,
                redirect_uri=self._redirect_uri(connector.platform),
                code_verifier=kept.code_verifier,
                private=kept.private,
            )
        except (ConnectFailed, PlatformUnavailable) as error:
            raise await self._failure(attempt, error) from None
        if len(found) == 1:
            return await self._keep(attempt, found[0])
        return await self._offer(attempt, found[:MAX_CHOICES], pending.browser)

    async def choose(
        self, platform: str, token: str, external_id: str, browser: str | None, *, request_id: str
    ) -> Account:
        """Connect the chosen one of several accounts; the others are forgotten."""
        connector = self._connector(platform)
        pending = await self._redeem(connector.platform, CHOOSE, token, browser)
        attempt = _Attempt(pending.id, pending.user_id, pending.actor, pending.platform, request_id)
        offered = {each.profile.external_id: each for each in self._sealing.open_choice(pending)}
        if external_id not in offered:
            raise UnknownConnection
        return await self._keep(attempt, offered[external_id])

    def documents(self, platform: str) -> Mapping[str, Mapping[str, object]]:
        """What the platform reads about this client; empty if it reads nothing."""
        connector = self._connectors.get(platform)
        return connector.documents() if isinstance(connector, PublishesDocuments) else {}

    # steps

    @property
    def _sealing(self) -> Sealing:
        if self._optional_sealing is None:
            raise Conflict("accounts cannot be connected here: whoever runs this service has to set TOKEN_KEYS")
        return self._optional_sealing

    def _connector(self, platform: str) -> Connector:
        name = self._canonical(platform)
        if name not in self._connectors:
            known = ", ".join(sorted(self._connectors)) or "none"
            raise NotFound(f"no account can be connected on this platform here; possible are: {known}")
        assert self._sealing
        return self._connectors[name]

    def _redirect_uri(self, platform: str) -> str:
        if self.public_url is None:
            raise Conflict("accounts cannot be connected here: whoever runs this service has to set PUBLIC_URL")
        return f"{self.public_url}/oauth/{platform}/callback"

    async def _redeem(self, platform: str, step: str, secret: str | None, browser: str | None) -> PendingConnection:
        if secret is None or browser is None or not _TOKEN.fullmatch(secret) or not _TOKEN.fullmatch(browser):
            raise UnknownConnection
        digest, browser_digest = _digest(secret), _digest(browser)
        found = await retry_transaction(
            lambda: self._store.redeem(
                digest, browser=browser_digest, platform=platform, step=step, now=self._clock.now()
            )
        )
        if found is None:
            raise UnknownConnection
        return found

    async def _offer(self, attempt: _Attempt, found: Sequence[Connection], browser: bytes) -> Choice:
        if not found:
            raise await self._failure(attempt, ConnectFailed("this sign-in gives access to no account to post from"))
        token, pending_id = secrets.token_urlsafe(32), new_id()
        sealed = self._sealing.seal_choice(
            list(found), user_id=attempt.user_id, platform=attempt.platform, pending=pending_id
        )
        pending = PendingConnection(
            id=pending_id,
            digest=_digest(token),
            browser=browser,
            step=CHOOSE,
            user_id=attempt.user_id,
            actor=attempt.actor,
            platform=attempt.platform,
            sealed=sealed,
            expires_at=self._clock.now() + LIFETIME,
        )
        await retry_transaction(lambda: self._store.begin(pending, at_most=MAX_PENDING, audit=None))
        return Choice(token=token, profiles=[each.profile for each in found])

    async def _keep(self, attempt: _Attempt, connection: Connection) -> Account:
        """Store the account; an existing one is connected again, and keeps a refresh token that is not sent anew."""
        profile, tokens = connection.profile, connection.tokens
        if not tokens.access or not 1 <= len(profile.external_id) <= MAX_NAME or len(profile.server) > MAX_NAME:
            raise await self._failure(attempt, ConnectFailed("the platform gave no token for this account"))
        key = AccountKey(attempt.user_id, attempt.platform, profile.external_id, profile.server)

        def write(existing: StoredAccount | None) -> AccountWrite:
            account_id = existing.account.id if existing else new_id()
            kept = tokens if existing is None else self._with_refresh_token(tokens, existing)
            return AccountWrite(
                id=account_id,
                handle=profile.handle[:MAX_NAME],
                expires_at=kept.expires_at,
                refresh_at=next_refresh(kept, self._clock.now()),
                sealed=self._sealing.seal_tokens(
                    kept, user_id=attempt.user_id, platform=attempt.platform, account_id=account_id
                ),
                audit=audit_line(
                    self._clock,
                    AccountAction.RECONNECTED if existing else AccountAction.CONNECTED,
                    account_id,
                    user_id=attempt.user_id,
                    actor=attempt.actor,
                    platform=attempt.platform,
                    request_id=attempt.request_id,
                ),
            )

        account = await retry_transaction(lambda: self._store.connect(key, write))
        log.info("an account was connected", account=str(account.id), platform=account.platform, user=account.user_id)
        return account

    def _with_refresh_token(self, tokens: Tokens, existing: StoredAccount) -> Tokens:
        """The new tokens, with the old refresh token if there is no new one; one that was refused is of no use."""
        if tokens.refresh is not None or existing.account.status is AccountStatus.NEEDS_REAUTH:
            return tokens
        try:
            return replace(tokens, refresh=self._sealing.open_tokens(existing).refresh)
        except VaultError:
            return tokens

    async def _failure(self, attempt: _Attempt, error: ConnectFailed | PlatformUnavailable) -> Exception:
        """Record what went wrong; return what the caller gets to see."""
        code = "unavailable" if isinstance(error, PlatformUnavailable) else "refused"
        rejection = _as_rejection(attempt.platform, error)
        await self._record_failure(attempt, code, rejection.detail)
        return rejection

    async def _record_failure(self, attempt: _Attempt, code: str, message: str) -> None:
        line = audit_line(
            self._clock,
            AccountAction.CONNECT_FAILED,
            attempt.id,
            user_id=attempt.user_id,
            actor=attempt.actor,
            platform=attempt.platform,
            request_id=attempt.request_id,
            error=(code, message),
        )
        await retry_transaction(lambda: self._store.record(line))


@dataclass(frozen=True, slots=True)
class _Attempt:
    id: UUID
    user_id: str
    actor: str
    platform: str
    request_id: str


def _as_rejection(platform: str, error: ConnectFailed | PlatformUnavailable) -> ConnectionRefused | PlatformUnreachable:
    if isinstance(error, PlatformUnavailable):
        return PlatformUnreachable(f"{platform} does not answer at the moment: try again later")
    return ConnectionRefused(str(error) or "the account cannot be connected")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _s256(verifier: str) -> str:
    return urlsafe_b64encode(_digest(verifier)).decode().rstrip("=")
