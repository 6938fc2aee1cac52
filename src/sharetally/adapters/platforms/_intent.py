"""How the URL of an intent is built: everything in it is percent-encoded, and none of it is changed.

A space becomes %20 and never +, which only forms read as a space. Empty fields are left out.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote


def query(**fields: str) -> str:
    """The fields as a query string, in their order; the names must not need encoding."""
    return "&".join([f"{name}={percent_encode(value)}" for name, value in fields.items() if value])


@lru_cache(maxsize=1024)
def percent_encode(text: str) -> str:
    """The text percent-encoded; cached, because the platforms of one request mostly encode the same texts."""
    return quote(text, safe="")


def text_and_url(text: str, url: str) -> str:
    """The text and the URL for a platform that has one field for both."""
    return f"{text} {url}" if text else url
