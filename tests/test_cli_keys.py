"""Keys for servers: shown once, kept as a digest, revoked within ten seconds."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.program import Program, fetch
from tests.services.launch import free_port


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path)
    made.migrate()
    return made


def test_a_key_is_shown_once_and_kept_as_a_digest(program: Program) -> None:
    made = program.run("keys", "create", "--name", "shop", "--scope", "shares act-as")
    key = made.out.strip()
    assert (made.code, key.startswith("stk_"), "shown only once" in made.err) == (0, True, True)
    (listed,) = program.run("keys", "list", "--json").json
    assert (listed["name"], listed["scopes"], listed["revokedAt"]) == ("shop", ["act-as", "shares"], None)
    assert listed["id"] in made.err
    with closing(sqlite3.connect(program.folder / "data" / "sharetally.db")) as database:
        assert database.execute("SELECT digest FROM api_keys").fetchall() == [(hashlib.sha256(key.encode()).digest(),)]
    assert key not in program.run("keys", "list").out


@pytest.mark.parametrize(("name", "scope"), [("shop", "root"), ("shop", ""), ("", "shares"), ("x" * 200, "shares")])
def test_a_key_that_would_not_do_is_not_made(program: Program, name: str, scope: str) -> None:
    result = program.run("keys", "create", "--name", name, "--scope", scope)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    with closing(sqlite3.connect(program.folder / "data" / "sharetally.db")) as database:
        assert database.execute("SELECT name FROM api_keys").fetchall() == []


def test_revoking(program: Program) -> None:
    program.run("keys", "create", "--name", "shop")
    (listed,) = program.run("keys", "list", "--json").json
    assert program.run("keys", "revoke", listed["id"]).out == "revoked; the key stops working within 10 seconds\n"
    (first,) = program.run("keys", "list", "--json").json
    assert first["revokedAt"] is not None
    assert program.run("keys", "revoke", listed["id"]).code == 0
    assert program.run("keys", "list", "--json").json == [first], "the first time stays"
    assert f"revoked {first['revokedAt']}" in program.run("keys", "list").out


def test_a_revoked_key_stops_within_ten_seconds(program: Program) -> None:
    key = program.run("keys", "create", "--name", "shop", "--scope", "act-as").out.strip()
    (listed,) = program.run("keys", "list", "--json").json
    port = free_port()

    def asked() -> int:
        return fetch(f"http://127.0.0.1:{port}/tokens", token=key, body={"userId": "anna"})[0]

    with program.start_role("serve", "--port", str(port)) as role:
        role.until(lambda: asked() == 200)
        program.run("keys", "revoke", listed["id"])
        revoked = time.monotonic()
        role.until(lambda: asked() == 401)
        assert time.monotonic() - revoked < 10.5
