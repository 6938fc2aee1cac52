"""How the service delivers the console: one page for every view; cached files; a strict policy."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from sharetally.web.pages.console import VIEWS, console_endpoints
from tests.web.api import problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
PAGE = '<!doctype html><script type="module" crossorigin src="./assets/index-abc.js"></script><link href="./mark.svg">'
SCRIPT = "console.log('tally');" * 20


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A console of three small files."""
    folder = tmp_path / "console"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "mark.svg").write_text("<svg/>")
    (folder / "assets" / "index-abc.js").write_text(SCRIPT)
    found = console_endpoints(folder)
    monkeypatch.setattr("sharetally.web.pages.documents.console_endpoints", lambda: found)


@pytest.mark.usefixtures("small")
async def test_every_view_is_served_by_the_one_page(make_api: MakeApi) -> None:
    async with make_api(ROOT_PATH="/shares") as api:
        for path in VIEWS:
            response = await api.request("GET", re.sub(r"{(\w+)}", "abc", path), user=None)
            assert (response.status, response.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
            assert response.headers["cache-control"] == "no-cache"
            assert re.findall('(?:src|href)="([^"]*)"', response.body.decode()) == [
                "/shares/console/assets/index-abc.js",
                "/shares/console/mark.svg",
            ]
        response = await api.request("GET", "/console/nowhere", user=None)
        assert (response.status, response.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert b"/shares/console/assets/index-abc.js" in response.body, (
            "the page itself says that there is no such view"
        )


@pytest.mark.usefixtures("small")
async def test_the_policy_forbids_foreign_scripts_and_framing(make_api: MakeApi) -> None:
    async with make_api() as api:
        for path in ("/console", "/console/assets/index-abc.js", "/console/mark.svg"):
            response = await api.request("GET", path, user=None)
            policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
            assert policy["default-src"] == "'none'"
            assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
            assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
            assert "unsafe" not in response.headers["content-security-policy"]
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["referrer-policy"] == "no-referrer"


@pytest.mark.usefixtures("small")
async def test_a_file_is_immutable_and_compressed_where_accepted(make_api: MakeApi) -> None:
    async with make_api() as api:
        plain = await api.request("GET", "/console/assets/index-abc.js", user=None)
        packed = await api.request(
            "GET", "/console/assets/index-abc.js", user=None, headers={"accept-encoding": "br, gzip"}
        )
        assert plain.headers["cache-control"] == packed.headers["cache-control"]
        assert "immutable" in plain.headers["cache-control"]
        assert (plain.body.decode(), "content-encoding" in plain.headers) == (SCRIPT, False)
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert plain.headers["vary"] == packed.headers["vary"] == "accept-encoding"
        problem(await api.request("GET", "/console/assets/index-old.js", user=None), 404, "not-found")


async def test_without_a_build_the_page_explains_how_to_make_one(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = console_endpoints(tmp_path / "none")
    monkeypatch.setattr("sharetally.web.pages.documents.console_endpoints", lambda: found)
    async with make_api(ROOT_PATH="/shares") as api:
        response = await api.request("GET", "/console/audit", user=None)
        assert (response.status, response.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert b"make console" in response.body
        assert b"/shares/docs" in response.body
        assert (await api.request("GET", "/platforms", user=None)).status == 200
