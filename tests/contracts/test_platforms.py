"""The `Platform` port, one suite for every file in the folder of platforms, and how platforms are added."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint
from itertools import chain
from pkgutil import iter_modules
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharetally.adapters import platforms
from sharetally.adapters.platforms import available, builtin_platforms, canonical, load_plugins
from sharetally.adapters.platforms.mastodon import Mastodon
from sharetally.domain.errors import ConfigurationError
from sharetally.ports import Platform
from tests.docs.pages import DOCS, codes

FILES = sorted(module.name for module in iter_modules(platforms.__path__) if not module.name.startswith("_"))
WITHOUT_PAGE = ("copy", "native")
URL = "https://videos.example/watch?v=a%20b&t=1+2#two"
ENCODED = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})*")  # RFC 3986, 2.1 and 2.3

TEXTS = {
    "plain": "Look",
    "none": "",
    "ampersand": "Tom & Jerry &amp; a=b&url=https://evil.example",
    "hash": "#1 of #all",
    "spaces": "two  spaces + a plus",
    "emoji": "\U0001f44d\U0001f3fd family: \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "newline": "first line\nsecond line\n\nfourth",
    "quotes": "\"double\" 'single' `back` «other»",
    "percent": "100 % of %20",
    "markup": "<script>alert(1)</script>",
    "signs": "?;:@/\\|{}[]^$!*(),",
    "not ascii": "Grüße, 日本語, שלום",
}


@pytest.fixture(params=FILES)
def platform(request: pytest.FixtureRequest) -> Platform:
    return builtin_platforms()[request.param]


def test_platform_files_and_registered_platforms_match() -> None:
    assert sorted(builtin_platforms()) == FILES


def test_the_documentation_lists_the_platforms() -> None:
    (sentence,) = re.findall(
        r"^The built-in platforms are (.*?)\. ", (DOCS / "how-to" / "own-platform.md").read_text("utf-8"), re.MULTILINE
    )
    aliases = {alias for alias in codes(sentence) if canonical(alias) != alias}
    assert [name for name in codes(sentence) if name not in aliases] == FILES


def test_a_platform_describes_itself(platform: Platform) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]{0,31}", platform.name)
    assert platform.label == platform.label.strip() != ""
    assert platform.text_limit is None or platform.text_limit > 0


def test_its_name_is_already_canonical(platform: Platform) -> None:
    assert canonical(platform.name) == platform.name


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_its_link_contains_exactly_the_given_text(platform: Platform, text: str) -> None:
    _assert_carries(platform, URL, text)


@given(
    name=st.sampled_from(FILES),
    path=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Z"]), max_size=40),
    text=st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=80),
)
def test_share_links_encode_arbitrary_text(name: str, path: str, text: str) -> None:
    _assert_carries(builtin_platforms()[name], f"https://videos.example/{path}", text)


def _assert_carries(platform: Platform, url: str, text: str) -> None:
    intent = platform.intent(url=url, text=text)
    if platform.name in WITHOUT_PAGE:
        assert intent is None
        return
    assert intent is not None
    link = urlsplit(intent)
    assert link.scheme in {"https", "mailto", "sms"}
    assert link.fragment == ""
    values = list(_values(link))
    assert any(url in value for value in values)
    for value in values:
        assert value in _allowed(url, text)


def _values(link: SplitResult) -> Iterator[str]:
    fields = [field.partition("=") for field in link.query.split("&") if field]
    assert len({name for name, _, _ in fields}) == len(fields)
    for name, _, encoded in fields:
        assert name.isalpha()
        assert ENCODED.fullmatch(encoded)
        assert [(name, unquote(encoded))] == parse_qsl(f"{name}={encoded}", strict_parsing=True)
        yield unquote(encoded)


def _allowed(url: str, text: str) -> set[str]:
    """One field holds the link, the text or both; the body of an e-mail breaks lines as RFC 6068 requires."""
    body = f"{text}\n{url}".replace("\n", "\r\n")
    return {url, text, f"{text} {url}", body, text.split("\n")[0]}


def test_a_platform_without_a_share_page_returns_none() -> None:
    assert {name for name in FILES if builtin_platforms()[name].intent(url=URL, text="") is None} == set(WITHOUT_PAGE)


@pytest.mark.parametrize("name", FILES)
def test_each_link_leads_where_its_file_says(name: str) -> None:
    """The docstring shows the address that people expect, for the text TEXT and the link URL."""
    module = import_module(f"{platforms.__name__}.{name}")
    expected = re.findall(r"^    (\S+)$", module.__doc__ or "", re.MULTILINE)
    intent = builtin_platforms()[name].intent(url="URL", text="TEXT")
    assert expected == ([] if name in WITHOUT_PAGE else [intent])


def test_a_mastodon_link_leads_to_the_instance_that_was_chosen() -> None:
    intent = Mastodon(instance="social.example").intent(url=URL, text="")
    assert urlsplit(intent).netloc == "social.example"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("x", "twitter"),
        (" X\n", "twitter"),
        ("Twitter", "twitter"),
        ("  WhatsApp ", "whatsapp"),
        ("vine", "vine"),
    ],
)
def test_a_name_as_people_write_it(written: str, meant: str) -> None:
    assert canonical(written) == meant


# platforms of other packages


class Example(Mastodon):
    """A platform from another package."""

    name = "example"


class Faulty:
    """One that fails to load."""

    def __init__(self) -> None:
        raise ValueError("no instance configured")


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=f"{__name__}:{value}", group=platforms.ENTRY_POINT_GROUP)


def test_a_platform_of_another_package_is_found() -> None:
    assert load_plugins([entry("example", "Example")])["example"].name == "example"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("example", "Missing", "does not load"),
        ("example", "Faulty", "no instance configured"),
        ("other", "Example", "calls itself 'example'"),
    ],
)
def test_an_invalid_platform_is_reported(name: str, value: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as refused:
        load_plugins([entry(name, value)])
    assert repr(name) in refused.value.detail


def test_a_platform_can_replace_a_shipped_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms, "entry_points", lambda group: [entry("mastodon", "replacement_mastodon")])
    intent = available()["mastodon"].intent(url=URL, text="")
    assert intent is not None
    assert intent.startswith("https://social.example/")
    assert list(available()) == list(chain(builtin_platforms()))


def replacement_mastodon() -> Mastodon:
    return Mastodon(instance="social.example")
