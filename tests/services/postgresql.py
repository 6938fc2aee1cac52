"""PostgreSQL for tests: a database each, made from `template0`, so that nothing is in it.

A private server keeps its durability (fsync is on): benchmarks run on it too, and a number won without it is
none. It runs as the user `postgres` when we are root, which PostgreSQL refuses.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg

from tests.services.launch import ServerProcess, free_port, run_server, run_setup, temporary_folder, unprivileged_user
from tests.services.server import Server, ServerKind, fresh_name, open_server, program, run_in_thread, with_path

STANDARD = "postgresql://postgres@127.0.0.1:5432/postgres"
DEBIAN = Path("/usr/lib/postgresql")


@contextmanager
def fresh_postgresql(server: str | None = None) -> Iterator[str]:
    """The URL of an empty database, which is dropped at the end even if there are still connections to it."""
    with ExitStack() as stack:
        at = server or stack.enter_context(open_server(POSTGRESQL)).url
        name = fresh_name()
        run_in_thread(_execute(at, f"CREATE DATABASE {name} TEMPLATE template0"))
        try:
            yield with_path(at, name)
        finally:
            run_in_thread(_execute(at, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _answers(url: str) -> bool:
    try:
        run_in_thread(_execute(url, "SELECT 1"))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


@contextmanager
def _standard() -> Iterator[Server | None]:
    yield Server(url=STANDARD) if _answers(STANDARD) else None


def _program(name: str) -> str | None:
    """Debian keeps the servers apart by version, off the PATH; the newest is taken."""
    versions = sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return program(name, *map(str, versions))


def _installed() -> bool:
    return bool(_program("initdb") and _program("postgres"))


@contextmanager
def private_postgresql(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server started here, ended here; `settings` are what postgresql.conf would hold."""
    user, port = unprivileged_user("postgres"), free_port()
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    with temporary_folder(user) as place:
        data = str(place / "data")
        run_setup([str(_program("initdb")), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"], user)
        listen = ["-p", str(port), "-h", "127.0.0.1", "-k", str(place)]
        told = [word for name, value in (settings or {}).items() for word in ("-c", f"{name}={value}")]
        command = [str(_program("postgres")), "-D", data, *listen, *told]
        # SIGINT: disconnect all clients and stop; SIGTERM would wait for them.
        switch = ServerProcess(command, lambda: _answers(url), log=place / "log", user=user, stop=signal.SIGINT)
        with run_server(switch):
            yield Server(url=url, process=switch)


POSTGRESQL = ServerKind(
    name="PostgreSQL",
    variable="SHARETALLY_TEST_POSTGRESQL_URL",
    package="postgresql",
    answers=_answers,
    installed=_installed,
    standard=_standard,
    private=private_postgresql,
)
