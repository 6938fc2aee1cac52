"""What can be shared, and which values are valid ids, texts and labels.

Ids are compared exactly, code point by code point: `abc`, `ABC` and `abc ` are three content items.
Each function named `…_fault` returns a reason that the caller can act on, or None if the value is valid.
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

NO_LABEL = ""  # a missing channel or campaign as it is stored
NONE_LABEL = "none"  # and as it is shown


class ContentRef(NamedTuple):
    """A content item: its type (`video`, `article`, …) and its id within the type."""

    type: str
    id: str


def content_type_fault(value: str) -> str | None:
    """A content type must match `[a-z][a-z0-9_-]{0,31}`."""
    return None if _CONTENT_TYPE.fullmatch(value) else "must match [a-z][a-z0-9_-]{0,31}"


def id_fault(value: str) -> str | None:
    """A content or user id has 1 to 128 code points, no control characters and no `/`, and is not `.` or `..`."""
    if not 1 <= len(value) <= MAX_ID:
        return f"must be 1 to {MAX_ID} characters"
    if "/" in value or value in (".", ".."):
        return "must not contain '/' and must not be '.' or '..'"
    return text_fault(value)


def text_fault(value: str) -> str | None:
    """A stored text must not contain control characters or lone surrogates."""
    if _CONTROL.search(value):
        return "must not contain control characters"
    return "must be valid Unicode" if _SURROGATE.search(value) else None


def prose_fault(value: str) -> str | None:
    """A text that people write may contain line breaks and tabs, but no other control characters."""
    return text_fault(value.replace("\n", " ").replace("\r", " ").replace("\t", " "))


def label_fault(value: str) -> str | None:
    """A channel or campaign must match `[A-Za-z0-9_.-]{1,64}`."""
    return None if _LABEL.fullmatch(value) else "must match [A-Za-z0-9_.-]{1,64}"


def stored_label(value: str | None) -> str:
    """The stored form of a label: `''` if there is none, which callers can also write as `none`."""
    return NO_LABEL if value is None or value == NONE_LABEL else value


def shown_label(value: str) -> str | None:
    """A stored label as callers see it in a link or a job: None if there is none."""
    return value or None
