"""Parsers for settings that are addresses: URLs of databases, brokers and sites, hosts, origins and networks.

Like those in `settings_values.py`, each parser returns the value or raises `ValueError` with a reason. No reason
quotes a whole address, because it may contain a password; `without_password` shows an address without it.
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
        _ = parts.port if "," not in parts.netloc else None  # one address may name several hosts
    except ValueError:
        raise ValueError(
            "is not a valid address; percent-encode special characters in the user name and the password"
        ) from None
    if parts.scheme not in schemes or not value.startswith(f"{parts.scheme}://"):
        raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.fragment:
        raise ValueError("contains a '#'; write it as %23")
    return parts


def database_url(raw: object) -> str:
    """`sqlite:///file`, `postgresql://…/name`, `mysql://…/name` or `mariadb://…/name`."""
    value = text(raw)
    if value.startswith("sqlite:"):
        file = value.removeprefix("sqlite:///")
        if file == value or file in ("", ":memory:") or "?" in file or file.endswith("/"):
            raise ValueError("must name a file, like sqlite:///relative.db or sqlite:////absolute.db")
        return value
    parts = _split_url(value, ("postgresql", "postgres", "mysql", "mariadb", "sqlite"))
    if not parts.path.strip("/"):
        raise ValueError("does not name a database; add /<name> at the end")
    return value.replace("postgres://", "postgresql://", 1) if parts.scheme == "postgres" else value


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
        raise ValueError("does not name a host")
    return value


def web_url(raw: object) -> str:
    """An http(s) address without user, password, query or fragment; a final slash is removed."""
    parts = _split_url(raw, ("https", "http"))
    if not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("must be an address like https://example.com, without user, password and query")
    return parts.geturl().rstrip("/")


def key_set_url(raw: object) -> str:
    """The http(s) address of a JWK set; whoever fetches it decides which hosts may be used without TLS."""
    parts = _split_url(raw, ("https", "http"))
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be an address like https://issuer.example/jwks.json, without user and password")
    return parts.geturl()


def issuer(raw: object) -> str:
    """The issuer identifier of an OpenID provider, which is compared exactly: an http(s) address."""
    parts = _split_url(raw, ("https", "http"))
    if not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("must be an address like https://login.example.com/realm, without user, password and query")
    return parts.geturl()


def root_path(raw: object) -> str:
    """The path under which a proxy mounts the service, like `/shares`."""
    value = text(raw).rstrip("/")
    if value and not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)+", value):
        raise ValueError("must be a path like /shares")
    return value


def content_urls(raw: object) -> Mapping[str, str]:
    """Content type -> address of a content item, where `{contentId}` is replaced by its percent-encoded id."""
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
        raise ValueError(f"'{content_type}' must contain {_PLACEHOLDER} once and no other braces")
    if _PLACEHOLDER in urlsplit(url).netloc:
        raise ValueError(
            f"'{content_type}' must not have {_PLACEHOLDER} in its host, because an id could then choose the site"
        )
    return url


def hosts(raw: object) -> tuple[str, ...]:
    """Host names, or `*` for any host."""
    names = tuple(dict.fromkeys(name.lower() for name in items(raw)))
    for name in names:
        if name != "*" and not _HOST.fullmatch(name):
            raise ValueError(f"'{name}' is not a host; write one like example.com, without scheme, port and path, or *")
    return names


def origins(raw: object) -> tuple[str, ...]:
    """Origins whose pages may call the service, like `https://shop.example`, or `*` for any origin."""
    names = tuple(dict.fromkeys(name.lower() for name in items(raw)))
    if "*" in names and len(names) > 1:
        raise ValueError("'*' allows every origin; remove it, or remove the others")
    for name in names:
        if name != "*" and not re.fullmatch(r"https?://[^/?#@\s]+", name):
            raise ValueError(f"'{name}' is not an origin; write one like https://example.com, without a path, or *")
    return names


def servers(raw: object) -> tuple[str, ...]:
    """Base URLs of servers, like `http://127.0.0.1:3000`."""
    return tuple(web_url(item) for item in items(raw))


def networks(raw: object) -> tuple[Network, ...]:
    """IP addresses and networks, like `127.0.0.1,10.0.0.0/8,::1`."""
    found: list[Network] = []
    for item in items(raw):
        if item == "*":
            raise ValueError("'*' would let every client forge its own address; list the networks of your proxies")
        try:
            found.append(ip_network(item))
        except ValueError as error:
            raise ValueError(f"'{item}' is not an IP address or network ({error})") from None
    return tuple(found)


def without_password(url: str) -> str:
    """The address with `***` in place of its password, which may follow the user name or be in the query."""
    parts = urlsplit(url)
    if not parts.netloc and not parts.query:
        return url
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = [(key, "***" if "pass" in key.lower() else value) for key, value in parse_qsl(parts.query)]
    masked_url = f"{parts.scheme}://{name}{colon}{'***' if colon else ''}{at}{host}{parts.path}"
    return f"{masked_url}?{urlencode(query, safe='*/:')}" if query else masked_url
