"""The widget's files: small, the same bytes for ever under a version, and open to every page."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from hashlib import sha384
from importlib.resources import files
from typing import Any

import pytest

from sharetally.adapters.platforms import builtin_platforms
from sharetally.web.pages.minify import minify
from sharetally.web.pages.widget import LANGUAGES, VERSION
from tests.docs.pages import REFERENCE
from tests.web.api import Api, HttpResponse

pytestmark = pytest.mark.anyio
FOLDER = files("sharetally.web").joinpath("static", "widget")
MOST = 6_000  # bytes, gzipped
NEWEST = "/widget/share-buttons.js"
PINNED = f"/widget/{VERSION}/share-buttons.js"
DIALOG = f"/widget/{VERSION}/post-dialog.js"


async def fetched(api: Api, path: str, **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.request("GET", path, user=None, headers=named)


@pytest.mark.parametrize("path", [NEWEST, PINNED])
async def test_it_is_small(readonly_api: Api, path: str) -> None:
    plain, small = await fetched(readonly_api, path), await fetched(readonly_api, path, accept_encoding="br, gzip")
    assert small.headers["content-encoding"] == "gzip"
    assert gzip.decompress(small.body) == plain.body
    assert len(small.body) < MOST
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_a_version_never_changes_and_its_hash_is_published(readonly_api: Api) -> None:
    pinned, dialog = await fetched(readonly_api, PINNED), await fetched(readonly_api, DIALOG)
    for script in (pinned, dialog):
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    told: Any = (await fetched(readonly_api, "/widget/integrity.json")).json
    assert told["current"] == VERSION
    hashes = [f"sha384-{b64encode(sha384(script.body).digest()).decode()}" for script in (pinned, dialog)]
    assert told["versions"][VERSION] == {
        "path": f"{VERSION}/share-buttons.js",
        "integrity": hashes[0],
        "dialog": {"path": f"{VERSION}/post-dialog.js", "integrity": hashes[1]},
    }
    page = (REFERENCE / "widget.md").read_text("utf-8")
    for path, expected in zip((PINNED, DIALOG), hashes, strict=True):
        assert path in page
        assert expected in page, (
            f"{path} has changed: either its version was never published, then write {expected} into the page; "
            "or it was, then keep the old bytes under the name of their version and raise VERSION"
        )


def test_the_script_loads_the_dialog_of_its_own_version() -> None:
    assert f"/widget/{VERSION}/post-dialog.js`" in FOLDER.joinpath("share-buttons.js").read_text("utf-8")


async def test_any_page_may_load_it_and_revalidates_cheaply(readonly_api: Api) -> None:
    for path in (
        NEWEST,
        PINNED,
        DIALOG,
        "/widget/labels/de.json",
        "/widget/dialog/de.json",
        "/widget/platforms.json",
        "/widget/integrity.json",
    ):
        response = await fetched(readonly_api, path)
        assert response.status == 200
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"
        assert response.headers["x-content-type-options"] == "nosniff"
        same = await fetched(readonly_api, path, if_none_match=response.headers["etag"])
        assert (same.status, same.body) == (304, b"")


async def test_words_in_twelve_languages(readonly_api: Api) -> None:
    english = (await fetched(readonly_api, "/widget/labels/en.json")).json
    assert len(LANGUAGES) == 12
    plurals = {"zero", "one", "two", "few", "many"}
    for language in LANGUAGES:
        words = (await fetched(readonly_api, f"/widget/labels/{language}.json")).json
        assert set(words) - plurals == set(english) - plurals, language
        assert all(words.values())
        assert "{0}" in words["on"]
        assert "{0}" in words["other"]


async def test_the_words_of_the_dialog_in_twelve_languages(readonly_api: Api) -> None:
    english = (await fetched(readonly_api, "/widget/dialog/en.json")).json
    script = FOLDER.joinpath("post-dialog.js").read_text("utf-8")
    assert all(f'{name}: "{text}"' in script for name, text in english.items()), "English is built in"
    for language in LANGUAGES:
        words = (await fetched(readonly_api, f"/widget/dialog/{language}.json")).json
        assert {name: "{0}" in text for name, text in words.items()} == {
            name: "{0}" in text for name, text in english.items()
        }, language


async def test_it_has_english_and_the_names_of_languages_inside(readonly_api: Api) -> None:
    script = FOLDER.joinpath("share-buttons.js").read_text("utf-8")
    english = json.loads(FOLDER.joinpath("labels", "en.json").read_text("utf-8"))
    words = (await fetched(readonly_api, "/widget/platforms.json")).json["words"]
    built_in = dict(english.items() - words.items())
    assert english == built_in | words
    assert all(f'{name}: "{text}"' in script for name, text in built_in.items())
    assert f'"{" ".join(language for language in LANGUAGES if language != "en")}"' in script


async def test_every_platform_has_a_picture(readonly_api: Api) -> None:
    script = FOLDER.joinpath("share-buttons.js").read_text("utf-8")
    built_in = {name for name in builtin_platforms() if f"\n    {name}: [" in script}
    more = (await fetched(readonly_api, "/widget/platforms.json")).json["platforms"]
    assert sorted([*built_in, *more]) == sorted(builtin_platforms())


async def test_a_button_that_is_fetched_has_a_name_and_can_be_drawn(readonly_api: Api) -> None:
    served = (await fetched(readonly_api, "/widget/platforms.json")).json
    for name, (label, colour, icon, page, fields) in served["platforms"].items():
        assert (label or served["words"][name]) == (served["words"].get(name) or builtin_platforms()[name].label)
        assert re.fullmatch("#[0-9a-f]{6}", colour), name
        assert re.fullmatch(r"M[MLHVCSQAZmlhvcsqaz0-9 .,-]+", icon), name
        assert re.fullmatch(r"(https://\S+|mailto:|sms:)\?&?", page), name
        assert re.fullmatch(r"[a-z]+=[tubsm](&[a-z]+=[tubsm])*", fields), name


def test_minification_keeps_strings() -> None:
    script = 'const a = "x  // y"; // gone\nreturn  b /* gone */ + `p {\n  color: red;\n}`.replace(/ +"/g, "");\n'
    assert minify(script) == 'const a="x  // y";return b+`p{color:red}`.replace(/ +"/g,"");\n'


def test_minification_removes_redundant_parentheses() -> None:
    script = "a((one) => one, async (two) => two, (three, four) => three, () => (five) => five);\n"
    assert minify(script) == "a(d=>d,async(e)=>e,(b,f)=>b,()=>c=>c);\n"
    script = "b = new Set(); new Set().has(b); new Set([b]); renew Set(); new Date()[b];\n"
    assert minify(script) == "b=new Set;new Set().has(b);new Set([b]);renew Set();new Date()[b];\n"


def test_minification_shortens_declared_names() -> None:
    script = (
        "if (x) {\n  const short = 1;\n  const kept = 2, named = 3;\n  function told() {}\n  class Long {}\n"
        "  export function open(element) {}\n  each(element, (one, other) => one + other);\n"
        '  told(...short, { kept, B: named.kept }, [short, short, other], a.long, `${Long}`, "other");\n}\n'
    )
    assert minify(script) == (
        "if(x){const b=1;const kept=2,named=3;function e(){}class Long{}"
        "export function open(c){}each(c,(f,d)=>f+d);"
        'e(...b,{kept,B:named.kept},[b,b,d],a.long,`${Long}`,"other")}\n'
    )
