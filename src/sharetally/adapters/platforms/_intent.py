"""How an intent link is written: everything that goes in is percent-encoded, nothing of it is changed.

A space is %20 and never +, which only a form reads as a space. A field that is empty is left out.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode


def query(**fields: str) -> str:
    """These fields as a query, in their order."""
    return urlencode({name: value for name, value in fields.items() if value}, quote_via=quote, safe="")


def in_one(text: str, url: str) -> str:
    """Text and URL for a place that has one field for both."""
    return f"{text} {url}" if text else url
