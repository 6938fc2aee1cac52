"""Sessions of the console: finds the signed-in person by the cookie of a request; starts and ends sessions.

A session is cached for `SESSION_TTL` seconds, so an ended session stops working within that time in all processes, and
immediately in the process that ended it. Unknown cookies are cached too, in a separate bounded cache. The time of last
use is stored every few minutes.
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

SESSION_TTL = 5.0  # seconds for which a session is used without looking it up again
MAX_SESSIONS = 10_000  # the most sessions that are cached; as many unknown cookies are cached too
USE_RECORD_INTERVAL = timedelta(minutes=5)
COOKIE = Cookie(name="sharetally-console", same_site="Strict")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
SetCookie = tuple[str, str]


class Sessions:
    """Starts, finds and ends sessions; `public_url` determines our own origin."""

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
        """Whether the request has our cookie, valid or not."""
        for name, _ in scope["headers"]:  # most requests have no cookie at all
            if name == b"cookie":
                return COOKIE.read(scope, self._public_url) is not None
        return False

    async def require(self, scope: Scope) -> Session:
        """The session of this request; `Unauthenticated` without one, `Forbidden` if another site may have sent it."""
        check_same_origin(scope, self._public_url)
        session = await self._current(scope)
        if session is None:
            raise Unauthenticated("there is no console session, or it has ended; sign in")
        return session

    async def redeem(self, scope: Scope, code: str) -> tuple[Session, SetCookie]:
        """Sign in with a code and end any earlier session; `Unauthenticated` if the code is not valid.

        Only our own pages may do this, otherwise another site could sign people in as somebody else.
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
            raise Unauthenticated("this sign-in link was already used, or is older than ten minutes; ask for a new one")
        await self._end_current(scope)
        return session, self._cookie(scope, secret[0], session)

    async def begin(
        self, scope: Scope, user_id: str, scopes: Set[str], *, name: str | None
    ) -> tuple[Session, SetCookie]:
        """Sign in a user whom the OpenID provider has authenticated, and end any earlier session."""
        secret, session = new_session(user_id, scopes, now=self._clock.now(), name=name)
        await self._store.add(session)
        await self._end_current(scope)
        return session, self._cookie(scope, secret, session)

    async def end(self, scope: Scope) -> SetCookie:
        """Sign out; does nothing without a session."""
        check_console_request(scope, self._public_url)
        await self._end_current(scope)
        return COOKIE.clear(scope, self._public_url)

    def _cookie(self, scope: Scope, secret: str, session: Session) -> SetCookie:
        seconds = max(1, int((session.expires_at - self._clock.now()).total_seconds()))
        return COOKIE.set(scope, self._public_url, secret, seconds=seconds)

    async def _end_current(self, scope: Scope) -> None:
        """End the session of this request, if its cookie belongs to one."""
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
        started_at = self._now()  # before the query: the answer may already be old when it arrives
        session = await self._store.by_digest(digest)
        if session is None:
            self._unknown.put(digest, True, until=started_at + SESSION_TTL)
            return None
        self._known.put(digest, session, until=started_at + SESSION_TTL)
        now = self._clock.now()
        if is_valid(session, now) and now - session.seen_at >= USE_RECORD_INTERVAL:
            with suppress(SharetallyError):  # the next lookup tries again
                await self._store.record_use(session.id, now)
        return session
