"""Where X sees addresses in a text: each counts 23 characters, however long it is.

The rules are those of twitter-text 3.1.0 (`extractUrlsWithIndices`), which X publishes for this purpose. An address
without a scheme counts, too, if it ends in a known top-level domain (`domains.txt`).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import cache
from itertools import accumulate, groupby
from operator import itemgetter

from sharetally.adapters.platforms._emoji import data_lines

MAX_URL = 4_096  # characters, with the scheme
MAX_LABEL = 63  # characters of a part of a domain (RFC 1035)
MAX_LABELS = 32  # of a domain, before its last two: more than any domain has, which keeps hostile texts cheap
MAX_SLUG = 40  # characters after https://t.co/

_DIRECTION = r"\u202A-\u202E\u061C\u200E\u200F\u2066-\u2069"
_INVALID = r"\uFFFE\uFEFF\uFFFF"
_SPACE = r"\x09-\x0D\x20\x85\xA0\u1680\u180E\u2000-\u200A\u2028\u2029\u202F\u205F\u3000"
_NO_LETTERS = rf"!'#%&()*+,\\./:;<=>?@\[\]^{{|}}~${_SPACE}{_INVALID}{_DIRECTION}"
_LETTER = rf"[^{_NO_LETTERS}_\-]"
_LATIN = (
    r"\xC0-\xD6\xD8-\xF6\xF8-\xFF\u0100-\u024F\u0253\u0254\u0256\u0257\u0259\u025B\u0263\u0268\u026F\u0272\u0289"
    r"\u028B\u02BB\u0300-\u036F\u1E00-\u1EFF"
)
_PATH = rf"[a-z\u0400-\u04FF0-9!*';:=+,.$/%#\[\]\-\u2013_~@|&{_LATIN}]"
_PARENTHESES = rf"\((?:{_PATH}+|(?:{_PATH}*\({_PATH}+\){_PATH}*))\)"  # of Wikipedia, at most two deep
_PATH_END = rf"(?:[+\-a-z\u0400-\u04FF0-9=_#/{_LATIN}]|{_PARENTHESES})"
_PATHS = rf"(?:(?:{_PATH}*(?:{_PARENTHESES}{_PATH}*)*{_PATH_END})|(?:@{_PATH}+/))"
_QUERY = r"\?[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-z0-9\-_&=#/]"
_SHORT = re.compile(rf"^https?://t\.co/([a-z0-9]+)(?:{_QUERY})?", re.IGNORECASE)
# Letters that Python takes for i, k and s when it ignores case, and X does not; others of their kind stand for them.
_DISTINCT = str.maketrans("İıſ\u212a", "ƀƀƀ한")
_WORD = re.compile(rf"[{_SPACE}]?[^{_SPACE}]+")  # with what precedes it, which decides where an address begins


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Matches an address, and an ASCII domain in the domain of an address without a scheme."""
    names = data_lines("sharetally.adapters.platforms.twitter", "domains.txt")
    groups = groupby(sorted(names, reverse=True), key=itemgetter(0))  # by first letter: the longest come first
    listed = "|".join(f"{first}(?:{'|'.join(re.escape(name[1:]) for name in group)})" for first, group in groups)
    top = rf"(?:(?:{listed})(?=[^0-9a-zA-Z@+-]|$)|xn--[\-0-9a-z]+)"
    subdomain = rf"(?:(?:{_LETTER}[^{_NO_LETTERS}]*)?{_LETTER}\.)"
    name = rf"(?:(?:{_LETTER}[^{_NO_LETTERS}_]*)?{_LETTER}\.)"
    address = (
        rf"(?P<before>[^A-Za-z0-9@＠$#＃{_INVALID}]|[{_DIRECTION}]|^)"
        rf"(?P<url>(?P<scheme>https?://)?(?P<domain>{subdomain}{{0,{MAX_LABELS}}}{name}{top})"
        rf"(?::[0-9]+)?(?P<path>/{_PATHS}*)?(?:{_QUERY})?)"
    )
    ascii_domain = rf"(?:(?:[\-a-z0-9{_LATIN}]+)\.)+{top}"
    return re.compile(address, re.IGNORECASE), re.compile(ascii_domain, re.IGNORECASE)


def find_urls(text: str) -> Iterator[tuple[int, int]]:
    """Begin and end of each address in the text, in order."""
    encoded = text.translate(_DISTINCT).encode("utf-16-le", "surrogatepass")
    units = struct.unpack(f"<{len(encoded) // 2}H", encoded)  # as JavaScript sees it, where half an emoji is a letter
    halves = list(accumulate((0xDC00 <= unit <= 0xDFFF for unit in units), initial=0))
    for word in _WORD.finditer("".join(map(chr, units))):  # no address holds a space; short words keep patterns fast
        if "." in word[0]:
            for span in _urls_of(word[0]):
                begin, end = (word.start() + position for position in span)
                yield begin - halves[begin], end - halves[end]


def _urls_of(word: str) -> Iterator[tuple[int, int]]:
    address, ascii_domain = _patterns()
    for found in address.finditer(word):
        url, scheme, domain, path = found.group("url", "scheme", "domain", "path")
        begin, end = found.span("url")
        if not _is_valid(url, scheme or "https://", domain):
            continue
        if scheme:
            if short := _SHORT.match(url):
                if len(short[1]) > MAX_SLUG:
                    continue
                end = begin + short.end()
            yield begin, end
        elif found["before"] not in {"-", "_", ".", "/"}:
            domains = [(begin + match.start(), begin + match.end()) for match in ascii_domain.finditer(domain)]
            if domains and path:  # the path is as long as it is, even if the domain is only a part of what precedes it
                domains[-1] = domains[-1][0], domains[-1][1] + len(url) - len(domain)
            yield from domains


def _is_valid(url: str, scheme: str, domain: str) -> bool:
    """Whether its lengths are those of an address; `scheme` is what X adds where there is none."""
    labels = [_to_ascii(label) for label in domain.split(".")]
    added = sum(map(len, labels)) + len(labels) - 1 - len(domain)
    return all(0 < len(label) <= MAX_LABEL for label in labels) and len(scheme) + len(url) + added <= MAX_URL


def _to_ascii(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
