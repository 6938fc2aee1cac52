"""Everything that the page says about the widget is in its source, and the other way round; so are its types.

The source is read as text: names are found where they must be written to be visible from outside.
"""

from __future__ import annotations

import json
import re

from tests.docs.pages import REFERENCE, ROOT, codes, rows, section

PAGE = REFERENCE / "widget.md"
WIDGET = ROOT / "src" / "sharetally" / "web" / "static" / "widget"
SOURCE = (WIDGET / "share-buttons.js").read_text("utf-8")
DIALOG = (WIDGET / "post-dialog.js").read_text("utf-8")
TYPES = (ROOT / "packages" / "share-buttons" / "index.d.ts").read_text("utf-8")
ELEMENT = SOURCE.partition("class ShareButtons extends HTMLElement {\n")[2].partition("\n  }\n")[0]
OBSERVED = set(re.findall(r'"([\w-]+)"', ELEMENT.partition("observedAttributes = [")[2].partition("]")[0]))

# The element's internal members. A new member is documented on the page, or listed here.
BROWSERS = {"constructor", "connectedCallback", "disconnectedCallback", "attributeChangedCallback"}
OWN = {"giver", "mine", "renew", "told", "build", "draw", "settle", "button", "mark", "show", "act", "tell", "hint"}
OWN |= {"change", "look"}

NAMES = {"Arabic": "ar", "Chinese": "zh", "Dutch": "nl", "English": "en", "French": "fr", "German": "de"}
NAMES |= {"Hindi": "hi", "Italian": "it", "Japanese": "ja", "Polish": "pl", "Portuguese": "pt", "Spanish": "es"}


def typed(interface: str) -> set[str]:
    """The names of what an interface of the types has."""
    found = re.search(rf"interface {interface}\b[^{{]*{{\n(.*?)^ *}}$", TYPES, re.DOTALL | re.MULTILINE)
    assert found, interface
    return set(re.findall(r'^ +(?:readonly )?"?([\w-]+)"?[?]?[:(]', found[1], re.MULTILINE))


def told(under: str) -> dict[str, list[str]]:
    """The rows of a section by the code that they begin with."""
    return {codes(row[0])[0]: row for row in rows(PAGE, under=under)}


def test_every_attribute_and_no_other() -> None:
    assert set(told("## Attributes")) == OBSERVED == typed("ShareButtonsAttributes")
    assert set(re.findall(r'told\("([\w-]+)"', ELEMENT)) == OBSERVED - {"lang"}, "each is read; `lang` by `closest`"


def test_the_defaults_of_attributes_are_documented() -> None:
    usual = dict(re.findall(r'told\("([\w-]+)", "([^"]+)"\)', ELEMENT))
    shown = {name: codes(row[1]) for name, row in told("## Attributes").items() if row[1].startswith("`")}
    assert shown == {name: [value] for name, value in usual.items()}


def test_every_property_and_method_and_no_other() -> None:
    members = set(re.findall(r"^    (?:async )?(?:[gs]et )?(\w+)\(.*\{", ELEMENT, re.MULTILINE))
    assert members >= OWN | BROWSERS
    shown = {name.partition("(")[0] for name in told("## Properties and methods")}
    assert {name for name in shown if "." not in name} == members - OWN - BROWSERS == typed("ShareButtonsElement")
    of_all = set(re.findall(r"^    static (?:[gs]et )(\w+)\(", ELEMENT, re.MULTILINE))
    assert {name.partition(".")[2] for name in shown if "." in name} == of_all == typed("ShareButtonsConstructor")


def test_read_only_properties_are_marked() -> None:
    changeable = set(re.findall(r"^    set (\w+)\(", ELEMENT, re.MULTILINE))
    properties = {name: row for name, row in told("## Properties and methods").items() if name.isalpha()}
    assert {name for name, row in properties.items() if "Read only" not in row[1]} == changeable
    assert set(re.findall(r"^  readonly (\w+)", TYPES, re.MULTILINE)) == set(properties) - changeable


def test_every_event_and_no_other() -> None:
    sent = set(re.findall(r'\.tell\("([\w-]+)"', ELEMENT + DIALOG))
    assert set(told("## Events")) == sent == typed("GlobalEventHandlersEventMap")
    assert set(re.findall(r'widget\.tell\("([\w-]+)"', SOURCE)) <= sent


def test_the_detail_of_events_is_documented() -> None:
    (detail,) = re.findall(r"const detail = \{ (.*) \};", ELEMENT)
    (content,) = re.findall(r"const contentOf = .*?return \{ (.*?) \};", SOURCE, re.DOTALL)
    brought = set(re.findall(r"(?:^|, )(\w+)", f"{detail}, {content}"))
    (sentence,) = re.findall(r"The `detail` of the first two has (.*)\.", section(PAGE, "## Events"))
    assert set(codes(sentence)) == brought == typed("ShareDetail")
    (added,) = re.findall(r"\{ \.\.\.detail, (\w+) \}", ELEMENT)
    assert typed("ShareErrorDetail") == {added}
    assert f"`detail.{added}`" in told("## Events")["share-error"][1]


def test_every_part_and_no_other() -> None:
    values = re.findall(r'\bpart: ("[^"]+")|\.part = (.*);', SOURCE + DIALOG)
    plain = [re.sub(r"\$\{name\}|`", '"', set_ or made) for made, set_ in values]
    named = {part for value in plain for text in re.findall(r'"([^"]*)"', value) for part in text.split()}
    shown = {row[0]: row[1] for row in rows(PAGE, under="## How it looks") if len(row) == 2}
    further = {code for cell in shown.values() for code in codes(cell) if code.isalpha()}
    assert {code for cell in shown for code in codes(cell)} | further == named


def test_every_custom_property_with_its_default_and_no_other() -> None:
    shown = {codes(row[0])[0]: codes(row[1]) for row in rows(PAGE, under="## How it looks") if len(row) == 3}
    used = dict(re.findall(r"var\((--share-[\w-]+), ([\w.%#]+)", SOURCE))
    assert set(shown) == set(re.findall(r"--share-[\w-]+", SOURCE)) == set(used)
    exact = {name: value[0] for name, value in shown.items() if value}
    assert exact == {name: used[name] for name in exact}
    measures = {name for name, value in used.items() if re.match(r"[\d.]+", value)}
    assert set(exact) == measures, "what is a measure is told as one"


def test_every_language_and_no_other() -> None:
    first = section(PAGE, "## Languages").strip().partition(". ")[0]
    files = {path.stem for path in (WIDGET / "labels").glob("*.json")}
    (fetched,) = re.findall(r'"([a-z ]+)"\.includes\(language\)', SOURCE)
    (of_dialog,) = re.findall(r'"([a-z ]+)"\.includes\(', DIALOG)
    assert of_dialog == fetched
    assert {path.stem for path in (WIDGET / "dialog").glob("*.json")} == files
    assert {NAMES[name] for name in first.split(", ")} == files == {"en", *fetched.split()}


def test_the_detail_of_posts_is_documented() -> None:
    (detail,) = re.findall(r'tell\("post", \{ (.*) \}\)', DIALOG)
    assert set(detail.split(", ")) == typed("PostDetail")
    assert set(detail.split(", ")) <= set(codes(told("## Events")["post"][1]))


def test_what_the_dialog_says_is_documented() -> None:
    english = json.loads((WIDGET / "dialog" / "en.json").read_text("utf-8"))
    shown = [row[0] for row in rows(PAGE, under="## Posting")]
    assert shown == [english["pending"], english["posted"], english["failed"], english["unknown"].partition(".")[0]]
