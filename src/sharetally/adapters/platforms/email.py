"""E-mail: a message in the user's own mail program; the user chooses the recipients.

RFC 6068: a space is %20 (a + stays a +), a line break in the body is %0D%0A, and the subject is one line.

    mailto:?subject=TEXT&body=TEXT%0D%0AURL
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import SharePage


class Email(SharePage):
    """The first line of the text is the subject; the text and the link are the body."""

    name = "email"
    label = "Email"
    text_limit = None
    page = "mailto:?"
    fields = "subject=s&body=m"
    colour = "#7a45b5"
    icon = "M3 6h18v12H3zM3.5 6.5L12 13l8.5-6.5"
