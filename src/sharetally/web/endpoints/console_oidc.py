"""Signing in to the console by OpenID Connect: off to the provider, and back.

    GET /console/sign-in/oidc -> the provider -> GET /console/sign-in/oidc/callback -> a page of the console

Whoever comes back is known by the browser's cookie, the provider's answer and the groups that OIDC_GROUPS names. The
last step is a page of ours that leads on by itself: a redirect would still be the provider's request, and the
session's cookie goes with ours alone. Everything that goes wrong ends on a page that says so; why, stands in the log.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from urllib.parse import parse_qsl

import structlog

from sharetally.domain.errors import Forbidden, SharetallyError, Unauthenticated, Unavailable
from sharetally.web.answers import Answer
from sharetally.web.endpoint import Access, Asked, Endpoint
from sharetally.web.endpoints.html import html_page
from sharetally.web.parts import Parts
from sharetally.web.who import attempts
from sharetally.web.who.oidc import Attempt, Provider
from sharetally.web.who.tokens import user_fault

NAMES = ("name", "preferred_username", "email")
MAX_CODE = 4096
_ERROR = re.compile(r"[a-z_]{1,64}")
_HEADERS = (("cache-control", "no-store"), ("referrer-policy", "no-referrer"))
log = structlog.get_logger("sharetally.oidc")


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenId:
    """The provider, and what its claims mean here: `scopes` by group."""

    provider: Provider
    user_claim: str
    groups_claim: str
    scopes: Mapping[str, frozenset[str]]

    def user(self, claims: Mapping[str, object]) -> str:
        """The user's id; `Forbidden` if the claim is none."""
        found = claims.get(self.user_claim)
        if self.user_claim == "email" and claims.get("email_verified") is not True:
            raise Forbidden("the provider has not verified the address that would be the user's id")
        if not isinstance(found, str) or (fault := user_fault(found)):
            raise Forbidden(
                f"the claim '{self.user_claim}' is no user's id: {fault if isinstance(found, str) else 'no text'}"
            )
        return found

    def granted(self, claims: Mapping[str, object]) -> frozenset[str]:
        """What their groups may; `Forbidden` if that is nothing."""
        told = claims.get(self.groups_claim)
        groups = [told] if isinstance(told, str) else told if isinstance(told, list) else []
        if self.groups_claim == "email" and claims.get("email_verified") is not True:
            groups = []
        mapped = [self.scopes[group] for group in groups if isinstance(group, str) and group in self.scopes]
        granted = frozenset[str]().union(*mapped)
        if not granted:
            raise Forbidden(f"no group in the claim '{self.groups_claim}' is one of OIDC_GROUPS")
        return granted


async def leave(known: OpenId, parts: Parts, asked: Asked) -> Answer:
    """Off to the provider."""
    try:
        told = _told(asked)
        page = attempts.own_page(told.get("return", attempts.HOME), parts.places.root_path)
        cookie, attempt = attempts.begin(page)
        url = await known.provider.sign_in_url(attempt, anew=told.get("prompt") == "login")
    except SharetallyError as error:
        return _failed(parts, asked, error)
    kept = attempts.COOKIE.set(asked.scope, parts.places.public_url, cookie, seconds=attempts.SECONDS)
    return Answer(status=302, headers=(("location", url), kept, *_HEADERS))


async def come_back(known: OpenId, parts: Parts, asked: Asked) -> Answer:
    """Back from the provider; the attempt is over, whatever came of it."""
    over = attempts.COOKIE.clear(asked.scope, parts.places.public_url)
    try:
        attempt, page = _resumed(parts, asked)
        claims = await known.provider.claims(await _code(known, asked), attempt, wanted=known.groups_claim)
        session, cookie = await parts.sessions.begin(
            asked.scope, known.user(claims), known.granted(claims), name=_name(claims)
        )
    except SharetallyError as error:
        return _failed(parts, asked, error, over)
    log.info("signed in to the console", user=session.user_id, scopes=sorted(session.scopes), by="openid")
    return _lead_on(parts, page, cookie, over)


def _told(asked: Asked) -> Mapping[str, str]:
    """The query; what comes twice is told by nobody."""
    try:
        pairs = parse_qsl(asked.scope["query_string"].decode("ascii"), max_num_fields=50, errors="strict")
    except ValueError:
        return {}
    return dict(pairs) if len(dict(pairs)) == len(pairs) else {}


def _resumed(parts: Parts, asked: Asked) -> tuple[Attempt, str]:
    """The sign-in that this browser began, if it is the one that the provider speaks of."""
    begun = attempts.resume(attempts.COOKIE.read(asked.scope, parts.places.public_url))
    state = _told(asked).get("state", "")
    if begun is None or not hmac.compare_digest(begun[0].state.encode(), state.encode()):
        raise _NotBegun
    return begun


async def _code(known: OpenId, asked: Asked) -> str:
    told = _told(asked)
    await known.provider.check_sender(told.get("iss"))
    error = told.get("error")
    if error is not None:
        raise _Declined(error if _ERROR.fullmatch(error) else "an error")
    code = told.get("code", "")
    if not 1 <= len(code) <= MAX_CODE:
        raise Unauthenticated("the provider sent no code")
    return code


def _name(claims: Mapping[str, object]) -> str | None:
    told = (claims.get(name) for name in NAMES)
    return next((each for each in told if isinstance(each, str) and each.isprintable() and each.strip()), None)


class _NotBegun(Unauthenticated):
    """Another browser began it, or none did."""


class _Declined(Unauthenticated):
    """The provider says no, and gives a code for it (RFC 6749, 4.1.2.1)."""


# pages


def _lead_on(parts: Parts, page: str, *cookies: tuple[str, str]) -> Answer:
    target = escape(parts.places.root_path + page)
    body = f'<h1>Signed in</h1><p><a href="{target}">Go on to the console</a></p>'
    head = f'<meta http-equiv="refresh" content="0;url={target}">'
    return _page(parts, 200, "Signed in", body, *cookies, head=head)


def _failed(parts: Parts, asked: Asked, error: SharetallyError, *cookies: tuple[str, str]) -> Answer:
    status, title, text = _explained(error)
    log.warning("nobody was signed in to the console", reason=error.detail or type(error).__name__, status=status)
    root = escape(parts.places.root_path)
    again = f'<a href="{root}/console/sign-in/oidc">Try again</a>'
    if isinstance(error, Forbidden):
        again = f'<a href="{root}/console/sign-in/oidc?prompt=login">Use another account</a>'
    body = (
        f"<p><small>Signing in to the console</small></p><h1>{escape(title)}</h1><p>{escape(text)}</p>"
        f'<p>{again} · <a href="{root}/console/sign-in">Other ways to sign in</a></p>'
        f"<p><small>Request {escape(asked.request_id)}</small></p>"
    )
    retry = (("retry-after", str(error.retry_after)),) if isinstance(error, Unavailable) else ()
    return _page(parts, status, title, body, *cookies, *retry)


def _explained(error: SharetallyError) -> tuple[int, str, str]:
    """Status, title and what to do; nothing that the provider wrote is repeated but a code."""
    match error:
        case _NotBegun():
            text = "It was begun in another browser, was finished before, or took longer than ten minutes."
            return 400, "This sign-in cannot be finished", text
        case _Declined():
            text = f"It answered: {error.detail}. Perhaps you are not allowed to use this application there."
            return 403, "Your sign-in provider declined", text
        case Forbidden():
            text = "You were recognised, but nothing lets this account use the console. Ask whoever runs it."
            return 403, "Not for this account", text
        case Unavailable():
            text = "It may pass. This service itself goes on; whoever runs it can print a link to sign in with."
            return 503, "Signing in does not work just now", text
    text = "What your sign-in provider answered could not be verified. Whoever runs this service finds why in its log."
    return 502, "The answer does not hold", text


def _page(parts: Parts, status: int, title: str, body: str, *headers: tuple[str, str], head: str = "") -> Answer:
    answer = html_page(parts.places.root_path, title, f'<main class="problem">{body}</main>', head=head)
    return answer._replace(status=status, headers=(*answer.headers, *_HEADERS, *headers))


def sign_in_endpoints(known: OpenId) -> tuple[Endpoint, ...]:
    """For people, like the pages of `pages.py`: not part of the OpenAPI document."""
    return tuple(
        Endpoint(
            method="GET",
            path=path,
            handler=partial(handler, known),
            summary="",
            tag="",
            access=Access.PUBLIC,
            answers={200: None},
        )
        for path, handler in (("/console/sign-in/oidc", leave), ("/console/sign-in/oidc/callback", come_back))
    )
