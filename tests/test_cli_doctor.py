"""`doctor`: every setting, every connection, and no secret in any of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sharetally.domain.spending import Charge, day_of
from tests.contracts.database_rows import open_database
from tests.program import CommandResult, Program

pytestmark = pytest.mark.anyio


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def wrong(result: CommandResult) -> dict[str, str]:
    """What is wrong, by the name of the check."""
    lines = [line.removeprefix("WRONG ") for line in result.out.splitlines() if line.startswith("WRONG ")]
    return {name: detail for name, _, detail in (line.partition(": ") for line in lines)}


def test_all_is_well_on_the_embedded_default(program: Program) -> None:
    program.migrate()
    result = program.run("doctor")
    assert (result.code, result.err, wrong(result)) == (0, "", {})
    assert "ok    database: schema is current; 0 events pending, 0 parked\n" in result.out
    assert "ok    openid: none: `sharetally console` prints sign-in links\n" in result.out
    assert "ok    budget: none: this service posts to no platform that charges for posts\n" in result.out
    assert "SHARETALLY_RATE_LIMIT = 600/minute\n" in result.out


def test_before_the_first_migration(program: Program) -> None:
    result = program.run("doctor")
    assert result.code == 1
    assert set(wrong(result)) == {"database"}
    assert wrong(result)["database"].endswith("run `sharetally migrate`")


def test_everything_is_away(program: Program) -> None:
    program.settings |= {
        "DATABASE_URL": "postgresql://somebody:hunter2@127.0.0.1:9/sharetally",
        "BROKER_URL": "amqp://somebody:hunter2@127.0.0.1:9/",
        "CACHE_URL": "redis://somebody:hunter2@127.0.0.1:9/0",
        "JWT_SECRET": "hunter2 hunter2 hunter2 hunter2 hunter2",
        "OIDC_ISSUER": "http://127.0.0.1:9",
        "OIDC_CLIENT_ID": "sharetally",
        "OIDC_CLIENT_SECRET": "hunter2",
        "OIDC_GROUPS": '{"staff": "audit"}',
        "PUBLIC_URL": "https://shares.example.com",
    }
    result = program.run("doctor")
    assert result.code == 1
    assert set(wrong(result)) == {"database", "broker", "cache", "openid"}
    assert "check BROKER_URL" in wrong(result)["broker"]
    assert "check CACHE_URL" in wrong(result)["cache"]
    assert wrong(result)["openid"].startswith("the OpenID provider does not answer (ConnectError")
    assert "hunter2" not in result.out + result.err
    assert "SHARETALLY_DATABASE_URL = postgresql://somebody:***@127.0.0.1:9/sharetally\n" in result.out
    assert "SHARETALLY_JWT_SECRET = ***\n" in result.out
    assert "SHARETALLY_OIDC_CLIENT_SECRET = ***\n" in result.out


def test_an_unknown_platform_is_reported(program: Program) -> None:
    program.migrate()
    program.settings["SHARE_PLATFORMS"] = "twitter,fax"
    result = program.run("doctor")
    assert result.code == 1
    assert wrong(result)["settings"].startswith("SHARE_PLATFORMS: unknown fax; known are ")


async def test_what_posts_have_cost_today(program: Program, tmp_path: Path) -> None:
    program.settings |= {
        "DATABASE_URL": f"sqlite:///{tmp_path}/budget.db",
        "POST_PLATFORMS": "x",
        "PUBLIC_URL": "https://shares.example.com",
        "X_CLIENT_ID": "a1b2c3",
        "X_BUDGET": "20,1",
    }
    program.migrate()
    async with open_database(program.settings["DATABASE_URL"]) as database, database.transaction() as tx:
        charge = Charge(platform="twitter", day=day_of(await database.events.now()), user_id="anna", amount=3_415_000)
        assert await tx.spending.reserve(charge, None) is None
    result = program.run("doctor")
    assert (result.code, wrong(result)) == (0, {})
    line = "ok    budget: twitter $3.415 of $20 spent today (UTC), $0 of it for posts that may not be there\n"
    assert line in result.out


def test_the_real_stack(program: Program, postgresql_url: str, amqp_url: str, redis_url: str) -> None:
    program.settings |= {"DATABASE_URL": postgresql_url, "BROKER_URL": amqp_url, "CACHE_URL": redis_url}
    program.settings["EVENT_FEED"] = "on"
    program.migrate()
    result = program.run("doctor")
    assert (result.code, result.err, wrong(result)) == (0, "", {})
    queues = ("count", "post", "in", "feed", "deliveries")
    assert f"ok    broker: {', '.join(f'{name} 0 waiting, 0 consumers' for name in queues)}\n" in result.out
