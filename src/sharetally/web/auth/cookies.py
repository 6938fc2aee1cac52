"""Cookies: how ours are named, set and taken away, and how they are read out of a request (RFC 6265).

Where the world comes by https a cookie is `Secure` and its name begins with `__Host-`: browsers then take it from
this host alone, so that no neighbour can put one of its own in its place. Of several with one name none is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from starlette.types import Scope

_VALUE = re.compile(r"[A-Za-z0-9_.~-]{1,2048}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cookie:
    """One kind of cookie; `same_site` says with whose requests it comes."""

    name: str
    same_site: Literal["Strict", "Lax"]

    def read(self, scope: Scope, public_url: str | None) -> str | None:
        """What the request holds under this name, if it holds it once."""
        name = self._full_name(_is_https(scope, public_url))
        cookie_header = b"; ".join(value for header, value in scope["headers"] if header == b"cookie").decode("latin-1")
        pairs = (each.strip(" \t").partition("=") for each in cookie_header.split(";"))
        values = [value for key, _, value in pairs if key == name]
        return values[0] if len(values) == 1 and _VALUE.fullmatch(values[0]) else None

    def set(self, scope: Scope, public_url: str | None, value: str, *, seconds: int) -> tuple[str, str]:
        """The header that makes the browser hold it for so long."""
        https = _is_https(scope, public_url)
        secure = "; Secure" if https else ""
        rest = f"Path=/; Max-Age={seconds}; HttpOnly; SameSite={self.same_site}{secure}"
        return "set-cookie", f"{self._full_name(https)}={value}; {rest}"

    def clear(self, scope: Scope, public_url: str | None) -> tuple[str, str]:
        """The header that takes it away."""
        return self.set(scope, public_url, "", seconds=0)

    def _full_name(self, https: bool) -> str:
        return f"__Host-{self.name}" if https else self.name


def _is_https(scope: Scope, public_url: str | None) -> bool:
    """How the world comes: as PUBLIC_URL says, else as this request came."""
    return (public_url or f"{scope.get('scheme', 'http')}://").startswith(("https://", "wss://"))
