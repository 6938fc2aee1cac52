"""A platform that people share to: its name, its limits and the address of its own share page."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Platform(Protocol):
    """A place people share to."""

    @property
    def name(self) -> str:
        """Lower case, as in SHARE_PLATFORMS."""
        ...

    @property
    def label(self) -> str:
        """As people write it."""
        ...

    @property
    def text_limit(self) -> int | None:
        """Longest text in the platform's own measure, None where there is no known limit."""
        ...

    def intent(self, *, url: str, text: str) -> str | None:
        """The platform's own share page, everything percent-encoded; None where there is none."""
        ...


class Button(NamedTuple):
    """A platform's button in the widget, in the order in which its script reads it.

    `icon` is the path of a drawing of 24 × 24 in strokes. `page` is the address of the share page up to its query, with
    `{i}` in place of a server that the embedding page names. `fields` are the fields of the query, and what each takes:
    `t` the text, `u` the address, `b` both in one line, `s` the first line of the text, `m` both as the body of a mail.
    """

    label: str
    colour: str
    icon: str
    page: str
    fields: str
