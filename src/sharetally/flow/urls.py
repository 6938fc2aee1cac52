"""Where things are: the addresses of content items, short addresses, and the hosts that links may lead to.

Everything that stores or shows an address uses these rules, whichever way the request came in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class UrlPolicy:
    """The settings PUBLIC_URL, CONTENT_URLS (template by content type) and LINK_HOSTS."""

    public_url: str | None
    content_urls: Mapping[str, str]
    link_hosts: tuple[str, ...]

    def content_url(self, content: ContentRef) -> str | None:
        """The address of a content item, or None if CONTENT_URLS has no template for its type."""
        template = self.content_urls.get(content.type)
        return template.replace("{contentId}", quote(content.id, safe="")) if template else None

    def short_url(self, code: str, *, root_path: str) -> str:
        """The short address; only a path below `root_path` if PUBLIC_URL is not set."""
        return f"{self.public_url or root_path}/s/{code}"

    def check_target(self, url: str) -> None:
        """Raise `InvalidRequest` unless links may lead to this URL."""
        if fault := url_fault(url):
            raise InvalidRequest(("url", fault))
        host = urlsplit(url).hostname
        if not {"*", host, f"[{host}]"} & set(self.link_hosts):
            raise InvalidRequest(("url", f"must be on one of these hosts: {', '.join(self.link_hosts)} (LINK_HOSTS)"))


def url_fault(url: str) -> str | None:
    """Why nobody may be sent to this address, or None if it is fine."""
    if not url.isprintable() or " " in url or "\\" in url:
        return "must not contain spaces, backslashes or control characters"
    try:
        split = urlsplit(url)
        host, _ = split.hostname, split.port
    except ValueError:
        return "must be an absolute http(s) URL"
    if split.scheme not in ("http", "https") or not host:
        return "must be an absolute http(s) URL"
    if not host.isascii():
        return "must have its host in ASCII, like xn--bcher-kva.example"
    if split.username is not None or split.password is not None:
        return "must not contain a user name or password"
    return None
