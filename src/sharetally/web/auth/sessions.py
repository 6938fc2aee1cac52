"""Sessions of the console: from the cookie of a request to whoever signed in.

A session that was found is believed for `SESSION_TTL` seconds, so one that ends stops within that time on all
processes, and at once on the one that ended it. Unknown ones are remembered too, apart and bounded. That it is in
use is written down every few minutes, by whichever process looks.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Set
from contextlib import suppress
from datetime import timedelta

from starlette.types import Scope

from sharetally.domain.errors import SharetallyError, Unauthenticated
from sharetally.domain.expiring import ExpiringCache
from sharetally.flow.sign_in import digest_of, is_valid, new_session
from sharetally.ports import Clock, Session, SessionStore, SignInCode
from sharetally.web.auth.cookies import Cookie
from sharetally.web.auth.same_origin import check_console_request, check_same_origin

SESSION_TTL = 5.0  # seconds that a looked-up session is believed
MAX_SESSIONS = 10_000  # looked-up sessions remembered, and as many that were none
USE_RECORD_INTERVAL = timedelta(minutes=5)
COOKIE = Cookie(name="sharetally-console", same_site="Strict")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
SetCookie = tuple[str, str]


class Sessions:
    """Begins, finds and ends sessions; `public_url` says what our own origin is."""

    def __init__(
        self,
        store: SessionStore,
        *,
        clock: Clock,
        public_url: str | None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._public_url = public_url
        self._now = now
        self._known: ExpiringCache[bytes, Session] = ExpiringCache(capacity=MAX_SESSIONS, now=now)
        self._unknown: ExpiringCache[bytes, bool] = ExpiringCache(capacity=MAX_SESSIONS, now=now)

    def has_cookie(self, scope: Scope) -> bool:
        """Whether the request has a cookie of ours, whatever it is worth."""
        for name, _ in scope["headers"]:  # most requests come without any
            if name == b"cookie":
                return COOKIE.read(scope, self._public_url) is not None
        return False

    async def require(self, scope: Scope) -> Session:
        """Whose request this is; `Unauthenticated` if nobody's, `Forbidden` if another site's page may have made it."""
        check_same_origin(scope, self._public_url)
        session = await self._current(scope)
        if session is None:
            raise Unauthenticated("the console session has ended, or there was none: sign in")
        return session

    async def redeem(self, scope: Scope, code: str) -> tuple[Session, SetCookie]:
        """Sign in with a code, in the place of any session there was; `Unauthenticated` if the code is none.

        From pages of ours alone, or another site could sign people in as somebody else.
        """
        check_console_request(scope, self._public_url)
        secret: list[str] = []

        def begin(code: SignInCode) -> Session:
            new_secret, session = new_session(
                code.user_id, code.scopes, now=self._clock.now(), seconds=code.session_seconds
            )
            secret[:] = [new_secret]
            return session

        session = await self._store.redeem(digest_of(code), self._clock.now(), begin)
        if session is None:
            raise Unauthenticated("this link was used before, or is older than ten minutes: ask for a new one")
        await self._end_current(scope)
        return session, self._cookie(scope, secret[0], session)

    async def begin(
        self, scope: Scope, user_id: str, scopes: Set[str], *, name: str | None
    ) -> tuple[Session, SetCookie]:
        """Sign in whom an OpenID provider told, in the place of any session there was."""
        secret, session = new_session(user_id, scopes, now=self._clock.now(), name=name)
        await self._store.add(session)
        await self._end_current(scope)
        return session, self._cookie(scope, secret, session)

    async def end(self, scope: Scope) -> SetCookie:
        """Sign out; without a session there is nothing to do."""
        check_console_request(scope, self._public_url)
        await self._end_current(scope)
        return COOKIE.clear(scope, self._public_url)

    def _cookie(self, scope: Scope, secret: str, session: Session) -> SetCookie:
        seconds = max(1, int((session.expires_at - self._clock.now()).total_seconds()))
        return COOKIE.set(scope, self._public_url, secret, seconds=seconds)

    async def _end_current(self, scope: Scope) -> None:
        """End what the request came with; its cookie may be past, or nobody's."""
        session = await self._current(scope)
        if session is not None:
            await self._store.end(session.id)
            self._known.forget(session.digest)

    async def _current(self, scope: Scope) -> Session | None:
        secret = COOKIE.read(scope, self._public_url)
        if secret is None or not _SECRET.fullmatch(secret):
            return None
        digest = digest_of(secret)
        session = self._known.get(digest)
        if session is None and not self._unknown.get(digest):
            session = await self._look_up(digest)
        return session if session is not None and is_valid(session, self._clock.now()) else None

    async def _look_up(self, digest: bytes) -> Session | None:
        started_at = self._now()  # before the database looks: what it says may be old when it arrives
        session = await self._store.by_digest(digest)
        if session is None:
            self._unknown.put(digest, True, until=started_at + SESSION_TTL)
            return None
        self._known.put(digest, session, until=started_at + SESSION_TTL)
        await self._record_use(session)
        return session

    async def _record_use(self, session: Session) -> None:
        now = self._clock.now()
        if is_valid(session, now) and now - session.seen_at >= USE_RECORD_INTERVAL:
            with suppress(SharetallyError):  # it is noted with the next look
                await self._store.record_use(session.id, now)
