"""The program: what it refuses and how it says so, the schema, tokens."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sharetally import __version__
from sharetally.adapters.migrations import HEAD
from sharetally.adapters.migrations.runner import known_revisions
from tests.program import Program

MIGRATED = f"migrated: {', '.join(sorted(known_revisions()))}\n"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def error_line(result: str) -> str:
    """The one line that an error is."""
    assert result.startswith("sharetally: ")
    assert result.count("\n") == 1
    return result.removeprefix("sharetally: ").rstrip("\n")


def test_the_version(program: Program) -> None:
    assert program.run("--version").out == f"{__version__}\n"


@pytest.mark.parametrize("command", [(), ("keys",), ("dead",)])
def test_without_a_command_it_shows_them(program: Program, command: tuple[str, ...]) -> None:
    result = program.run(*command)
    assert result.code == 2
    assert "Usage: sharetally" in result.out + result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["nothing"], "No such command 'nothing'."),
        (["verify", "--loudly"], "No such option: --loudly"),
        (["token"], "Missing option '--user'."),
        (["dead", "show", "7"], "Invalid value for 'job_id'"),
        (["dead", "replay"], "give the ids of the jobs to replay, or --all"),
        (["verify", "--content", "video"], "--content: must be TYPE:ID"),
        (["verify", "--content", "Video:1"], "--content: must match"),
        (
            ["token", "--user", "anna", "--scope", "root"],
            "--scope: must be one or more of shares, audit, analytics, admin",
        ),
        (["token", "--user", "a/b"], "--user: must not contain '/'"),
        (["serve", "--port", "http"], "Invalid value for '--port'"),
    ],
)
def test_a_typing_error_is_reported_in_one_line(program: Program, command: list[str], line: str) -> None:
    result = program.run(*command)
    assert (result.code, result.out) == (2, "")
    assert error_line(result.err).startswith(line)


def test_a_setting_that_does_not_exist_stops_it(program: Program) -> None:
    program.settings["BROKER"] = "memory:"
    result = program.run("migrate")
    assert result.code == 2
    assert "SHARETALLY_BROKER" in error_line(result.err)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("JWT_SECRET", "hunter2", "JWT_SECRET: shorter than the 32 bytes that HS256 needs"),
        ("JWT_SECRET", "", "SHARETALLY_JWT_SECRET: is empty"),
        ("OIDC_CLIENT_SECRET_FILE", "nowhere", "SHARETALLY_OIDC_CLIENT_SECRET_FILE: cannot read "),
    ],
)
def test_an_invalid_secret_is_reported_without_being_shown(program: Program, name: str, value: str, line: str) -> None:
    program.settings.pop("JWT_SECRET", None)
    program.settings[name] = value
    result = program.run("migrate")
    assert result.code == 2
    assert error_line(result.err).startswith(line)
    assert "hunter2" not in result.out + result.err


def test_an_unexpected_error_is_one_line(program: Program) -> None:
    (program.folder / "no.db").write_text("this is no database at all, however long you look at it")
    program.settings["DATABASE_URL"] = f"sqlite:///{program.folder}/no.db"
    result = program.run("keys", "list")
    assert result.code == 2
    assert "file is not a database" in error_line(result.err)


def test_debug_shows_the_traceback(program: Program) -> None:
    result = program.run("--debug", "keys", "list")
    assert result.code != 0
    assert "Traceback (most recent call last)" in result.err


@pytest.mark.parametrize(("scheme", "command"), [("postgresql", "serve"), ("mysql", "migrate"), ("mysql", "verify")])
def test_a_database_that_is_away(program: Program, scheme: str, command: str) -> None:
    program.settings["DATABASE_URL"] = f"{scheme}://somebody:hunter2@127.0.0.1:9/sharetally"
    result = program.run(command)
    assert result.code == 2
    assert error_line(result.err)
    assert "hunter2" not in result.out + result.err


# the schema


def test_migrating(program: Program) -> None:
    first, again = program.run("migrate"), program.run("migrate")
    assert (first.code, first.out) == (0, MIGRATED)
    assert (again.code, again.out) == (0, "the schema is up to date\n")
    assert stat.S_IMODE((program.folder / "data").stat().st_mode) == 0o700
    assert program.run("verify").code == 0


def test_two_concurrent_migrations_are_safe(program: Program) -> None:
    with ThreadPoolExecutor(max_workers=2) as threads:
        both = list(threads.map(lambda _: program.run("migrate"), range(2)))
    assert [result.code for result in both] == [0, 0], both
    assert sorted(result.out for result in both) == [MIGRATED, "the schema is up to date\n"]


def test_the_printed_statements_make_the_same_schema(program: Program) -> None:
    printed = program.run("migrate", "--sql")
    assert (printed.code, printed.err) == (0, "")
    assert not (program.folder / "data" / "sharetally.db").exists()
    (program.folder / "data").mkdir(exist_ok=True, mode=0o700)
    by_hand = sqlite3.connect(program.folder / "data" / "sharetally.db")
    by_hand.executescript(printed.out)
    by_hand.close()
    assert program.run("migrate").out == "the schema is up to date\n"
    assert program.run("verify", "--json").json == {"contents": 0, "drift": 0, "drifted": []}


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:9/x", "mysql://nobody@127.0.0.1:9/x"])
def test_printing_needs_no_database(program: Program, url: str) -> None:
    program.settings["DATABASE_URL"] = url
    printed = program.run("migrate", "--sql")
    assert (printed.code, printed.err) == (0, "")
    assert re.search("CREATE TABLE (IF NOT EXISTS )?share_records", printed.out)


# roles that do not start


def test_serving_needs_a_schema_that_it_knows(program: Program) -> None:
    nothing = program.run("serve")
    assert (nothing.code, "run `sharetally migrate`" in error_line(nothing.err)) == (2, True)
    assert not (program.folder / "data" / "sharetally.db").exists()
    program.run("migrate")
    with sqlite3.connect(program.folder / "data" / "sharetally.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    strange = error_line(program.run("serve").err)
    result = f"the database stands at revision 9999, this version knows {HEAD}: run `sharetally migrate`"
    assert strange.startswith(result)


def test_an_empty_database_and_a_foreign_one_get_different_errors(program: Program) -> None:
    program.settings["DATABASE_URL"] = f"sqlite:///{program.folder}/empty.db"
    sqlite3.connect(program.folder / "empty.db").close()
    assert error_line(program.run("serve").err) == "the database has no schema yet: run `sharetally migrate`"


@pytest.mark.parametrize("role", ["worker", "relay", "serve"])
def test_sqlite_and_the_memory_broker_allow_one_process_only(program: Program, role: str) -> None:
    command = [role, "--processes", "2"] if role == "serve" else [role]
    result = program.run(*command)
    assert (result.code, error_line(result.err).startswith("DATABASE_URL: SQLite works with one process")) == (2, True)
    program.settings["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:9/x"
    result = program.run(*command)
    assert (result.code, error_line(result.err).startswith("BROKER_URL: memory: works with one process")) == (2, True)


# tokens


def claims(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def test_a_token_contains_its_user_scopes_and_expiry(program: Program) -> None:
    before = int(time.time())
    result = program.run("token", "--user", "anna", "--scope", "shares audit", "--ttl", "60")
    assert (result.code, result.err) == (0, "")
    found = claims(result.out.strip())
    assert (found["sub"], found["scope"]) == ("anna", "audit shares")
    assert isinstance(found["exp"], int)
    assert before + 60 <= found["exp"] <= time.time() + 61


def test_a_token_has_the_scope_shares_by_default(program: Program) -> None:
    result = program.run("token", "--user", "anna")
    assert claims(result.out.strip())["scope"] == "shares"


def test_without_a_local_secret_no_tokens_are_issued(program: Program) -> None:
    program.settings |= {"JWKS_URL": "https://issuer.example/keys", "JWT_ISSUER": "https://issuer.example"}
    result = program.run("token", "--user", "anna")
    assert (result.code, error_line(result.err)) == (
        2,
        "JWT_SECRET is not set: tokens come from the issuer of JWKS_URL",
    )
