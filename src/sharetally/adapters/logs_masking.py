"""What must never stand in a log, taken out before a line is written.

Every value of every line passes here, ours and those of libraries: bearer tokens, API keys, JSON Web
Tokens, passwords in URLs, whatever is named like a secret. When in doubt something harmless is masked too.
What comes out is plain and bounded: numbers, short texts, shallow lists and mappings; an object that
nobody meant to log is shown as it describes itself, never field by field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice

MASK = "***"
LONGEST = 8_192  # characters of one text
WIDEST = 100  # items of one list or mapping
DEEPEST = 5

_NUMBERS = (int, float)  # bool is an int
_PLAIN = re.compile(r"[A-Za-z0-9_.-]*")
_NAME = re.compile(
    r"pass(?:word|wd|phrase)|(?<![a-z])pwd|secret|authorization|api[_-]?key|private[_-]?key|cookie|credential|token$",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*")
_KEY = re.compile(r"stk_[A-Za-z0-9_-]+")
_BEARER = re.compile(r"\b(bearer|dpop)((?:\s|%20|\+){1,8})[^\s\"',;]+", re.IGNORECASE)
_BASIC = re.compile(r"\b(?i:(basic))((?:\s|%20|\+){1,8})(?=[a-z]*[A-Z0-9=+/])[A-Za-z0-9+/_=-]+")
_COOKIE = re.compile(r"\b(cookie:\s{0,4})[^\r\n\"']+", re.IGNORECASE)
# user:password@ after ://, the password as far as the last @; a port before the path is none
_IN_URL = re.compile(r"(://[^\s/:@]{0,256}:)(?!\d{1,5}(?:[/?#,;\s\"']|$))\S{0,2048}@")
_PAIR = re.compile(
    r"""
    ((?:pass(?:word|wd|phrase)|\bpwd|secret|authorization|api[_-]?key|private[_-]?key|cookie|credential|token)
     [\w-]{0,20} (?:\\?["'])? \s{0,4} (?:=|:|%3D|%3A|(?<=["']),) \s{0,4})
    (?: b?" (?:[^"\\]|\\.)* " | b?' (?:[^'\\]|\\.)* ' | \\" [^"\\]* \\"
      | (?:(?:bearer|basic|dpop|digest|negotiate|token|apikey)\s+)? [^\s"'&,;)}\]]+ )
    """,
    re.IGNORECASE | re.VERBOSE,
)


def masked(value: object, deep: int = DEEPEST) -> object:
    """The value as it may be shown, made of None, bool, int, float, str, list and dict only."""
    if isinstance(value, str):
        return masked_text(value)
    if value is None or isinstance(value, _NUMBERS):
        return value
    if isinstance(value, bytes | bytearray):
        return masked_text(bytes(value[: 2 * LONGEST]).decode("utf-8", "backslashreplace"))
    if deep and isinstance(value, Mapping):
        return _masked_mapping(value, deep - 1)
    if deep and isinstance(value, list | tuple | set | frozenset):
        return _masked_items(value, deep - 1)
    return masked_text(_said(value))


def _masked_mapping(mapping: Mapping[object, object], deep: int) -> dict[str, object]:
    shown = {}
    for key, value in islice(mapping.items(), WIDEST):
        name = _text(key)
        shown[masked_text(name)] = MASK if names_a_secret(name) else masked(value, deep)
    return shown


def _masked_items(items: Iterable[object], deep: int) -> list[object]:
    shown = list(islice(items, WIDEST))
    if len(shown) == 2 and isinstance(shown[0], str | bytes) and names_a_secret(_text(shown[0])):
        return [_text(shown[0]), MASK]  # a header: name and value
    return [masked(item, deep) for item in shown]


@lru_cache(maxsize=1024)
def names_a_secret(name: str) -> bool:
    """Whether what bears this name is a secret."""
    return _NAME.search(name[:200]) is not None


def masked_text(text: str) -> str:
    """The text with every secret in it masked, and its middle left out where it is too long."""
    if len(text) > LONGEST:
        return _shortened(_without_secrets(_shortened(text, 2 * LONGEST)), LONGEST)
    if _PLAIN.fullmatch(text) and "eyJ" not in text and "stk_" not in text:
        return text
    return _without_secrets(text)


def _without_secrets(text: str) -> str:
    text = _TOKEN.sub(MASK, text)
    text = _KEY.sub(f"stk_{MASK}", text)
    text = _BEARER.sub(rf"\1\2{MASK}", text)
    text = _BASIC.sub(rf"\1\2{MASK}", text)
    text = _COOKIE.sub(rf"\1{MASK}", text)
    text = _IN_URL.sub(rf"\1{MASK}@", text)
    return _PAIR.sub(rf"\1{MASK}", text)


def _shortened(text: str, longest: int) -> str:
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]} … {text[-half:]}"


def _text(key: object) -> str:
    return key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else str(key)


def _said(value: object) -> str:
    try:
        return str(value)
    except Exception:  # a stranger's code may fail in any way
        return f"<{type(value).__name__}>"
