"""`sharetally console`: a link for one person, good once; who is signed in; and the end of that."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.program import Program, fetched
from tests.services.launch import free_port

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
    said = program.run("console", "--user", "mara")
    base, _, code = said.out.strip().partition("#")
    assert (said.code, base) == (0, "http://127.0.0.1:8000/console/sign-in")
    assert "within 10 minutes; it works once" in said.err
    assert code not in said.err
    assert codes(program) == [
        (hashlib.sha256(code.encode()).hexdigest(), "mara", "admin analytics audit shares", 43_200)
    ]


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        ({"PUBLIC_URL": "https://shares.example.com/at/", "ROOT_PATH": "/at"}, "https://shares.example.com/at"),
        ({"ROOT_PATH": "/at"}, "http://127.0.0.1:8000/at"),
    ],
)
def test_where_the_link_leads(program: Program, settings: dict[str, str], base: str) -> None:
    program.settings |= settings
    assert program.run("console", "--scope", "audit").out.startswith(f"{base}/console/sign-in#")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--scope", "root"),
        ("--scope", ""),
        ("--scope", "act-as"),
        ("--ttl", "0"),
        ("--ttl", "604801"),
        ("--user", "key:shop"),
        ("--user", "a/b"),
    ],
)
def test_a_link_that_would_not_do_is_not_made(program: Program, wrong: tuple[str, str]) -> None:
    said = program.run("console", *wrong)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert wrong[0] in said.err
    assert codes(program) == []


def test_the_life_of_a_session(program: Program) -> None:
    port = free_port()
    with program.started("serve", "--port", str(port)) as role:
        role.until(lambda: fetched(f"http://127.0.0.1:{port}/health/ready")[0] == 200)
        code = (
            program.run("console", "--user", "mara", "--scope", "audit", "--ttl", "600").out.strip().partition("#")[2]
        )
        address = f"http://127.0.0.1:{port}/console/session"
        status, session = fetched(address, body={"code": code}, method="POST", headers=OWN)
        assert (status, session["userId"], session["scopes"]) == (200, "mara", ["audit"])
        assert fetched(address, body={"code": code}, method="POST", headers=OWN)[0] == 401
        (listed,) = program.run("console", "list", "--json").json
        assert (listed["userId"], listed["scopes"]) == ("mara", ["audit"])
        assert f"{listed['id']}  mara  audit  seen " in program.run("console", "list").out
        assert program.run("console", "end", listed["id"]).out == "ended: 1; what was ended stops within 10 seconds\n"
        assert program.run("console", "end", listed["id"]).code == 2
        assert program.run("console", "list", "--json").json == []
        program.run("console", "--user", "mara")
        assert program.run("console", "end", "--user", "mara").out.startswith("ended: 1;")
        assert codes(program) == []
        assert program.run("console", "end").code == 2
        assert code not in role.said
