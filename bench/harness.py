"""What rows run on: private servers that start when the first row needs them and end with the run.

Each row has its own databases and virtual hosts on them. The limit with which several rows are compared (pgbench
with its best number of clients) is determined once.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TypeVar

from bench import servers
from tests.oracle.system import SECRET, System, Topology, open_system
from tests.services import fresh_amqp, fresh_mysql, fresh_postgresql, private_mysql, private_postgresql
from tests.services.rabbitmq import RABBITMQ
from tests.services.redis import REDIS
from tests.services.server import Server

T = TypeVar("T")
# Rate limits stay on, because they are part of the cost of a request. No row comes near them.
SETTINGS = {"LOG_LEVEL": "warning", "JWT_SECRET": SECRET}
PROCESSES = 2


@dataclass(frozen=True, kw_only=True)
class Options:
    """How long and how much.

    `pairs` of `seconds` each; `sustained` seconds where a backlog must not grow; `records` in the large ledgers;
    `minutes` of full load for the memory row.
    """

    full: bool = False
    pairs: int = 3
    seconds: int = 4
    sustained: int = 8
    records: int = 10_000_000
    minutes: float = 10


class BenchHarness:
    """The servers and folders of one run."""

    def __init__(self, options: Options, stack: ExitStack) -> None:
        self.options = options
        self._stack = stack
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sharetally-bench-")))
        self._numbers = count(1)
        self._kept: dict[str, object] = {}

    @cached_property
    def postgresql(self) -> str:
        """The private PostgreSQL."""
        return self._open("PostgreSQL", private_postgresql(servers.postgresql())).url

    @cached_property
    def mariadb(self) -> str:
        """The private MariaDB."""
        return self._open("MariaDB", private_mysql(servers.mariadb())).url

    @cached_property
    def rabbitmq(self) -> Server:
        """The private RabbitMQ."""
        return self._open("RabbitMQ", RABBITMQ.private())

    @cached_property
    def redis(self) -> str:
        """The private Redis, a cache: nothing of it is kept on disk."""
        return self._open("Redis", REDIS.private()).url

    def _open(self, name: str, server: AbstractContextManager[Server]) -> Server:
        print(f"starting a private {name}", file=sys.stderr)
        return self._stack.enter_context(server)

    def cached(self, name: str, make: Callable[[ExitStack], T]) -> T:
        """Something that several rows use and that is created once."""
        if name not in self._kept:
            self._kept[name] = make(self._stack)
        return self._kept[name]  # type: ignore[return-value]

    def folder(self, name: str) -> Path:
        """A new, empty folder."""
        path = self._folder / f"{next(self._numbers)}-{name}"
        path.mkdir()
        return path

    def postgresql_database(self) -> AbstractContextManager[str]:
        """An empty database on PostgreSQL."""
        return fresh_postgresql(self.postgresql)

    def mariadb_database(self) -> AbstractContextManager[str]:
        """An empty database on MariaDB."""
        return fresh_mysql(self.mariadb)

    def virtual_host(self) -> AbstractContextManager[str]:
        """An empty virtual host on RabbitMQ."""
        return fresh_amqp(self.rabbitmq)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """A database on PostgreSQL with Sharetally's schema."""
        with self.postgresql_database() as url:
            self.migrate(url)
            yield url

    def migrate(self, url: str) -> None:
        """Give a database Sharetally's schema."""
        from sharetally.adapters.migrations import runner

        with ThreadPoolExecutor(max_workers=1) as apart:  # because it runs its own event loop
            apart.submit(runner.upgrade, url).result()

    @asynccontextmanager
    async def sharetally(self, topology: Topology) -> AsyncIterator[System]:
        """Sharetally, migrated and ready; every role must end cleanly."""
        async with open_system(topology, self.folder("sharetally")) as system:
            yield system


@contextmanager
def open_harness(options: Options) -> Iterator[BenchHarness]:
    """The harness of a run. Servers start when they are needed, and everything that was started ends here."""
    with ExitStack() as stack:
        yield BenchHarness(options, stack)
