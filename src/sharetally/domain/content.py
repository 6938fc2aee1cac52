"""What can be shared, and which ids are ids.

Ids are compared exactly, code point by code point: `abc`, `ABC` and `abc ` are three contents.
Every rule here answers with the reason a person can act on, or None when the value is good.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_ID = 128  # code points
MAX_TYPE = 32
_CONTENT_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_LABEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

NO_LABEL = ""  # how a missing channel or campaign is stored
NONE_LABEL = "none"  # how it is shown


class ContentRef(NamedTuple):
    """A content: its type (`video`, `article`, …) and its id within the type."""

    type: str
    id: str


def content_type_fault(value: str) -> str | None:
    """A content type is `[a-z][a-z0-9_-]{0,31}`."""
    return None if _CONTENT_TYPE.fullmatch(value) else "must match [a-z][a-z0-9_-]{0,31}"


def id_fault(value: str) -> str | None:
    """A content or user id is 1 to 128 code points, no control character, no `/`, not `.` or `..`."""
    if not 1 <= len(value) <= MAX_ID:
        return f"must be 1 to {MAX_ID} characters"
    if "/" in value or value in (".", ".."):
        return "must not contain '/' nor be '.' or '..'"
    return text_fault(value)


def text_fault(value: str) -> str | None:
    """A stored text holds no control character and no lone surrogate."""
    if _CONTROL.search(value):
        return "must not contain control characters"
    return "must be valid Unicode" if _SURROGATE.search(value) else None


def prose_fault(value: str) -> str | None:
    """A text that people write may have line breaks and tabs, no other control character."""
    return text_fault(value.replace("\n", " ").replace("\r", " ").replace("\t", " "))


def label_fault(value: str) -> str | None:
    """A channel or campaign id is `[A-Za-z0-9_.-]{1,64}`."""
    return None if _LABEL.fullmatch(value) else "must match [A-Za-z0-9_.-]{1,64}"


def stored_label(value: str | None) -> str:
    """No channel is `''` inside; who writes `none` means no channel too."""
    return NO_LABEL if value is None or value == NONE_LABEL else value


def shown_label(value: str) -> str | None:
    """A stored label as callers see it in a link or a job: None where there is none."""
    return value or None
