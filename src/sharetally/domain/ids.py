"""UUIDv7 (RFC 9562, 5.7): ids that the application makes, in the order of time.

48 bits of milliseconds, 12 bits of the fraction below (method 3 of section 6.2), 62 random bits:
ids made one after another by one process sort as they were made.
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
_FRACTION = 245  # nanoseconds, just above what the 12 bits can tell apart


def new_id() -> UUID:
    """Return a UUIDv7 of now."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[UUID]:
    """Return that many at once, in order; one call for randomness serves them all."""
    now, random = time.time_ns(), int.from_bytes(os.urandom(8 * count), "big")
    made = list[UUID]()
    for place in range(count):
        milliseconds, rest = divmod(now + place * _FRACTION, 1_000_000)
        fraction = (rest << 12) // 1_000_000
        time_part = (milliseconds & 0xFFFFFFFFFFFF) << 80 | _VERSION_7 | fraction << 64
        made.append(_uuid(time_part | _VARIANT | random & _RANDOM))
        random >>= 64
    return made


def earliest_id(at: datetime) -> UUID:
    """The id before all that are made from this millisecond on."""
    milliseconds = int((at - _EPOCH).total_seconds() * 1000)
    return UUID(int=min(max(milliseconds, 0), 0xFFFFFFFFFFFF) << 80)


def _uuid(number: int) -> UUID:
    """The UUID of a number that is known to be one, without the checks that `UUID(int=…)` makes of a caller's."""
    made = _new(UUID)
    _set(made, "int", number)
    _set(made, "is_safe", SafeUUID.unknown)
    return made


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
    """Read what `to_base62` wrote; None if it is anything else."""
    if len(text) != CODE_LENGTH or not all(letter in _VALUES for letter in text):
        return None
    number = 0
    for letter in text:
        number = number * 62 + _VALUES[letter]
    return UUID(int=number) if number < 1 << 128 else None
