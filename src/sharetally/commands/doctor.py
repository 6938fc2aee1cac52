"""`doctor`: prints every setting and tries every connection."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import typer

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.logs import configure
from sharetally.commands.database import open_database
from sharetally.commands.doctor_posting import posting_findings
from sharetally.commands.finding import Level
from sharetally.domain.errors import ConfigurationError, SharetallyError, Unauthenticated, Unavailable
from sharetally.domain.spending import dollars
from sharetally.settings import Settings, masked_settings
from sharetally.wiring import allowed_platforms, builtin_queues, create_broker, create_cache, outbound
from sharetally.wiring_http import oidc_sign_in
from sharetally.wiring_posting import create_spending


async def doctor(settings: Settings) -> int:
    """Print every setting and the result of every check; returns 1 if any check failed, else 0."""
    configure("critical", settings.log_format)  # the checks print what is wrong
    for name, value in masked_settings(settings).items():
        typer.echo(f"{name} = {value}")
    typer.echo("")
    checks = {
        "settings": _check_settings,
        "database": _check_database,
        "broker": _check_broker,
        "cache": _check_cache,
        "openid": _check_openid,
        "budget": _check_budget,
    }
    exit_code = 0
    for name, check in checks.items():
        try:
            typer.echo(f"ok    {name}: {await check(settings)}")
        except SharetallyError as error:
            typer.echo(f"WRONG {name}: {error.detail}")
            exit_code = 1
    for finding in await posting_findings(settings, datetime.now(UTC).date()):
        typer.echo(f"{finding.level:<5} {finding.name}: {finding.text}")
        exit_code = 1 if finding.level is Level.WRONG else exit_code
    return exit_code


async def _check_settings(settings: Settings) -> str:
    return f"platforms {', '.join(allowed_platforms(settings))}"


async def _check_database(settings: Settings) -> str:
    async with open_database(settings) as (database, _):
        backlog, keys = await database.events.backlog(), await database.keys.all()
    names = Counter(key.name for key in keys if key.revoked_at is None)
    if shared := [f"{name!r}" for name, number in sorted(names.items()) if number > 1]:
        raise ConfigurationError(
            f"several active API keys have the same name, {', '.join(shared)}, and so act as the same user; "
            "find them with `sharetally keys list` and revoke all but one with `sharetally keys revoke`"
        )
    return f"schema is current; {backlog.pending} events pending, {backlog.parked} parked"


async def _check_budget(settings: Settings) -> str:
    if "twitter" not in settings.post_platforms:
        return "none: this service posts to no platform that charges for posts"
    async with open_database(settings) as (database, clock):
        found = await create_spending(settings, database.spending, clock).today()
    return ", ".join(
        f"{each.platform} ${dollars(each.day.spent)} of ${dollars(each.budget.total)} spent today (UTC), "
        f"${dollars(each.day.unknown)} of it for posts that may not be there"
        for each in found
    )


async def _check_broker(settings: Settings) -> str:
    message_broker = create_broker(settings)
    if message_broker.volatile:
        return "none: jobs stay inside the serving process"
    await message_broker.open(builtin_queues(settings))
    try:
        if not message_broker.connected:
            raise Unavailable(
                "cannot connect to RabbitMQ: check BROKER_URL, the user's permissions, and that RabbitMQ runs"
            )
        states = [(queue.name, await message_broker.state(queue.name)) for queue in builtin_queues(settings)]
    finally:
        await message_broker.close()
    return ", ".join(f"{name} {state.depth} waiting, {state.consumers} consumers" for name, state in states if state)


async def _check_cache(settings: Settings) -> str:
    count_cache = create_cache(settings)
    if count_cache is None:
        return "none: counts are read from the database"
    await count_cache.open()
    try:
        if not await count_cache.ping():
            raise Unavailable("Redis does not answer: check CACHE_URL, and that Redis runs")
    finally:
        await count_cache.close()
    return "answers"


async def _check_openid(settings: Settings) -> str:
    if settings.oidc_issuer is None:
        return "none: `sharetally console` prints sign-in links"
    client = outbound(settings, setting="OIDC_ISSUER", extra="oidc")
    try:
        await oidc_sign_in(settings, client, DatabaseClock()).provider.check()
    except Unauthenticated as error:
        raise ConfigurationError(f"{error.detail}: check OIDC_ISSUER") from None
    finally:
        await client.close()
    return "answers, and publishes its keys"
