"""`sharetally console`: a link for one person, good once; who is signed in; and the end of that."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sharetally.commands.console import end_sessions, list_sessions, print_link
from sharetally.domain.errors import ConfigurationError, NotFound
from sharetally.domain.ids import new_id
from tests.program import Program, fetch
from tests.services.launch import free_port
from tests.web.api import make_settings

OWN = {"Sec-Fetch-Site": "same-origin", "X-Sharetally-Console": "1"}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path)
    made.migrate()
    return made


def codes(program: Program) -> list[Any]:
    with closing(sqlite3.connect(program.folder / "data" / "sharetally.db")) as database:
        return database.execute("SELECT digest, user_id, scopes, session_seconds FROM console_codes").fetchall()


def test_a_link_is_printed_alone_and_kept_as_a_digest(program: Program) -> None:
    result = program.run("console", "--user", "mara")
    base, _, code = result.out.strip().partition("#")
    assert (result.code, base) == (0, "http://127.0.0.1:8000/console/sign-in")
    assert "within 10 minutes; it works once" in result.err
    assert code not in result.err
    assert codes(program) == [
        (hashlib.sha256(code.encode()).hexdigest(), "mara", "admin analytics audit shares", 43_200)
    ]


async def link(folder: Path, *, user: str = "mara", scope: str = "audit", ttl: int = 60, **more: str) -> None:
    """What the command does once its options are read."""
    await print_link(
        make_settings(folder, f"sqlite:///{folder}/data/sharetally.db", **more), user=user, scope=scope, ttl=ttl
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("more", "base"),
    [
        ({"PUBLIC_URL": "https://shares.example.com/at/", "ROOT_PATH": "/at"}, "https://shares.example.com/at"),
        ({"ROOT_PATH": "/at"}, "http://127.0.0.1:8000/at"),
    ],
)
async def test_where_the_link_leads(
    program: Program, more: dict[str, Any], base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await link(program.folder, **more)
    assert capsys.readouterr().out.startswith(f"{base}/console/sign-in#")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wrong",
    [
        {"scope": "root"},
        {"scope": ""},
        {"scope": "act-as"},
        {"ttl": 0},
        {"ttl": 604_801},
        {"user": "key:shop"},
        {"user": "a/b"},
    ],
    ids=str,
)
async def test_a_link_that_would_not_do_is_not_made(program: Program, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"--{next(iter(wrong))}: "):
        await link(program.folder, **wrong)
    assert codes(program) == []


@pytest.mark.anyio
async def test_the_life_of_a_session(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    port, chosen = free_port(), make_settings(program.folder, f"sqlite:///{program.folder}/data/sharetally.db")
    with program.start_role("serve", "--port", str(port)) as role:
        role.until(lambda: fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200)
        await link(program.folder)
        code = capsys.readouterr().out.strip().partition("#")[2]
        address = f"http://127.0.0.1:{port}/console/session"
        status, session = fetch(address, body={"code": code}, method="POST", headers=OWN)
        assert (status, session["userId"], session["scopes"]) == (200, "mara", ["audit"])
        assert fetch(address, body={"code": code}, method="POST", headers=OWN)[0] == 401
        await list_sessions(chosen, as_json=True)
        (listed,) = json.loads(capsys.readouterr().out)
        assert (listed["userId"], listed["scopes"]) == ("mara", ["audit"])
        await list_sessions(chosen, as_json=False)
        assert capsys.readouterr().out.startswith(f"{listed['id']}  mara  audit  last seen ")
        ended = program.run("console", "end", listed["id"])
        assert ended.out == "1 session or link ended, with effect within 10 seconds\n"
        with pytest.raises(NotFound, match="console list"):
            await end_sessions(chosen, UUID(listed["id"]), user="")
        assert code not in role.output


@pytest.mark.anyio
async def test_all_that_a_user_has_is_ended(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    await link(program.folder)
    chosen = make_settings(program.folder, f"sqlite:///{program.folder}/data/sharetally.db")
    await end_sessions(chosen, None, user="mara")
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 session or link ended,")
    assert codes(program) == []
    for session, user in ((None, ""), (new_id(), "mara")):
        with pytest.raises(ConfigurationError, match="give either"):
            await end_sessions(chosen, session, user=user)
