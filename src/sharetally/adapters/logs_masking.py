"""Masks secrets in log lines before they are written.

Every value of every line passes through here, ours and those of libraries: bearer tokens, API keys, JSON Web Tokens,
passwords in URLs, and every value whose name sounds like a secret. When in doubt, harmless text is masked too. The
result is plain and bounded: numbers, short texts, shallow lists and mappings. Any other object is shown by its `str`,
never field by field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice

MASK = "***"
MAX_TEXT_LENGTH = 8_192  # characters
MAX_ITEMS = 100  # per list or mapping
MAX_DEPTH = 5

_NUMBERS = (int, float)  # bool is an int
_HARMLESS = re.compile(r"[A-Za-z0-9_.-]*")
_SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase)|(?<![a-z])pwd|secret|authorization|api[_-]?key|private[_-]?key|cookie|credential|token$",
    re.IGNORECASE,
)
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*")
_API_KEY = re.compile(r"stk_[A-Za-z0-9_-]+")
_BEARER = re.compile(r"\b(bearer|dpop)((?:\s|%20|\+){1,8})[^\s\"',;]+", re.IGNORECASE)
_BASIC = re.compile(r"\b(?i:(basic))((?:\s|%20|\+){1,8})(?=[a-z]*[A-Z0-9=+/])[A-Za-z0-9+/_=-]+")
_COOKIE = re.compile(r"\b(cookie:\s{0,4})[^\r\n\"']+", re.IGNORECASE)
# user:password@ after ://, where the password ends at the last @; a number before the path is a port
_URL_PASSWORD = re.compile(r"(://[^\s/:@]{0,256}:)(?!\d{1,5}(?:[/?#,;\s\"']|$))\S{0,2048}@")
_NAMED_SECRET = re.compile(
    r"""
    ((?:pass(?:word|wd|phrase)|\bpwd|secret|authorization|api[_-]?key|private[_-]?key|cookie|credential|token)
     [\w-]{0,20} (?:\\?["'])? \s{0,4} (?:=|:|%3D|%3A|(?<=["']),) \s{0,4})
    (?: b?" (?:[^"\\]|\\.)* " | b?' (?:[^'\\]|\\.)* ' | \\" [^"\\]* \\"
      | (?:(?:bearer|basic|dpop|digest|negotiate|token|apikey)\s+)? [^\s"'&,;)}\]]+ )
    """,
    re.IGNORECASE | re.VERBOSE,
)


def mask(value: object, depth: int = MAX_DEPTH) -> object:
    """Return the value without secrets, composed only of None, bool, int, float, str, list and dict."""
    if isinstance(value, str):
        return mask_text(value)
    if value is None or isinstance(value, _NUMBERS):
        return value
    if isinstance(value, bytes | bytearray):
        return mask_text(bytes(value[: 2 * MAX_TEXT_LENGTH]).decode("utf-8", "backslashreplace"))
    if depth and isinstance(value, Mapping):
        masked = {}
        for key, item in islice(value.items(), MAX_ITEMS):
            name = _key_text(key)
            masked[mask_text(name)] = MASK if is_secret_name(name) else mask(item, depth - 1)
        return masked
    if depth and isinstance(value, list | tuple | set | frozenset):
        items = list(islice(value, MAX_ITEMS))
        if len(items) == 2 and isinstance(items[0], str | bytes) and is_secret_name(_key_text(items[0])):
            return [_key_text(items[0]), MASK]  # the name and value of a header
        return [mask(item, depth - 1) for item in items]
    try:
        description = str(value)
    except Exception:  # code that is not ours may raise anything
        description = f"<{type(value).__name__}>"
    return mask_text(description)


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether the value with this name is probably a secret."""
    return _SECRET_NAME.search(name[:200]) is not None


def mask_text(text: str) -> str:
    """Return the text with its secrets masked; the middle of a long text is left out."""
    if len(text) > MAX_TEXT_LENGTH:
        return _shorten(_remove_secrets(_shorten(text, 2 * MAX_TEXT_LENGTH)), MAX_TEXT_LENGTH)
    if _HARMLESS.fullmatch(text) and "eyJ" not in text and "stk_" not in text:
        return text
    return _remove_secrets(text)


def _remove_secrets(text: str) -> str:
    text = _JWT.sub(MASK, text)
    text = _API_KEY.sub(f"stk_{MASK}", text)
    text = _BEARER.sub(rf"\1\2{MASK}", text)
    text = _BASIC.sub(rf"\1\2{MASK}", text)
    text = _COOKIE.sub(rf"\1{MASK}", text)
    text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
    return _NAMED_SECRET.sub(rf"\1{MASK}", text)


def _shorten(text: str, max_length: int) -> str:
    half = max_length // 2
    return text if len(text) <= max_length else f"{text[:half]} … {text[-half:]}"


def _key_text(key: object) -> str:
    return key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else str(key)
