"""The machine of a run: processors, memory, and the versions of everything that takes part."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version

from bench.servers import MEBIBYTE
from tests.services.postgresql import DEBIAN
from tests.services.server import program

PROGRAMS = {
    "PostgreSQL": ("postgres", "--version"),
    "MariaDB": ("mariadbd", "--version"),
    "Redis": ("redis-server", "--version"),
}


def describe_machine() -> dict[str, str]:
    """Names and values, in the order in which the page shows them."""
    found = {
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // MEBIBYTE // 1024} GiB",
        "Python": platform.python_version(),
    }
    found |= {name: _version(*command) for name, command in PROGRAMS.items()}
    found |= {"RabbitMQ": _rabbitmq(), "SQLite": sqlite3.sqlite_version}
    return found | {name: _package(name) for name in ("uvicorn", "asyncpg", "aiormq", "fastapi")}


def _package(name: str) -> str:
    """The version of a package; the reference packages are installed only for the benchmark."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not there"


def _version(name: str, option: str) -> str:
    path = program(name, *(str(folder) for folder in sorted(DEBIAN.glob("*/bin"), reverse=True)))
    said = subprocess.run([path or name, option], capture_output=True, text=True, check=False).stdout if path else ""
    match = re.search(r"\d+\.\d+(\.\d+)?", said)
    return match[0] if match else "not there"


def _rabbitmq() -> str:
    """The version of the package: RabbitMQ itself would have to start an Erlang node to tell."""
    if shutil.which("dpkg-query") is None:
        return "not known"
    command = ["dpkg-query", "-W", "-f=${Version}", "rabbitmq-server"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return said.split("-")[0] or "not there"
