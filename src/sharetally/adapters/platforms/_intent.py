"""How an intent link is written: everything that goes in is percent-encoded, nothing of it is changed.

A space is %20 and never +, which only a form reads as a space. A field that is empty is left out.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote


def query(**fields: str) -> str:
    """These fields as a query, in their order; their names need no encoding."""
    return "&".join([f"{name}={percent_encode(value)}" for name, value in fields.items() if value])


@lru_cache(maxsize=1024)
def percent_encode(text: str) -> str:
    """Percent-encoded, whatever it is; the platforms of one request mostly ask for the same."""
    return quote(text, safe="")


def text_and_url(text: str, url: str) -> str:
    """Text and URL for a place that has one field for both."""
    return f"{text} {url}" if text else url
