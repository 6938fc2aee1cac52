"""Cookies: how ours are named, set, deleted, and read from a request (RFC 6265).

If the public uses https, a cookie is `Secure` and its name starts with `__Host-`: browsers then accept it only from
this host, so no other host of the domain can replace it. Of several cookies with the same name, none is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from starlette.types import Scope

_VALUE = re.compile(r"[A-Za-z0-9_.~-]{1,2048}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cookie:
    """One kind of cookie; `same_site` says with which requests browsers send it."""

    name: str
    same_site: Literal["Strict", "Lax"]

    def read(self, scope: Scope, public_url: str | None) -> str | None:
        """The value of the cookie; None if the request does not contain it exactly once, or it is malformed."""
        name = self._full_name(_is_https(scope, public_url))
        cookie_header = b"; ".join(value for header, value in scope["headers"] if header == b"cookie").decode("latin-1")
        pairs = (each.strip(" \t").partition("=") for each in cookie_header.split(";"))
        values = [value for key, _, value in pairs if key == name]
        return values[0] if len(values) == 1 and _VALUE.fullmatch(values[0]) else None

    def set(self, scope: Scope, public_url: str | None, value: str, *, seconds: int) -> tuple[str, str]:
        """The header that makes the browser keep the cookie for so many seconds."""
        https = _is_https(scope, public_url)
        secure = "; Secure" if https else ""
        rest = f"Path=/; Max-Age={seconds}; HttpOnly; SameSite={self.same_site}{secure}"
        return "set-cookie", f"{self._full_name(https)}={value}; {rest}"

    def clear(self, scope: Scope, public_url: str | None) -> tuple[str, str]:
        """The header that makes the browser delete the cookie."""
        return self.set(scope, public_url, "", seconds=0)

    def _full_name(self, https: bool) -> str:
        return f"__Host-{self.name}" if https else self.name


def _is_https(scope: Scope, public_url: str | None) -> bool:
    """Whether the public uses https: PUBLIC_URL decides, and without it the scheme of this request."""
    return (public_url or f"{scope.get('scheme', 'http')}://").startswith(("https://", "wss://"))
