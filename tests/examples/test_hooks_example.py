"""The example package, installed next to the service: its hooks refuse and write, and its platform exists."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.examples.conftest import EXAMPLES
from tests.oracle.tokens import token_signer
from tests.program import Program, fetch
from tests.services.launch import free_port

EXAMPLE = EXAMPLES / "sharetally-hooks-example"
SETTINGS = {
    "SHARE_PLATFORMS": "twitter,intranet",
    "JWT_SECRET": "known to the tests alone, and long enough",
    "CONTENT_URLS": '{"video": "https://example.org/{contentId}", "draft": "https://example.org/d/{contentId}"}',
}


class Site:
    """The service with the package installed."""

    def __init__(self, program: Program, port: int) -> None:
        self._program = program
        self._here = f"http://127.0.0.1:{port}"
        self._sign = token_signer(SETTINGS["JWT_SECRET"], "shares")

    def request(self, user: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return fetch(f"{self._here}{path}", token=self._sign(user), body=body, method=method)

    def diary(self, *users: str) -> list[tuple[str, str, str, str]]:
        """Of these users alone: all tests have one site."""
        with closing(sqlite3.connect(self._program.folder / "data" / "sharetally.db")) as database:
            lines = database.execute("SELECT user_id, content_type, content_id, what FROM member_diary ORDER BY id")
            return [line for line in lines if line[0] in users]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, hooks_package: Path) -> Program:
    made = Program(tmp_path_factory.mktemp("site"), **SETTINGS)
    made.paths = (str(hooks_package),)
    made.migrate()
    with closing(sqlite3.connect(made.folder / "data" / "sharetally.db")) as database:
        database.executescript((EXAMPLE / "diary.sql").read_text())
    return made


@pytest.fixture(scope="module")
def site(program: Program) -> Iterator[Site]:
    port = free_port()
    with program.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200)
        yield Site(program, port)


def test_the_doctor_finds_the_platform(program: Program) -> None:
    said = program.run("doctor")
    assert (said.code, "ok    settings: platforms twitter, intranet\n" in said.out) == (0, True), said


def test_the_platform_has_its_own_share_page(site: Site) -> None:
    status, body = site.request("anna", "POST", "/videos/a&b/share", {"platforms": ["intranet"], "text": "50 % off"})
    assert status == 200
    (result,) = body["results"]
    assert result["shareUrl"] == (
        "https://intranet.example.com/share?u=https%3A%2F%2Fexample.org%2Fa%2526b&t=50%20%25%20off"
    )


def test_a_user_without_permission_gets_403(site: Site) -> None:
    status, problem = site.request("guest-7", "POST", "/videos/private/share", {"platforms": ["twitter"]})
    assert (status, problem["type"]) == (403, "/problems/forbidden")
    assert site.diary("guest-7") == []
    assert site.request("anna", "GET", "/share-links/count/video/private?consistent=true")[1]["shareCount"] == 0


def test_a_conflict_of_the_hook_is_409(site: Site) -> None:
    status, problem = site.request("olga", "POST", "/content/draft/1/share", {"platforms": ["twitter"]})
    assert (status, problem["detail"]) == (409, "a draft can be shared once it is published")
    pinned = {"contentType": "video", "contentId": "pinned", "campaignId": "pinned"}
    status, link = site.request("olga", "POST", "/share-links", pinned)
    assert status == 201
    assert site.request("olga", "DELETE", f"/share-links/{link['id']}")[0] == 409
    assert site.request("olga", "PATCH", f"/share-links/{link['id']}", {"campaignId": None})[0] == 200
    assert site.request("olga", "DELETE", f"/share-links/{link['id']}")[0] == 204
    assert [what for *_, what in site.diary("olga")] == ["shared", "changed", "taken back"]


def test_the_diary_follows_the_shares(site: Site, program: Program) -> None:
    assert site.request("cleo", "POST", "/videos/diary/share", {})[0] == 200
    assert site.request("bert", "POST", "/videos/diary/share", {"platforms": ["twitter"]})[0] == 200
    assert site.request("cleo", "POST", "/videos/diary/share", {})[1]["results"][0]["alreadyShared"]
    assert site.request("bert", "DELETE", "/videos/diary/share/twitter")[0] == 204
    lines = [("cleo", "shared"), ("cleo", "shared"), ("bert", "shared"), ("bert", "taken back")]
    assert site.diary("cleo", "bert") == [(user, "video", "diary", what) for user, what in lines]
    assert program.run("verify").out.endswith(" content items, drift 0\n")
