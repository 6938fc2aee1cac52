"""Every setting shown, every connection tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable

import typer

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.logs import configure
from sharetally.commands.database import open_database
from sharetally.domain.errors import ConfigurationError, SharetallyError, Unauthenticated, Unavailable
from sharetally.settings import Settings, masked_settings
from sharetally.wiring import allowed_platforms, builtin_queues, create_broker, create_cache, outbound
from sharetally.wiring_http import oidc_sign_in


async def doctor(settings: Settings) -> int:
    """Show every setting, try every connection; 1 if anything is wrong."""
    configure("critical", settings.log_format)  # what is wrong is said below
    for name, value in masked_settings(settings).items():
        typer.echo(f"{name} = {value}")
    typer.echo("")
    checks = {
        "settings": _check_settings,
        "database": _check_database,
        "broker": _check_broker,
        "cache": _check_cache,
        "openid": _check_openid,
    }
    failed_checks = [name for name, check in checks.items() if not await _check_passes(name, check(settings))]
    return 1 if failed_checks else 0


async def _check_passes(name: str, check: Awaitable[str]) -> bool:
    try:
        typer.echo(f"ok    {name}: {await check}")
    except SharetallyError as error:
        typer.echo(f"WRONG {name}: {error.detail}")
        return False
    return True


async def _check_settings(settings: Settings) -> str:
    return f"platforms {', '.join(allowed_platforms(settings))}"


async def _check_database(settings: Settings) -> str:
    async with open_database(settings) as (database, _):
        backlog, keys = await database.events.backlog(), await database.keys.all()
    names = Counter(key.name for key in keys if key.revoked_at is None)
    if shared := [f"{name!r}" for name, number in sorted(names.items()) if number > 1]:
        raise ConfigurationError(
            f"several API keys in use are named {', '.join(shared)}, and act as one: "
            "`sharetally keys list` shows them, `sharetally keys revoke` ends one"
        )
    return f"schema is current; {backlog.pending} events pending, {backlog.parked} parked"


async def _check_broker(settings: Settings) -> str:
    message_broker = create_broker(settings)
    if message_broker.volatile:
        return "in this process"
    await message_broker.open(builtin_queues(settings))
    try:
        if not message_broker.connected:
            raise Unavailable("RabbitMQ does not let us in: check BROKER_URL, the user's rights, and that it runs")
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
            raise Unavailable("Redis does not answer: check CACHE_URL and that it runs")
    finally:
        await count_cache.close()
    return "answers"


async def _check_openid(settings: Settings) -> str:
    if settings.oidc_issuer is None:
        return "none: `sharetally console` prints links to sign in with"
    client = outbound(settings, setting="OIDC_ISSUER", extra="oidc")
    try:
        await oidc_sign_in(settings, client, DatabaseClock()).provider.check()
    except Unauthenticated as error:
        raise ConfigurationError(f"{error.detail}: check OIDC_ISSUER") from None
    finally:
        await client.close()
    return "answers, and publishes its keys"
