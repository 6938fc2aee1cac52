"""Settings that are addresses: of databases, brokers, sites, hosts and networks.

Stands beside `settings_values.py` and keeps its form: a parser returns the value or raises `ValueError`
with a reason. No reason here quotes an address whole, for it may hold a password; `without_password` is
how an address is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from sharetally.domain.content import content_type_fault
from sharetally.settings_values import items, parsed_json, text

Network: TypeAlias = IPv4Network | IPv6Network

_PLACEHOLDER = "{contentId}"
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")


def _split_url(raw: object, schemes: Sequence[str]) -> SplitResult:
    value = text(raw)
    try:
        parts = urlsplit(value)
        _ = parts.port if "," not in parts.netloc else None  # several hosts may stand in one address
    except ValueError:
        raise ValueError("is no valid address; percent-encode what is special in user and password") from None
    if parts.scheme not in schemes or not value.startswith(f"{parts.scheme}://"):
        raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.fragment:
        raise ValueError("holds a '#'; percent-encode it (%23)")
    return parts


def database_url(raw: object) -> str:
    """`sqlite:///file`, `postgresql://…/name`, `mysql://…/name` or `mariadb://…/name`."""
    value = text(raw)
    if value.startswith("sqlite:"):
        return _sqlite_url(value)
    parts = _split_url(value, ("postgresql", "postgres", "mysql", "mariadb", "sqlite"))
    if not parts.path.strip("/"):
        raise ValueError("names no database: end it with /<name>")
    return value.replace("postgres://", "postgresql://", 1) if parts.scheme == "postgres" else value


def _sqlite_url(value: str) -> str:
    file = value.removeprefix("sqlite:///")
    if file == value or file in ("", ":memory:") or "?" in file or file.endswith("/"):
        raise ValueError("must name a file: sqlite:///relative.db or sqlite:////absolute.db")
    return value


def broker_url(raw: object) -> str:
    """`memory:`, `amqp://…` or `amqps://…`."""
    return _memory_or_url(raw, "amqp", "amqps")


def cache_url(raw: object) -> str:
    """`memory:`, `redis://…` or `rediss://…`."""
    return _memory_or_url(raw, "redis", "rediss")


def _memory_or_url(raw: object, *schemes: str) -> str:
    value = text(raw)
    if value == "memory:":
        return value
    if value.startswith("memory"):
        raise ValueError("must be written memory:")
    if not _split_url(value, schemes).hostname:
        raise ValueError("names no host")
    return value


def web_url(raw: object) -> str:
    """An http(s) address without user, password, query or fragment; a slash at its end is dropped."""
    parts = _split_url(raw, ("https", "http"))
    if not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("must be like https://example.com, without user, password and query")
    return parts.geturl().rstrip("/")


def key_set_url(raw: object) -> str:
    """The http(s) address of a JWK set; which hosts may go without TLS is for the one who fetches to say."""
    parts = _split_url(raw, ("https", "http"))
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be like https://issuer.example/jwks.json, without user and password")
    return parts.geturl()


def issuer(raw: object) -> str:
    """An OpenID provider's name for itself, compared exactly: an https address, or http on this machine."""
    parts = _split_url(raw, ("https", "http"))
    if not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("must be like https://login.example.com/realm, without user, password and query")
    return parts.geturl()


def root_path(raw: object) -> str:
    """Where the service is mounted behind a proxy, as in `/shares`."""
    value = text(raw).rstrip("/")
    if value and not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)+", value):
        raise ValueError("must be a path like /shares")
    return value


def content_urls(raw: object) -> Mapping[str, str]:
    """Content type -> the address of a content, `{contentId}` standing for its id (percent-encoded)."""
    table = parsed_json(raw) if isinstance(raw, str) else raw
    if not isinstance(table, dict):
        raise ValueError(f'must be a table like {{"video": "https://example.com/v/{_PLACEHOLDER}"}}')
    return MappingProxyType(
        {str(content_type): _content_url(str(content_type), url) for content_type, url in table.items()}
    )


def _content_url(content_type: str, raw: object) -> str:
    if error := content_type_fault(content_type):
        raise ValueError(f"content type '{content_type}' {error}")
    url = text(raw)
    parts = urlsplit(url.replace(_PLACEHOLDER, ""))
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"'{content_type}' must be an http(s) address")
    if url.count(_PLACEHOLDER) != 1 or re.search(r"[{}]", url.replace(_PLACEHOLDER, "")):
        raise ValueError(f"'{content_type}' must hold {_PLACEHOLDER} once and no other brace")
    if _PLACEHOLDER in urlsplit(url).netloc:
        raise ValueError(f"'{content_type}' must not have {_PLACEHOLDER} in its host: an id would choose the site")
    return url


def hosts(raw: object) -> tuple[str, ...]:
    """Names of hosts, or `*` for any."""
    names = tuple(dict.fromkeys(name.lower() for name in items(raw)))
    for name in names:
        if name != "*" and not _HOST.fullmatch(name):
            raise ValueError(f"'{name}' is no host: write example.com, without scheme, port and path, or *")
    return names


def origins(raw: object) -> tuple[str, ...]:
    """Origins that browsers may call from, as in `https://shop.example`, or `*` for any."""
    names = tuple(dict.fromkeys(name.lower() for name in items(raw)))
    if "*" in names and len(names) > 1:
        raise ValueError("'*' stands for every origin: leave out the others, or the '*'")
    for name in names:
        if name != "*" and not re.fullmatch(r"https?://[^/?#@\s]+", name):
            raise ValueError(f"'{name}' is no origin: write https://example.com, without path, or *")
    return names


def networks(raw: object) -> tuple[Network, ...]:
    """IP addresses and networks, as in `127.0.0.1,10.0.0.0/8,::1`."""
    return tuple(_network(item) for item in items(raw))


def _network(item: str) -> Network:
    if item == "*":
        raise ValueError("'*' would let anybody choose the address they seem to come from: name the networks")
    try:
        return ip_network(item)
    except ValueError as error:
        raise ValueError(f"'{item}' is no IP address or network ({error})") from None


def without_password(url: str) -> str:
    """The address with `***` in the place of its password, be it beside the user or in the query."""
    parts = urlsplit(url)
    if not parts.netloc and not parts.query:
        return url
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = [(key, "***" if "pass" in key.lower() else value) for key, value in parse_qsl(parts.query)]
    masked_query = f"{parts.scheme}://{name}{colon}{'***' if colon else ''}{at}{host}{parts.path}"
    return f"{masked_query}?{urlencode(query, safe='*/:')}" if query else masked_query
