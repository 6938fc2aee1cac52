"""The secrets of one sign-in, all derived from one random secret that the browser keeps in a cookie.

Anybody may start a sign-in, so starting one must not write to the database, and processes share no memory. Whatever has
to be known when the person comes back from the provider is therefore kept in the browser. `state`, `nonce` and the PKCE
verifier are derived from the secret, each with its own name, so that none reveals another. Without the cookie nobody
can finish the sign-in. The cookie also contains the page to open afterwards, which must be a page of the console.
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
# Lax, because browsers must send it when the provider, another site, redirects people back
COOKIE = Cookie(name="sharetally-sign-in", same_site="Lax")
HOME_PAGE = "/console"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_CONSOLE_PAGE = re.compile(r"/console(?:/[A-Za-z0-9_~!$()*+,:@%.-]+)*/?(?:\?[A-Za-z0-9_~!$()*+,:@%./?=&-]*)?")
MAX_PAGE_LENGTH = 1024


def begin_sign_in(page: str) -> tuple[str, SignInAttempt]:
    """Start a sign-in that ends on this page: the value of the cookie, and the secrets."""
    secret = secrets.token_urlsafe(32)
    return f"{secret}.{_base64url(page.encode())}", _derive_attempt(secret)


def resume_sign_in(cookie: str | None) -> tuple[SignInAttempt, str] | None:
    """The secrets and the page of the sign-in that this cookie started; None if the cookie is missing or invalid."""
    secret, _, page = (cookie or "").partition(".")
    if not _SECRET.fullmatch(secret):
        return None
    try:
        wanted = urlsafe_b64decode(page + "=" * (-len(page) % 4)).decode()
    except ValueError:
        wanted = HOME_PAGE
    return _derive_attempt(secret), safe_return_page(wanted)


def safe_return_page(wanted: str, root_path: str = "") -> str:
    """The page without `root_path` if it is a page of the console; otherwise the console's first page."""
    page = wanted.removeprefix(root_path)
    climbs_up = any(piece in (".", "..") for piece in re.split(r"[/?]", page.replace("%2E", ".").replace("%2e", ".")))
    return page if len(page) <= MAX_PAGE_LENGTH and _CONSOLE_PAGE.fullmatch(page) and not climbs_up else HOME_PAGE


def _derive_attempt(secret: str) -> SignInAttempt:
    state, nonce, verifier = (
        _base64url(hmac.digest(secret.encode(), name.encode(), "sha256")) for name in ("state", "nonce", "verifier")
    )
    challenge = _base64url(hashlib.sha256(verifier.encode()).digest())
    return SignInAttempt(state=state, nonce=nonce, verifier=verifier, challenge=challenge)


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
