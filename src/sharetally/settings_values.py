"""How the text of a setting becomes its value, one small grammar a function.

Stands under `settings.py`, which says which setting speaks which grammar; addresses have a file of their
own, `settings_urls.py`. A parser takes what stood in the environment (always text) or in a file (typed),
and returns the value or raises `ValueError` with a reason that says what to write instead. A reason quotes
the value only where that cannot hold a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sharetally.domain.caller import SCOPES
from sharetally.domain.content import text_fault

UNITS: Mapping[str, int] = MappingProxyType({"second": 1, "minute": 60, "hour": 3600, "day": 86400})
SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
KEY_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
# these have a meaning of their own in every token (RFC 7519, 4.1) and can name no user
_RESERVED_CLAIMS = ("iss", "aud", "exp", "nbf", "iat", "jti")
_PLATFORM = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """At most `limit` writes in `window` seconds."""

    limit: int
    window: int


def text(raw: object) -> str:
    """Any text that is not empty; spaces around it do not count."""
    if not isinstance(raw, str):
        raise ValueError("must be text")
    value = raw.strip()
    if not value:
        raise ValueError("is empty: give a value or leave it out")
    if fault := text_fault(value):
        raise ValueError(fault)
    return value


def secret(raw: object) -> str:
    """A secret, taken exactly as it stands."""
    if not isinstance(raw, str) or not raw:
        raise ValueError("is empty: give a value or leave it out")
    if text_fault(raw):
        raise ValueError("must be UTF-8 text without control characters")
    return raw


def items(raw: object) -> tuple[str, ...]:
    """A list, or text with commas, or text that is a JSON list; empty entries are dropped."""
    if isinstance(raw, str):
        raw = parsed_json(raw) if raw.lstrip().startswith("[") else raw.split(",")
    if not isinstance(raw, Sequence) or not all(isinstance(item, str) for item in raw):
        raise ValueError("must be a list of texts, or texts separated by commas")
    return tuple(item.strip() for item in raw if item.strip())


def parsed_json(raw: str) -> object:
    try:
        value: object = json.loads(raw)
    except ValueError:
        raise ValueError("is no valid JSON") from None
    return value


def switch(raw: object) -> bool:
    """`on` or `off`; true and false work too."""
    known = {"on": True, "true": True, "off": False, "false": False}
    if isinstance(raw, bool):
        return raw
    if not isinstance(raw, str) or raw.strip().lower() not in known:
        raise ValueError("must be on or off")
    return known[raw.strip().lower()]


def choice(*names: str) -> Callable[[object], str]:
    """One of these words, in any case."""

    def parse(raw: object) -> str:
        value = text(raw).lower()
        if value not in names:
            raise ValueError(f"'{value}' is none of {', '.join(names)}")
        return value

    return parse


def rate(raw: object) -> Rate | None:
    """`600/minute` (per second, minute, hour or day), or `off`."""
    value = "off" if raw is False else text(raw).lower()
    if value == "off":
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,8})\s*/\s*([a-z]+)", value)
    if not match or match[2] not in UNITS:
        raise ValueError(f"'{value}' is no rate: write off, or like 600/minute (second, minute, hour, day)")
    return Rate(limit=int(match[1]), window=UNITS[match[2]])


def number(minimum: int, maximum: int) -> Callable[[object], int]:
    """A whole number within these bounds."""

    def parse(raw: object) -> int:
        value = str(raw).strip()
        if not re.fullmatch(r"[0-9]{1,9}", value) or not minimum <= int(value) <= maximum:
            raise ValueError(f"must be a number from {minimum} to {maximum}")
        return int(value)

    return parse


def port(raw: object) -> int | None:
    """A TCP port, or `off`."""
    value = "off" if raw is False else str(raw).strip().lower()
    if value == "off":
        return None
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise ValueError("must be a port from 1 to 65535, or off")
    return int(value)


def path(raw: object) -> Path:
    """A directory; `~` is the home of who runs the service."""
    return Path(text(raw)).expanduser()


def platforms(raw: object) -> tuple[str, ...]:
    """Names of platforms: lower case, `x` is `twitter`, repeats fold; the order stays."""
    names = [name.lower() for name in items(raw)]
    if not names:
        raise ValueError("names no platform: name at least one, or leave it out for the default")
    for name in names:
        if not _PLATFORM.fullmatch(name):
            raise ValueError(f"'{name}' is no name of a platform")
    return tuple(dict.fromkeys("twitter" if name == "x" else name for name in names))


def algorithms(raw: object) -> tuple[str, ...]:
    """JWT signature algorithms, all with a shared secret or all with public keys."""
    names = items(raw)
    for name in names:
        if name not in SECRET_ALGORITHMS and name not in KEY_ALGORITHMS:
            known = ", ".join((*SECRET_ALGORITHMS, *KEY_ALGORITHMS))
            raise ValueError(f"'{name}' is not accepted; known are {known}")
    if not names:
        raise ValueError("names no algorithm: name at least one, or leave it out for the default")
    if len({name in SECRET_ALGORITHMS for name in names}) > 1:
        raise ValueError("mixes HS* with public keys, so that a public key could pass for a secret")
    return tuple(dict.fromkeys(names))


def openid_scope(raw: object) -> str:
    """What an OpenID provider is asked for: `openid` and more, separated by spaces."""
    value = text(raw)
    if "openid" not in value.split():
        raise ValueError("must hold openid, as in: openid profile email")
    return value


def groups(raw: object) -> Mapping[str, str]:
    """Group -> what its members may in the console: scopes, separated by spaces."""
    table = parsed_json(raw) if isinstance(raw, str) else raw
    if not isinstance(table, dict) or not table:
        raise ValueError('must be a table like {"editors": "shares analytics"}')
    return MappingProxyType({str(group): _scopes(str(group), scopes) for group, scopes in table.items()})


def _scopes(group: str, raw: object) -> str:
    chosen = raw.split() if isinstance(raw, str) else []
    known = [scope for scope in SCOPES if scope != "act-as"]
    if not chosen or not set(chosen) <= set(known):
        raise ValueError(f"'{group}' must have some of {', '.join(known)}")
    return " ".join(dict.fromkeys(chosen))


def user_claim(raw: object) -> str:
    """The claim that names the user."""
    name = text(raw)
    if name in _RESERVED_CLAIMS:
        raise ValueError(f"'{name}' means something else in every token and cannot name a user")
    return name
