"""Redis for tests: each gets a database number from 1 to 15 that was empty and that nothing else uses.

A number is reserved by a key in database 0 that expires, so that a killed run returns it. A number whose database is
not empty is left alone: it may contain somebody's data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import redis

from tests.services.launch import ServerProcess, free_port, run_server, temporary_folder
from tests.services.server import Server, ServerKind, Unavailable, open_server, program, with_path

STANDARD = "redis://127.0.0.1:6379/0"
LEASE = 3600  # seconds


@contextmanager
def fresh_redis(server: str | None = None) -> Iterator[str]:
    """The URL of an empty database number, emptied and given back at the end."""
    with ExitStack() as stack:
        at = server or stack.enter_context(open_server(REDIS)).url
        number = _take(at)
        try:
            yield with_path(at, str(number))
        finally:
            _give_back(at, number)


@contextmanager
def private_redis() -> Iterator[Server]:
    """A server of one's own, to be stopped and started."""
    if not _installed():
        raise Unavailable("redis-server is not installed")
    with _private() as server:
        yield server


def _take(server: str) -> int:
    with redis.Redis.from_url(with_path(server, "0")) as register:
        for number in range(1, 16):
            if register.set(_lease(number), "taken", nx=True, ex=LEASE):
                if _is_empty(server, number):
                    return number
                register.delete(_lease(number))
    raise Unavailable("no database number of 1 to 15 is both empty and free")


def _give_back(server: str, number: int) -> None:
    with redis.Redis.from_url(with_path(server, str(number))) as own:
        own.flushdb()
    with redis.Redis.from_url(with_path(server, "0")) as register:
        register.delete(_lease(number))


def _lease(number: int) -> str:
    return f"sharetally_t:{number}"


def _is_empty(server: str, number: int) -> bool:
    with redis.Redis.from_url(with_path(server, str(number))) as own:
        return bool(own.dbsize() == 0)


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=10) as client:
            return bool(client.ping())
    except (OSError, redis.RedisError):
        return False


@contextmanager
def _standard() -> Iterator[Server | None]:
    yield Server(url=STANDARD) if _answers(STANDARD) else None


def _installed() -> bool:
    return program("redis-server") is not None


@contextmanager
def _private() -> Iterator[Server]:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with temporary_folder() as place:
        listen = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(place)]
        command = [str(program("redis-server")), *listen, "--save", "", "--appendonly", "no"]
        switch = ServerProcess(command, lambda: _answers(url), log=place / "log")
        with run_server(switch):
            yield Server(url=url, process=switch)


REDIS = ServerKind(
    name="Redis",
    variable="SHARETALLY_TEST_REDIS_URL",
    package="redis-server",
    answers=_answers,
    installed=_installed,
    standard=_standard,
    private=_private,
)
