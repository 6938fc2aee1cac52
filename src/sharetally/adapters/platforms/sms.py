"""SMS: a message in the phone's own program; the user chooses the recipients.

Both iOS, which expects `&`, and Android, which expects `?`, understand `?&body=`. A long text is sent in parts.

    sms:?&body=TEXT%20URL
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import SharePage


class Sms(SharePage):
    """One field takes the text and the link."""

    name = "sms"
    label = "SMS"
    text_limit = None
    page = "sms:?&"
    fields = "body=b"
    colour = "#1f7468"
    icon = "M4 5h16v11h-8l-5 4v-4H4zM8 10.5v.01M12 10.5v.01M16 10.5v.01"
