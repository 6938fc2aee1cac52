"""Systems to travel on: one of each kind, with databases and virtual hosts of their own.

SQLite serves in one process with everything inside; PostgreSQL and MariaDB serve from two, with a relay, two
workers and RabbitMQ between.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import require_service
from tests.oracle.system import System, Topology, open_system
from tests.services import Services, VirtualHosts, fresh_mysql, fresh_postgresql

KINDS = ("sqlite", "postgresql", "mysql")


def _topology(kind: str, request: pytest.FixtureRequest, services: Services, stack: ExitStack) -> Topology:
    if kind == "sqlite":
        return Topology()
    hosts: VirtualHosts = request.getfixturevalue("virtual_hosts")
    fresh = fresh_postgresql if kind == "postgresql" else fresh_mysql
    database = stack.enter_context(fresh(require_service(getattr(services, kind), kind)))
    broker = stack.enter_context(hosts.fresh())
    return Topology(database=database, broker=broker, processes=2, workers=2, relays=1)


@pytest.fixture(params=KINDS)
def topology(request: pytest.FixtureRequest, services: Services) -> Iterator[Topology]:
    """A system to be, once of each kind."""
    with ExitStack() as stack:
        yield _topology(request.param, request, services, stack)


@pytest.fixture
def stack_topology(request: pytest.FixtureRequest, services: Services) -> Iterator[Topology]:
    """The one on PostgreSQL and RabbitMQ."""
    with ExitStack() as stack:
        yield _topology("postgresql", request, services, stack)


@pytest.fixture(scope="module", params=KINDS)
def module_topology(request: pytest.FixtureRequest, services: Services) -> Iterator[Topology]:
    """A system to be for all tests of a file, once of each kind."""
    with ExitStack() as stack:
        yield _topology(request.param, request, services, stack)


@pytest.fixture(scope="module")
async def system(module_topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """A system that runs for all tests of a file, once of each kind."""
    async with open_system(module_topology, tmp_path_factory.mktemp("system")) as running:
        yield running
        assert not running.unexpected_log_lines()
