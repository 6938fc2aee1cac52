"""Reddit: a link with a title, in a community that the user chooses.

Limit: 300 characters, the limit of a title.

    https://www.reddit.com/submit?url=URL&title=TEXT
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import SharePage


class Reddit(SharePage):
    """The text becomes the title."""

    name = "reddit"
    label = "Reddit"
    text_limit = 300
    page = "https://www.reddit.com/submit?"
    fields = "url=u&title=t"
    colour = "#c03c06"
    icon = "M12 9c5 0 8 2.3 8 5.2s-3.5 5.3-8 5.3-8-2.4-8-5.3S7 9 12 9l1-5 4 1M9 13.5v.01M15 13.5v.01M9 16.3q3 1.8 6 0"
