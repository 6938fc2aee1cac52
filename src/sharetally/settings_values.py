"""Parsers that turn the text of a setting into its value, one function per format.

`settings.py` says which setting uses which parser; parsers for addresses are in `settings_urls.py`. A parser takes a
value from the environment (always text) or from a file (typed), and returns the parsed value or raises `ValueError`
with a reason that says what to write instead. A reason quotes the value only if the value cannot contain a secret.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

from sharetally.domain.caller import SCOPES
from sharetally.domain.content import text_fault
from sharetally.domain.spending import DOLLAR, Budget, dollars
from sharetally.ports.vault import TokenKey

UNITS: Mapping[str, int] = MappingProxyType({"second": 1, "minute": 60, "hour": 3600, "day": 86400})
SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
KEY_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
# these have a fixed meaning in every token (RFC 7519, 4.1), so none of them can name the user
_RESERVED_CLAIMS = ("iss", "aud", "exp", "nbf", "iat", "jti")
_PLATFORM = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_DOLLARS = re.compile(r"[0-9]{1,7}(\.[0-9]{1,6})?")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_JWK_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_P256_NUMBER = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes
TOKEN_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """At most `limit` writes within `window` seconds."""

    limit: int
    window: int


def text(raw: object) -> str:
    """Text that is not empty; spaces around it are removed."""
    if not isinstance(raw, str):
        raise ValueError("must be text")
    value = raw.strip()
    if not value:
        raise ValueError("is empty: give a value or leave it out")
    if fault := text_fault(value):
        raise ValueError(fault)
    return value


def secret(raw: object) -> str:
    """A secret, used exactly as it is written."""
    if not isinstance(raw, str) or not raw:
        raise ValueError("is empty: give a value or leave it out")
    if text_fault(raw):
        raise ValueError("must be UTF-8 text without control characters")
    return raw


def token_keys(raw: object) -> tuple[TokenKey, ...]:
    """Keys that encrypt tokens, newest first: `id:base64` of 32 bytes, in either alphabet of base64."""
    keys = [_token_key(item) for item in items(raw)]
    if not keys:
        raise ValueError("names no key; give one as id:base64, or leave the setting out")
    if len({key.id for key in keys}) < len(keys):
        raise ValueError("has two keys with the same id; every key needs an id of its own")
    return tuple(keys)


def _token_key(item: str) -> TokenKey:
    key_id, _, encoded = item.partition(":")
    try:
        key = b64decode(encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _KEY_ID.fullmatch(key_id) or len(key) != TOKEN_KEY_BYTES:
        raise ValueError(
            "must be a list of id:base64, newest first: an id of letters, digits, '_' and '-', and "
            f"{TOKEN_KEY_BYTES} bytes; create a key with: openssl rand -base64 {TOKEN_KEY_BYTES}"
        )
    return TokenKey(id=key_id, key=key)


def client_keys(raw: object) -> tuple[Mapping[str, str], ...]:
    """Private keys of an OAuth client, newest first: a list of JWKs (RFC 7517) on P-256, each with a `kid`."""
    table = parsed_json(raw) if isinstance(raw, str) else raw
    if not isinstance(table, list) or not table:
        raise ValueError("must be a list of private JWKs, newest first, even for one key: [{…}]")
    keys = [_client_key(each) for each in table]
    if len({key["kid"] for key in keys}) < len(keys):
        raise ValueError("has two keys with the same kid; every key needs one of its own")
    return tuple(keys)


def _client_key(raw: object) -> Mapping[str, str]:
    """The members that matter: what a key says about its use is not passed on."""
    members = raw if isinstance(raw, dict) else {}
    key = {name: str(members.get(name, "")) for name in ("kty", "crv", "x", "y", "d", "kid")}
    has_numbers = all(_P256_NUMBER.fullmatch(key[name]) for name in ("x", "y", "d"))
    if (key["kty"], key["crv"]) != ("EC", "P-256") or not has_numbers or not _JWK_ID.fullmatch(key["kid"]):
        raise ValueError(
            "has an entry that is no private JWK on the curve P-256 with a kid; "
            "create one with: sharetally accounts new-client-key"
        )
    return MappingProxyType(key)


def items(raw: object) -> tuple[str, ...]:
    """A list, given as such, as text separated by commas, or as a JSON list; empty entries are dropped."""
    if isinstance(raw, str):
        raw = parsed_json(raw) if raw.lstrip().startswith("[") else raw.split(",")
    if not isinstance(raw, Sequence) or not all(isinstance(item, str) for item in raw):
        raise ValueError("must be a list of strings, or strings separated by commas")
    return tuple(item.strip() for item in raw if item.strip())


def parsed_json(raw: str) -> object:
    """Any JSON value."""
    try:
        value: object = json.loads(raw)
    except ValueError:
        raise ValueError("is not valid JSON") from None
    return value


def switch(raw: object) -> bool:
    """`on` or `off`; `true` and `false` are accepted too."""
    known = {"on": True, "true": True, "off": False, "false": False}
    if isinstance(raw, bool):
        return raw
    if not isinstance(raw, str) or raw.strip().lower() not in known:
        raise ValueError("must be on or off")
    return known[raw.strip().lower()]


def choice(*names: str) -> Callable[[object], str]:
    """One of these words, in upper or lower case."""

    def parse(raw: object) -> str:
        value = text(raw).lower()
        if value not in names:
            raise ValueError(f"'{value}' is not one of {', '.join(names)}")
        return value

    return parse


def rate(raw: object) -> Rate | None:
    """`600/minute` (per second, minute, hour or day), or `off`."""
    value = "off" if raw is False else text(raw).lower()
    if value == "off":
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,8})\s*/\s*([a-z]+)", value)
    if not match or match[2] not in UNITS:
        raise ValueError(
            f"'{value}' is not a rate; write one like 600/minute (per second, minute, hour or day), or off"
        )
    return Rate(limit=int(match[1]), window=UNITS[match[2]])


def budget(minimum: int) -> Callable[[object], Budget]:
    """Dollars a day: `20` in all, or `20,1` in all and for each user; 0, or at least `minimum` micro-dollars."""

    def parse(raw: object) -> Budget:
        parts = [part.strip() for part in str(raw).split(",")]
        if isinstance(raw, bool) or len(parts) > 2 or not all(_DOLLARS.fullmatch(part) for part in parts):
            raise ValueError("must be dollars a day, like 20, or 20,1 for all users and for each of them")
        amounts = [int(Decimal(part) * DOLLAR) for part in parts]
        if amounts == [0]:
            return Budget(total=0)
        if min(amounts) < minimum:
            raise ValueError(f"must be 0 or at least {dollars(minimum)}, which is what one post costs")
        if amounts[-1] > amounts[0]:
            raise ValueError("gives a user more than all users together; write the total first")
        return Budget(total=amounts[0], per_user=amounts[1] if len(amounts) == 2 else None)

    return parse


def number(minimum: int, maximum: int) -> Callable[[object], int]:
    """A whole number from `minimum` to `maximum`."""

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
    """A directory; `~` is the home directory of the user who runs the service."""
    return Path(text(raw)).expanduser()


def platforms_or_none(raw: object) -> tuple[str, ...]:
    """Like `platforms`, but there may be none."""
    return platforms(raw) if items(raw) else ()


def platforms(raw: object) -> tuple[str, ...]:
    """Names of platforms, in lower case and in the given order; `x` becomes `twitter`, repeated names are dropped."""
    names = [name.lower() for name in items(raw)]
    if not names:
        raise ValueError("names no platform; name at least one, or leave the setting out for the default")
    for name in names:
        if not _PLATFORM.fullmatch(name):
            raise ValueError(
                f"'{name}' is not the name of a platform; use letters, digits, '_', '.' and '-', at most 32"
            )
    return tuple(dict.fromkeys("twitter" if name == "x" else name for name in names))


def algorithms(raw: object) -> tuple[str, ...]:
    """JWT signature algorithms: either all with a shared secret, or all with public keys."""
    names = items(raw)
    for name in names:
        if name not in SECRET_ALGORITHMS and name not in KEY_ALGORITHMS:
            known = ", ".join((*SECRET_ALGORITHMS, *KEY_ALGORITHMS))
            raise ValueError(f"'{name}' is not a supported algorithm; choose from {known}")
    if not names:
        raise ValueError("names no algorithm; name at least one, or leave the setting out for the default")
    if len({name in SECRET_ALGORITHMS for name in names}) > 1:
        raise ValueError(
            "mixes HS* with public-key algorithms, so that a public key could be used as a secret; choose one kind"
        )
    return tuple(dict.fromkeys(names))


def openid_scope(raw: object) -> str:
    """The scopes to request from an OpenID provider: `openid` and others, separated by spaces."""
    value = text(raw)
    if "openid" not in value.split():
        raise ValueError("must contain openid, as in: openid profile email")
    return value


def api_version(pattern: str, example: str) -> Callable[[object], str]:
    """The version of a platform's API, written as that platform writes it."""

    def parse(raw: object) -> str:
        value = text(raw)
        if not re.fullmatch(pattern, value):
            raise ValueError(f"'{value}' is not a version of this API; write one like {example}")
        return value

    return parse


def groups(raw: object) -> Mapping[str, str]:
    """Group -> the scopes of its members in the console, separated by spaces."""
    table = parsed_json(raw) if isinstance(raw, str) else raw
    if not isinstance(table, dict) or not table:
        raise ValueError('must be a table like {"editors": "shares analytics"}')
    known = [scope for scope in SCOPES if scope != "act-as"]
    scopes_by_group: dict[str, str] = {}
    for group, scopes in table.items():
        chosen = scopes.split() if isinstance(scopes, str) else []
        if not chosen or not set(chosen) <= set(known):
            raise ValueError(f"'{group}' must have one or more of {', '.join(known)}, separated by spaces")
        scopes_by_group[str(group)] = " ".join(dict.fromkeys(chosen))
    return MappingProxyType(scopes_by_group)


def user_claim(raw: object) -> str:
    """The claim that names the user."""
    name = text(raw)
    if name in _RESERVED_CLAIMS:
        raise ValueError(
            f"'{name}' has another meaning in every token, so it cannot name the user; choose another claim"
        )
    return name
