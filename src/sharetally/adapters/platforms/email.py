"""E-mail: a message in the user's own mail program; the user chooses the recipients.

RFC 6068: a space is %20 (a + stays a +), a line break in the body is %0D%0A, and the subject is one line.
"""

from __future__ import annotations

import re

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform

_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class Email(Platform):
    """The first line of the text is the subject; the text and the link are the body."""

    name = "email"
    label = "Email"
    text_limit = None

    def intent(self, *, url: str, text: str) -> str:
        """The URL that opens a new message."""
        lines = _LINE_BREAK.split(text) if text else []
        body = "\r\n".join([*lines, url])
        return f"mailto:?{query(subject=lines[0] if lines else '', body=body)}"
