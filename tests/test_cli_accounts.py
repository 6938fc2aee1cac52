"""Accounts at the command line: listed without their tokens, and sealed with a new key."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import database_from_url
from sharetally.domain.account import Tokens
from sharetally.domain.ids import new_id
from sharetally.ports import AccountKey, AccountWrite, StoredAccount, TokenKey, VaultError
from tests.contracts.account_rows import account_line
from tests.flow.account_harness import NEW_KEY, OLD_KEY, sealing_with
from tests.program import Program, fetch
from tests.services.launch import free_port


def _setting(*keys: TokenKey) -> str:
    return ",".join(f"{each.id}:{b64encode(each.key).decode()}" for each in keys)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path, TOKEN_KEYS=_setting(OLD_KEY))
    made.migrate()
    return made


def _url(program: Program) -> str:
    return f"sqlite:///{program.folder}/data/sharetally.db"


def _connect(program: Program, user: str, *, refresh: str | None = "hush-refresh") -> None:
    sealing, account_id = sealing_with(OLD_KEY), new_id()
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    tokens = Tokens(access="hush-access", refresh=refresh, expires_at=expires_at)

    def write(_: StoredAccount | None) -> AccountWrite:
        sealed = sealing.seal_tokens(tokens, user_id=user, platform="bluesky", account_id=account_id)
        return AccountWrite(
            id=account_id,
            handle=f"{user}.example",
            expires_at=expires_at,
            refresh_at=None,
            sealed=sealed,
            audit=account_line("account_connected"),
        )

    async def connect() -> None:
        database = database_from_url(_url(program))
        await database.open()
        await database.accounts.connect(AccountKey(user, "bluesky", f"did:plc:{user}", ""), write)
        await database.close()

    asyncio.run(connect())


def _stored(program: Program) -> list[StoredAccount]:
    async def read() -> list[StoredAccount]:
        database = database_from_url(_url(program))
        await database.open()
        try:
            return await database.accounts.page(after=None, limit=10)
        finally:
            await database.close()

    return asyncio.run(read())


def test_accounts_are_listed_without_their_tokens(program: Program) -> None:
    assert program.run("accounts", "list", "--json").json == []
    _connect(program, "anna")
    (row,) = program.run("accounts", "list", "--json").json
    shown = {name: row[name] for name in ("userId", "platform", "handle", "status", "isDefault", "key", "server")}
    assert shown == {
        "userId": "anna",
        "platform": "bluesky",
        "handle": "anna.example",
        "status": "connected",
        "isDefault": True,
        "key": "old",
        "server": None,
    }
    text = program.run("accounts", "list")
    assert "anna.example  connected  key old  default" in text.out
    (stored,) = _stored(program)
    assert stored.sealed not in text.out + str(row)


def test_keys_are_rotated_and_the_old_one_is_not_needed_any_more(program: Program) -> None:
    for user in ("anna", "carla"):
        _connect(program, user)
    program.settings["TOKEN_KEYS"] = _setting(NEW_KEY)
    lost = program.run("accounts", "rotate-keys")
    assert (lost.code, "'old', which is not in TOKEN_KEYS" in lost.err) == (2, True)
    program.settings["TOKEN_KEYS"] = _setting(NEW_KEY, OLD_KEY)
    done = program.run("accounts", "rotate-keys")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("2 accounts sealed with the key 'new', 0 had it already")
    assert "0 accounts sealed with the key 'new', 2 had it" in program.run("accounts", "rotate-keys").out
    for stored in _stored(program):
        assert sealing_with(NEW_KEY).open_tokens(stored).access == "hush-access"
        with pytest.raises(VaultError):
            sealing_with(OLD_KEY).open_tokens(stored)


def test_a_new_client_key_is_one_that_the_setting_takes(program: Program) -> None:
    made = [program.run("accounts", "new-client-key") for _ in range(2)]
    assert {(each.code, each.err) for each in made} == {(0, "")}
    program.settings |= {
        "BLUESKY_CLIENT_KEYS": f"[{','.join(each.out for each in made)}]",
        "POST_PLATFORMS": "bluesky",
        "PUBLIC_URL": "https://shares.example",
    }
    shown = program.run("doctor")
    assert (shown.code, "SHARETALLY_BLUESKY_CLIENT_KEYS = ***" in shown.out) == (0, True), shown
    assert not [each for each in made if each.json["d"] in shown.out + shown.err]
    port = free_port()
    with program.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200)
        status, keys = fetch(f"http://127.0.0.1:{port}/oauth/bluesky/jwks.json")
        assert (status, [each["kid"] for each in keys["keys"]]) == (200, [each.json["kid"] for each in made])
        assert not [each for each in made if each.json["d"] in serve.output]


def test_after_a_restore_refresh_tokens_are_not_used_again(program: Program) -> None:
    _connect(program, "anna")
    _connect(program, "carla", refresh=None)
    result = program.run("repair", "--restored")
    assert (result.code, "1 account to be connected again" in result.out) == (0, True)
    statuses = {row["userId"]: row["status"] for row in program.run("accounts", "list", "--json").json}
    assert statuses == {"anna": "needs_reauth", "carla": "connected"}
    assert "to be looked for" not in result.out
