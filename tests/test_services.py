"""The tests' own ground: what a fixture gives is reachable and empty, and gone once it is given back."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

import aio_pika
import asyncmy
import asyncpg
import pytest
from aio_pika.exceptions import AMQPError
from redis.asyncio import Redis

from tests.services import (
    Services,
    fresh_amqp,
    fresh_mysql,
    fresh_postgresql,
    fresh_redis,
    open_virtual_hosts,
)
from tests.services.mysql import MYSQL
from tests.services.postgresql import POSTGRESQL
from tests.services.rabbitmq import RABBITMQ
from tests.services.redis import REDIS
from tests.services.server import Server, ServerKind, Unavailable, open_server, run_in_thread, with_path

pytestmark = pytest.mark.anyio

MAKE = "CREATE TABLE made (id INTEGER)"
INSERT = "INSERT INTO made VALUES (1), (2)"
COUNT = "SELECT count(*) FROM made"
TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_schema = "
IN_POSTGRESQL = f"{TABLES} 'public'"
IN_MYSQL = f"{TABLES} database()"


async def on_postgresql(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


async def on_mysql(url: str, *statements: str) -> object:
    at = urlsplit(url)
    connection = await asyncmy.connect(
        host=str(at.hostname),
        port=at.port or 3306,
        user=str(at.username),
        password=unquote(at.password or ""),
        database=at.path.strip("/"),
        autocommit=True,
    )
    try:
        async with connection.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement)
            row = await cursor.fetchone()
            return row[0] if row else None
    finally:
        await connection.ensure_closed()


async def waiting(url: str, *, published: Iterable[bytes] = ()) -> int | None:
    """Messages in the queue `sharetally.count` once these are published too."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue("sharetally.count", durable=True)
        for body in published:
            await channel.default_exchange.publish(aio_pika.Message(body, delivery_mode=2), routing_key=queue.name)
        again = await channel.declare_queue(queue.name, passive=True)
        return again.declaration_result.message_count


def in_postgresql(url: str, *before: str) -> Coroutine[Any, Any, object]:
    return on_postgresql(url, *before, COUNT)


def in_mysql(url: str, *before: str) -> Coroutine[Any, Any, object]:
    return on_mysql(with_path(url, "mysql"), *before, COUNT)


def in_rabbitmq(url: str, *before: str) -> Coroutine[Any, Any, object]:
    return waiting(url, published=[each.encode() for each in before])


KEEPERS = {POSTGRESQL: in_postgresql, MYSQL: in_mysql, RABBITMQ: in_rabbitmq}


async def test_a_postgresql_database_is_empty_and_dropped(services: Services, postgresql_url: str) -> None:
    assert await on_postgresql(postgresql_url, MAKE, IN_POSTGRESQL) == 1
    with fresh_postgresql(services.postgresql) as other:
        assert await on_postgresql(other, IN_POSTGRESQL) == 0
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await on_postgresql(other, IN_POSTGRESQL)


async def test_a_forgotten_connection_does_not_keep_a_postgresql_database(
    services: Services, postgresql_url: str
) -> None:
    with fresh_postgresql(services.postgresql) as url:
        forgotten = await asyncpg.connect(url)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError)):
        await forgotten.fetchval("SELECT 1")
    forgotten.terminate()


async def test_a_mysql_database_is_empty_and_dropped(services: Services, mysql_url: str) -> None:
    assert await on_mysql(mysql_url, MAKE, IN_MYSQL) == 1
    with fresh_mysql(services.mysql) as other:
        assert await on_mysql(other, IN_MYSQL) == 0
    with pytest.raises(asyncmy.MySQLError):
        await on_mysql(other, IN_MYSQL)


async def test_a_virtual_host_is_empty_and_deleted(services: Services, amqp_url: str) -> None:
    assert await waiting(amqp_url, published=[b"[]"]) == 1
    with open_virtual_hosts(services.broker, batch=1) as hosts:
        for _ in range(2):
            with hosts.fresh() as other:
                assert await waiting(other, published=[b"[]", b"[]"]) == 2
    with pytest.raises((AMQPError, OSError)):
        await waiting(other)


async def test_a_broker_out_of_reach_of_rabbitmqctl_lends_its_only_virtual_host(amqp_url: str) -> None:
    remote = Server(url=amqp_url, control={"RABBITMQ_NODENAME": "nobody@localhost"})
    await waiting(amqp_url, published=[b"[]"])
    with open_virtual_hosts(remote) as hosts:
        for _ in range(2):
            with hosts.fresh() as url:
                assert url == amqp_url
                assert await waiting(url, published=[b"[]"]) == 1


async def test_a_redis_number_is_empty_and_emptied(services: Services, redis_url: str) -> None:
    async with Redis.from_url(redis_url) as own:
        assert await own.dbsize() == 0
        await own.set("made", "here")
        with fresh_redis(services.redis) as other:
            async with Redis.from_url(other) as theirs:
                assert await theirs.dbsize() == 0
                await theirs.set("made", "there")
        async with Redis.from_url(other) as theirs:
            assert await theirs.dbsize() == 0
        assert await own.get("made") == b"here"


async def test_a_redis_database_that_is_not_empty_is_left_alone(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as own:
        await own.set("somebody", "else")
    with fresh_redis(redis_url) as other:
        assert other != redis_url
    async with Redis.from_url(redis_url) as own:
        assert await own.get("somebody") == b"else"


async def test_each_kind_of_database_can_be_requested(database_url: str) -> None:
    assert urlsplit(database_url).scheme in {"sqlite", "postgresql", "mysql"}
    assert "sharetally" in urlsplit(database_url).path


@pytest.mark.parametrize("kind", [POSTGRESQL, MYSQL, REDIS], ids=lambda kind: kind.name)
def test_a_private_server_answers_and_ends(kind: ServerKind) -> None:
    if not kind.installed():
        pytest.skip(f"{kind.name} is not installed")
    with kind.private() as server:
        assert kind.answers(server.url)
    assert not kind.answers(server.url)


@pytest.mark.parametrize("kind", KEEPERS, ids=lambda kind: kind.name)
def test_a_restarted_private_server_still_has_its_data(kind: ServerKind) -> None:
    if not kind.installed():
        pytest.skip(f"{kind.name} is not installed")
    with kind.private() as server:
        assert server.process is not None
        run_in_thread(KEEPERS[kind](server.url, MAKE, INSERT))
        for off in (server.process.kill, server.process.stop):
            off()
            assert not kind.answers(server.url)
            server.process.start()
            assert run_in_thread(KEEPERS[kind](server.url)) == 2


async def test_a_private_broker_has_virtual_hosts_too() -> None:
    if not RABBITMQ.installed():
        pytest.skip("RabbitMQ is not installed")
    with RABBITMQ.private() as server, fresh_amqp(server) as url:
        assert url != server.url
        assert await waiting(url, published=[b"[]"]) == 1


def test_a_named_server_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REDIS.variable, "redis://127.0.0.1:1/0")
    with pytest.raises(Unavailable, match=REDIS.variable), open_server(REDIS):
        pass


def test_another_path_on_the_same_server() -> None:
    assert with_path("mysql://u:p%40@h:3306/?x=1", "d") == "mysql://u:p%40@h:3306/d?x=1"
