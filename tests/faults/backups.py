"""Backups as an operator takes them, of a database in use, and their restore into an empty one of the same name."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.oracle.tables import open_tables
from tests.services.server import with_path


async def take(url: str, file: Path) -> None:
    """A backup in one snapshot, while everybody writes."""
    match urlsplit(url).scheme:
        case "postgresql":
            await _run(["pg_dump", "--no-owner", f"--file={file}", url])
        case "mysql":
            await _run(["mariadb-dump", "--single-transaction", f"--result-file={file}", *_reached(url)], url)
        case _:
            await asyncio.to_thread(_copy_sqlite, _path(url), file)


async def restore(url: str, file: Path) -> None:
    """Put the backup, and nothing else, in the place of the database; nothing may be using it."""
    name = urlsplit(url).path.strip("/")
    match urlsplit(url).scheme:
        case "postgresql":
            async with open_tables(with_path(url, "postgres")) as tables:
                await tables.run(f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE template0")
            await _run(["psql", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", f"--file={file}", url])
        case "mysql":
            async with open_tables(url) as tables:
                await tables.run(f"DROP DATABASE {name}", f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            await _run(["mariadb", *_reached(url), f"--execute=source {file}"], url)
        case _:
            _put_sqlite(file, _path(url))


def _reached(url: str) -> list[str]:
    at = urlsplit(url)
    return [f"--host={at.hostname}", f"--port={at.port or 3306}", f"--user={at.username}", at.path.strip("/")]


async def _run(command: Sequence[str], url: str = "") -> None:
    environment = {**os.environ, "MYSQL_PWD": unquote(urlsplit(url).password or "")}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 0, f"{command[0]}: {said.decode(errors='replace')[-500:]}"


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///")


def _put_sqlite(file: Path, path: str) -> None:
    for rest in ("", "-wal", "-shm"):
        Path(f"{path}{rest}").unlink(missing_ok=True)
    shutil.copy(file, path)


def _copy_sqlite(source: str, target: Path) -> None:
    with closing(sqlite3.connect(source, timeout=30)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.backup(copy)
