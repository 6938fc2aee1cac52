"""`doctor` about posting: where it is possible and why not, what it costs, and what is about to go wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from sharetally.commands.doctor_posting import api_version_report
from sharetally.commands.finding import Level
from sharetally.settings import load
from tests.contracts.database_rows import execute_sql, open_database
from tests.program import CommandResult, Program

POSTING = {
    "SHARE_PLATFORMS": "mastodon,linkedin,whatsapp",
    "POST_PLATFORMS": "mastodon,linkedin",
    "PUBLIC_URL": "https://shares.example.com",
    "LINKEDIN_CLIENT_ID": "86abcdefgh",
    "LINKEDIN_CLIENT_SECRET": "hunter2",
}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path, **POSTING)
    made.migrate()
    return made


def lines(result: CommandResult) -> dict[str, tuple[str, str]]:
    """Level and text of each line, by the name of what was checked."""
    checked = [line for line in result.out.partition("\n\n")[2].splitlines() if ": " in line]
    parts = [(line[:5].strip(), *line[6:].partition(": ")[::2]) for line in checked]
    return {name: (level, text) for level, name, text in parts}


def test_it_says_where_posting_is_possible_and_what_a_post_costs(program: Program) -> None:
    result = program.run("doctor")
    found = lines(result)
    assert (result.code, result.err) == (0, "")
    assert found["platform mastodon"] == ("ok", "can post; a post is free")
    assert found["platform linkedin"][0] == "ok"
    assert "API version 202609, which is answered until 2027-09-15" in found["platform linkedin"][1]
    assert found["platform whatsapp"] == ("ok", "shares are recorded; this version cannot post there")
    assert found["public url"] == ("ok", "https://shares.example.com")
    assert found["commits"] == ("ok", "survive a crash")
    assert "hunter2" not in result.out


def test_it_says_what_posting_would_need(program: Program) -> None:
    program.settings = {"DATA_DIR": program.settings["DATA_DIR"], "SHARE_PLATFORMS": "threads,bluesky"}
    found = lines(program.run("doctor"))
    level, text = found["platform threads"]
    assert level == "ok"
    assert "POST_PLATFORMS, which needs PUBLIC_URL, THREADS_CLIENT_ID, THREADS_CLIENT_SECRET too" in text
    assert "needs PUBLIC_URL too" in found["platform bluesky"][1]
    assert not {"public url", "commits"} & found.keys()  # they matter only where something is posted


def test_an_ended_version_is_an_error_and_a_platform_that_nobody_may_share_to_a_warning(program: Program) -> None:
    program.settings |= {"LINKEDIN_VERSION": "202401", "SHARE_PLATFORMS": "linkedin"}
    result = program.run("doctor")
    level, text = lines(result)["platform linkedin"]
    assert (result.code, level) == (1, "WRONG")
    assert "202401 has probably ended on 2025-01-15: set LINKEDIN_VERSION to a newer one" in text
    level, text = lines(result)["platform mastodon"]
    assert (level, "SHARE_PLATFORMS" in text) == ("warn", True)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://shares.example.com", "is not https"),
        ("http://localhost:8000", "leads to this machine only"),
        ("https://127.0.0.1:8443", "leads to this machine only"),
        ("https://[::1]", "leads to this machine only"),
    ],
)
def test_a_public_url_that_cannot_work_is_a_warning(program: Program, url: str, reason: str) -> None:
    program.settings["PUBLIC_URL"] = url
    result = program.run("doctor")
    level, text = lines(result)["public url"]
    assert (result.code, level) == (0, "warn")
    assert reason in text


def test_without_a_package_it_says_what_to_install(program: Program) -> None:
    hidden = program.folder / "hidden" / "regex.py"
    hidden.parent.mkdir()
    hidden.write_text("raise ModuleNotFoundError(\"No module named 'regex'\", name='regex')")
    program.paths = (str(hidden.parent),)
    result = program.run("doctor")
    level, text = lines(result)["platform mastodon"]
    assert (result.code, level) == (1, "WRONG")
    assert "pip install 'sharetally[posting]' (regex)" in text
    assert lines(result)["platform linkedin"][0] == "ok"  # it does without


def test_a_database_server_needs_token_keys(program: Program, postgresql_url: str) -> None:
    program.settings["DATABASE_URL"] = postgresql_url
    program.migrate()
    result = program.run("doctor")
    level, text = lines(result)["platform mastodon"]
    assert (result.code, level) == (1, "WRONG")
    assert "TOKEN_KEYS is not set" in text


def test_commits_that_a_crash_may_lose_are_a_warning(program: Program, postgresql_url: str) -> None:
    program.settings |= {"DATABASE_URL": postgresql_url, "TOKEN_KEYS": f"k:{'A' * 43}="}
    program.migrate()

    async def commit_asynchronously() -> None:
        async with open_database(postgresql_url) as database:
            name = postgresql_url.rpartition("/")[2].partition("?")[0]
            await execute_sql(database, f'ALTER DATABASE "{name}" SET synchronous_commit = off')

    asyncio.run(commit_asynchronously())
    result = program.run("doctor")
    level, text = lines(result)["commits"]
    assert (result.code, level) == (0, "warn")
    assert "synchronous_commit is off" in text


def test_a_paused_platform_is_reported_with_its_reason(program: Program) -> None:
    async def pause() -> None:
        async with open_database(f"sqlite:///{program.settings['DATA_DIR']}/sharetally.db") as database:
            later = datetime.now(UTC) + timedelta(hours=1)
            await database.deliveries.close_gate("linkedin", "202609 has ended", later, version="linkedin/202609")
            await database.deliveries.close_gate("mastodon", "no calls left", later)

    asyncio.run(pause())
    result = program.run("doctor")
    assert result.code == 1
    level, text = lines(result)["posting to linkedin"]
    assert (level, text.endswith("202609 has ended")) == ("WRONG", True)
    assert lines(result)["posting to mastodon"][0] == "warn"
    program.settings["LINKEDIN_VERSION"] = "202610"
    assert "posting to linkedin" not in lines(program.run("doctor"))


@pytest.mark.parametrize(
    ("today", "level"),
    [
        (date(2027, 7, 16), Level.OK),
        (date(2027, 7, 17), Level.WARNING),
        (date(2027, 9, 14), Level.WARNING),
        (date(2027, 9, 15), Level.WRONG),
    ],
)
def test_the_end_of_a_linkedin_version_is_announced_sixty_days_ahead(tmp_path: Path, today: date, level: Level) -> None:
    found, text = api_version_report("linkedin", load({}, cwd=tmp_path), today)
    assert (found, "202609" in text, "2027-09-15" in text) == (level, True, True)


@pytest.mark.parametrize(
    ("version", "level"),
    [("v26.0", Level.OK), ("v25.0", Level.OK), ("v21.0", Level.WARNING), ("v20.0", Level.WRONG), ("v3.3", Level.WRONG)],
)
def test_the_end_of_a_facebook_version(tmp_path: Path, version: str, level: Level) -> None:
    settings = replace(load({}, cwd=tmp_path), facebook_version=version)
    assert api_version_report("facebook", settings, date(2026, 11, 30))[0] is level
