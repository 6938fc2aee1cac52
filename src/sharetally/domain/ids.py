"""UUIDv7 (RFC 9562, 5.7): ids that the application creates, sorted by time.

They consist of 48 bits of milliseconds, 12 bits of the fraction below a millisecond (method 3 of section 6.2) and 62
random bits. Ids that one process creates one after another sort in that order.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID, SafeUUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM = (1 << 62) - 1
_new, _set = object.__new__, object.__setattr__
_FRACTION = 245  # nanoseconds, just above the resolution of the 12 bits


def new_id() -> UUID:
    """Create a UUIDv7 of the current time."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[UUID]:
    """Create `count` ids in order, with a single call for random bytes."""
    now, random = time.time_ns(), int.from_bytes(os.urandom(8 * count), "big")
    ids = list[UUID]()
    for index in range(count):
        milliseconds, rest = divmod(now + index * _FRACTION, 1_000_000)
        fraction = (rest << 12) // 1_000_000
        time_part = (milliseconds & 0xFFFFFFFFFFFF) << 80 | _VERSION_7 | fraction << 64
        value = _new(UUID)  # without the checks of `UUID(int=…)`: this one is valid
        _set(value, "int", time_part | _VARIANT | random & _RANDOM)
        _set(value, "is_safe", SafeUUID.unknown)
        ids.append(value)
        random >>= 64
    return ids


def earliest_id(at: datetime) -> UUID:
    """An id that sorts before all ids created at or after this millisecond."""
    milliseconds = int((at - _EPOCH).total_seconds() * 1000)
    return UUID(int=min(max(milliseconds, 0), 0xFFFFFFFFFFFF) << 80)


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
CODE_LENGTH = 22  # ceil(128 / log2(62))


def to_base62(value: UUID) -> str:
    """Write an id as 22 letters and digits."""
    number, digits = value.int, ""
    for _ in range(CODE_LENGTH):
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    return digits


def from_base62(text: str) -> UUID | None:
    """Parse a text that `to_base62` wrote; None if it is not one."""
    if len(text) != CODE_LENGTH or not all(letter in _VALUES for letter in text):
        return None
    number = 0
    for letter in text:
        number = number * 62 + _VALUES[letter]
    return UUID(int=number) if number < 1 << 128 else None
