"""Pinterest: a pin of a picture from the page; without the field `media` the user chooses the picture.

Limit: 500 characters, the limit of a description.

    https://www.pinterest.com/pin/create/button/?url=URL&description=TEXT
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import SharePage


class Pinterest(SharePage):
    """The text becomes the description."""

    name = "pinterest"
    label = "Pinterest"
    text_limit = 500
    page = "https://www.pinterest.com/pin/create/button/?"
    fields = "url=u&description=t"
    colour = "#b9132a"
    icon = "M9.5 20.5l2.8-11.5M8 12.7a4.8 4.8 0 1 1 4.5 2.8c-1 0-1.6-.4-2-1"
