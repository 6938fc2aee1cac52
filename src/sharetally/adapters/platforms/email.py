"""E-mail: a message in the user's own program, to whom they like.

RFC 6068: a space is %20 (a + stays a +), a line break in the body is %0D%0A, and a subject is one line.
"""

from __future__ import annotations

import re

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform

_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class Email(Platform):
    """The text's first line is the subject; text and link are the body."""

    name = "email"
    label = "Email"
    text_limit = None
    server_post = False

    def intent(self, *, url: str, text: str) -> str:
        """A new message."""
        lines = _LINE_BREAK.split(text) if text else []
        body = "\r\n".join([*lines, url])
        return f"mailto:?{query(subject=lines[0] if lines else '', body=body)}"
