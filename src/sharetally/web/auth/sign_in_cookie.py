"""The secrets of one sign-in, all from one that its browser keeps in a cookie.

A page that anybody may ask for must not fill a table, and processes share no memory: so what has to be remembered
between leaving for the provider and coming back stands in the browser. `state`, `nonce` and PKCE's verifier are made
from the cookie's random bits, each by its own name, so that none tells of another; who has no such cookie cannot
finish a sign-in, nor have one finished for him. The cookie also holds where to go afterwards: a page of the console
and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from sharetally.web.auth.cookies import Cookie
from sharetally.web.auth.oidc import SignInAttempt

LIFETIME_SECONDS = 600
# sent when the provider sends people back: that is a request from another site
COOKIE = Cookie(name="sharetally-sign-in", same_site="Lax")
HOME_PAGE = "/console"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_CONSOLE_PAGE = re.compile(r"/console(?:/[A-Za-z0-9_~!$()*+,:@%.-]+)*/?(?:\?[A-Za-z0-9_~!$()*+,:@%./?=&-]*)?")
MAX_PAGE_LENGTH = 1024


def begin_sign_in(page: str) -> tuple[str, SignInAttempt]:
    """A new sign-in that is to end on this page: what the cookie holds, and the secrets."""
    secret = secrets.token_urlsafe(32)
    return f"{secret}.{_base64url(page.encode())}", _derive_attempt(secret)


def resume_sign_in(cookie: str | None) -> tuple[SignInAttempt, str] | None:
    """The secrets and the page of a sign-in that this cookie began; None if it began none."""
    secret, _, page = (cookie or "").partition(".")
    if not _SECRET.fullmatch(secret):
        return None
    try:
        wanted = urlsafe_b64decode(page + "=" * (-len(page) % 4)).decode()
    except ValueError:
        wanted = HOME_PAGE
    return _derive_attempt(secret), safe_return_page(wanted)


def safe_return_page(wanted: str, root_path: str = "") -> str:
    """This page of the console, below `root_path` or without it; else the console's first page."""
    page = wanted.removeprefix(root_path)
    climbs_up = any(piece in (".", "..") for piece in re.split(r"[/?]", page.replace("%2E", ".").replace("%2e", ".")))
    return page if len(page) <= MAX_PAGE_LENGTH and _CONSOLE_PAGE.fullmatch(page) and not climbs_up else HOME_PAGE


def _derive_attempt(secret: str) -> SignInAttempt:
    state, nonce, verifier = (_derive(secret, name) for name in ("state", "nonce", "verifier"))
    challenge = _base64url(hashlib.sha256(verifier.encode()).digest())
    return SignInAttempt(state=state, nonce=nonce, verifier=verifier, challenge=challenge)


def _derive(secret: str, name: str) -> str:
    return _base64url(hmac.digest(secret.encode(), name.encode(), "sha256"))


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
