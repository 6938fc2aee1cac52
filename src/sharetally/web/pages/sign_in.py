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
from html import escape
from urllib.parse import parse_qsl

import structlog

from sharetally.domain.errors import Forbidden, SharetallyError, Unauthenticated, Unavailable
from sharetally.web.auth import sign_in_cookie
from sharetally.web.auth.oidc import OidcProvider
from sharetally.web.auth.sessions import Sessions
from sharetally.web.auth.tokens import user_fault
from sharetally.web.endpoint import Access, AnyEndpoint, AnyQuery, Endpoint, NoBody, NoPath, Request
from sharetally.web.pages.html import html_page
from sharetally.web.responses import Response

NAME_CLAIMS = ("name", "preferred_username", "email")
MAX_CODE = 4096
_ERROR = re.compile(r"[a-z_]{1,64}")
_HEADERS = (("cache-control", "no-store"), ("referrer-policy", "no-referrer"))
log = structlog.get_logger("sharetally.oidc")


@dataclass(frozen=True, kw_only=True, slots=True)
class OidcSignIn:
    """The provider, and what its claims mean here: `scopes` by group."""

    provider: OidcProvider
    user_claim: str
    groups_claim: str
    scopes: Mapping[str, frozenset[str]]

    def user_id(self, claims: Mapping[str, object]) -> str:
        """The user's id; `Forbidden` if the claim is none."""
        found = claims.get(self.user_claim)
        if self.user_claim == "email" and claims.get("email_verified") is not True:
            raise Forbidden("the provider has not verified the address that would be the user's id")
        if not isinstance(found, str) or (fault := user_fault(found)):
            raise Forbidden(
                f"the claim '{self.user_claim}' is no user's id: {fault if isinstance(found, str) else 'no text'}"
            )
        return found

    def granted_scopes(self, claims: Mapping[str, object]) -> frozenset[str]:
        """What their groups may; `Forbidden` if that is nothing."""
        claim = claims.get(self.groups_claim)
        groups = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
        if self.groups_claim == "email" and claims.get("email_verified") is not True:
            groups = []
        mapped = [self.scopes[group] for group in groups if isinstance(group, str) and group in self.scopes]
        granted = frozenset[str]().union(*mapped)
        if not granted:
            raise Forbidden(f"no group in the claim '{self.groups_claim}' is one of OIDC_GROUPS")
        return granted


@dataclass(frozen=True, kw_only=True, slots=True)
class OidcPages:
    """The way to the provider and back, which ends in a session."""

    oidc: OidcSignIn
    sessions: Sessions
    public_url: str | None


SignInRequest = Request[NoPath, AnyQuery, NoBody]


async def start_sign_in(pages: OidcPages, request: SignInRequest) -> Response:
    """Off to the provider."""
    try:
        query = _query(request)
        page = sign_in_cookie.safe_return_page(query.get("return", sign_in_cookie.HOME_PAGE), request.root_path)
        cookie, attempt = sign_in_cookie.begin_sign_in(page)
        url = await pages.oidc.provider.sign_in_url(attempt, force_login=query.get("prompt") == "login")
    except SharetallyError as error:
        return _error_page(request, error)
    cookie_header = sign_in_cookie.COOKIE.set(
        request.scope, pages.public_url, cookie, seconds=sign_in_cookie.LIFETIME_SECONDS
    )
    return Response(status=302, headers=(("location", url), cookie_header, *_HEADERS))


async def finish_sign_in(pages: OidcPages, request: SignInRequest) -> Response:
    """Back from the provider; the attempt is over, whatever came of it."""
    clear_cookie = sign_in_cookie.COOKIE.clear(request.scope, pages.public_url)
    try:
        # The sign-in that this browser began, if it is the one that the provider speaks of.
        resumed = sign_in_cookie.resume_sign_in(sign_in_cookie.COOKIE.read(request.scope, pages.public_url))
        state = _query(request).get("state", "")
        if resumed is None or not hmac.compare_digest(resumed[0].state.encode(), state.encode()):
            raise _UnknownAttempt
        attempt, page = resumed
        oidc = pages.oidc
        claims = await oidc.provider.claims(
            await _authorization_code(oidc, request), attempt, required_claim=oidc.groups_claim
        )
        names = (claims.get(name) for name in NAME_CLAIMS)
        display_name = next(
            (each for each in names if isinstance(each, str) and each.isprintable() and each.strip()), None
        )
        session, cookie = await pages.sessions.begin(
            request.scope, oidc.user_id(claims), oidc.granted_scopes(claims), name=display_name
        )
    except SharetallyError as error:
        return _error_page(request, error, clear_cookie)
    log.info("signed in to the console", user=session.user_id, scopes=sorted(session.scopes), by="openid")
    return _continue_page(request.root_path, page, cookie, clear_cookie)


def _query(request: SignInRequest) -> Mapping[str, str]:
    """The query; what comes twice is told by nobody."""
    try:
        pairs = parse_qsl(request.scope["query_string"].decode("ascii"), max_num_fields=50, errors="strict")
    except ValueError:
        return {}
    return dict(pairs) if len(dict(pairs)) == len(pairs) else {}


async def _authorization_code(oidc: OidcSignIn, request: SignInRequest) -> str:
    query = _query(request)
    await oidc.provider.check_issuer(query.get("iss"))
    error = query.get("error")
    if error is not None:
        raise _Declined(error if _ERROR.fullmatch(error) else "an error")
    code = query.get("code", "")
    if not 1 <= len(code) <= MAX_CODE:
        raise Unauthenticated("the provider sent no code")
    return code


class _UnknownAttempt(Unauthenticated):
    """Another browser began it, or none did."""


class _Declined(Unauthenticated):
    """The provider says no, and gives a code for it (RFC 6749, 4.1.2.1)."""


# pages


def _continue_page(root_path: str, page: str, *cookies: tuple[str, str]) -> Response:
    target = escape(root_path + page)
    body = f'<h1>Signed in</h1><p><a href="{target}">Go on to the console</a></p>'
    head = f'<meta http-equiv="refresh" content="0;url={target}">'
    return _page(root_path, 200, "Signed in", body, *cookies, head=head)


def _error_page(request: SignInRequest, error: SharetallyError, *cookies: tuple[str, str]) -> Response:
    status, title, text = _explain(error)
    log.warning("nobody was signed in to the console", reason=error.detail or type(error).__name__, status=status)
    root = escape(request.root_path)
    again = f'<a href="{root}/console/sign-in/oidc">Try again</a>'
    if isinstance(error, Forbidden):
        again = f'<a href="{root}/console/sign-in/oidc?prompt=login">Use another account</a>'
    body = (
        f"<p><small>Signing in to the console</small></p><h1>{escape(title)}</h1><p>{escape(text)}</p>"
        f'<p>{again} · <a href="{root}/console/sign-in">Other ways to sign in</a></p>'
        f"<p><small>Request {escape(request.request_id)}</small></p>"
    )
    retry = (("retry-after", str(error.retry_after)),) if isinstance(error, Unavailable) else ()
    return _page(request.root_path, status, title, body, *cookies, *retry)


def _explain(error: SharetallyError) -> tuple[int, str, str]:
    """Status, title and what to do; nothing that the provider wrote is repeated but a code."""
    match error:
        case _UnknownAttempt():
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


def _page(root_path: str, status: int, title: str, body: str, *headers: tuple[str, str], head: str = "") -> Response:
    response = html_page(root_path, title, f'<main class="problem">{body}</main>', head=head)
    return response._replace(status=status, headers=(*response.headers, *_HEADERS, *headers))


def sign_in_endpoints() -> tuple[AnyEndpoint, ...]:
    """For people, like the pages of `documents.py`: not part of the OpenAPI document."""
    return tuple(
        Endpoint(
            method="GET",
            path=path,
            handler=handler,
            service=OidcPages,
            request=Request[NoPath, AnyQuery, NoBody],
            access=Access.PUBLIC,
            responses={200: None},
            head=True,
        )
        for path, handler in (
            ("/console/sign-in/oidc", start_sign_in),
            ("/console/sign-in/oidc/callback", finish_sign_in),
        )
    )
