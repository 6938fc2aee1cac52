"""MariaDB or MySQL for tests: a database each.

Where root may enter without a password it does so over TCP. Where only the machine's own root may, through
the socket (a fresh Debian), an account is made for this run that owns databases of our prefix and nothing
else.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from secrets import token_hex
from urllib.parse import unquote, urlsplit

import asyncmy

from tests.services.launch import ServerProcess, free_port, run_server, run_setup, temporary_folder
from tests.services.server import Server, ServerKind, fresh_name, open_server, program, run_in_thread, with_path

STANDARD = "mysql://root@127.0.0.1:3306/"
SOCKET = "/run/mysqld/mysqld.sock"


@contextmanager
def fresh_mysql(server: str | None = None) -> Iterator[str]:
    """The URL of an empty database, dropped at the end."""
    with ExitStack() as stack:
        at = server or stack.enter_context(open_server(MYSQL)).url
        name = fresh_name()
        run_in_thread(_execute(at, f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
        try:
            yield with_path(at, name)
        finally:
            run_in_thread(_execute(at, f"DROP DATABASE {name}"))


async def _execute(url: str, *statements: str, socket: str | None = None) -> None:
    at = urlsplit(url)
    connection = await asyncmy.connect(
        host=at.hostname or "127.0.0.1",
        port=at.port or 3306,
        user=unquote(at.username or "root"),
        password=unquote(at.password or ""),
        unix_socket=socket,
        connect_timeout=10,
    )
    try:
        async with connection.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement)
    finally:
        await connection.ensure_closed()


def _answers(url: str, socket: str | None = None) -> bool:
    try:
        run_in_thread(_execute(url, "SELECT 1", socket=socket))
    except (OSError, TimeoutError, asyncmy.MySQLError):
        return False
    return True


@contextmanager
def _standard() -> Iterator[Server | None]:
    if _answers(STANDARD):
        yield Server(url=STANDARD)
    elif _answers(STANDARD, SOCKET):
        with _account(SOCKET) as url:
            yield Server(url=url) if _answers(url) else None
    else:
        yield None


@contextmanager
def _account(socket: str) -> Iterator[str]:
    name, password = fresh_name(), token_hex(16)
    make = f"CREATE USER {name}@'%' IDENTIFIED BY '{password}'"
    grant = f"GRANT ALL ON `sharetally\\_t\\_%`.* TO {name}@'%'"
    run_in_thread(_execute(STANDARD, make, grant, socket=socket))
    try:
        yield f"mysql://{name}:{password}@127.0.0.1:3306/"
    finally:
        run_in_thread(_execute(STANDARD, f"DROP USER {name}@'%'", socket=socket))


def _installed() -> bool:
    return bool(program("mariadbd") and program("mariadb-install-db"))


@contextmanager
def private_mysql(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server started here, ended here; `settings` are what my.cnf would hold."""
    port = free_port()
    url = f"mysql://root@127.0.0.1:{port}/"
    with temporary_folder() as place:
        temporary = place / "tmp"  # its own: a server that starts clears away what others have in a common one
        temporary.mkdir()
        files = ["--no-defaults", f"--datadir={place}/data", f"--tmpdir={temporary}", f"--user={getpass.getuser()}"]
        bare = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        run_setup([str(program("mariadb-install-db")), *files, *bare])
        listen = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={place}/socket"]
        told = [f"--{name}={value}" for name, value in (settings or {}).items()]
        command = [str(program("mariadbd")), *files, *listen, *told, f"--pid-file={place}/pid"]
        switch = ServerProcess(command, lambda: _answers(url), log=place / "log")
        with run_server(switch):
            yield Server(url=url, process=switch)


MYSQL = ServerKind(
    name="MariaDB",
    variable="SHARETALLY_TEST_MYSQL_URL",
    package="mariadb-server",
    answers=_answers,
    installed=_installed,
    standard=_standard,
    private=private_mysql,
)
