"""How the URL of an intent is built: everything in it is percent-encoded, and none of it is changed.

A space becomes %20 and never +, which only forms read as a space. Empty fields are left out.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar
from urllib.parse import quote

from sharetally.ports import Button, Platform

_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class SharePage(Platform):
    """A platform whose share page takes everything in its query, with the widget's button that leads there.

    The constants are those of a `Button`. The widget fetches such a button when a page names its platform; those that
    most pages name are part of its script.
    """

    page: ClassVar[str]
    fields: ClassVar[str]
    colour: ClassVar[str]
    icon: ClassVar[str]
    server_post = False

    @property
    def button(self) -> Button:
        """The button in the widget."""
        return Button(label=self.label, colour=self.colour, icon=self.icon, page=self.page, fields=self.fields)

    def intent(self, *, url: str, text: str) -> str:
        """The address of the share page; fields without a value are left out."""
        pairs = (field.split("=") for field in self.fields.split("&"))
        return self.page + query(**{name: _value(source, url, text) for name, source in pairs})


def _value(source: str, url: str, text: str) -> str:
    """What a field takes, by its letter in `fields`."""
    match source:
        case "t":
            return text
        case "u":
            return url
        case "b":
            return text_and_url(text, url)
    lines = _LINE_BREAK.split(text) if text else []
    return "\r\n".join([*lines, url]) if source == "m" else (lines or [""])[0]


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
