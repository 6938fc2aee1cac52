"""Systems to travel on: one of each kind, with databases and virtual hosts of their own.

SQLite serves in one process with everything inside; PostgreSQL and MariaDB serve from two, with a relay, two
workers and RabbitMQ between.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import needed
from tests.oracle.system import Shape, System, open_system
from tests.services import Services, VirtualHosts, fresh_mysql, fresh_postgresql

KINDS = ("sqlite", "postgresql", "mysql")


def _shape(kind: str, request: pytest.FixtureRequest, services: Services, stack: ExitStack) -> Shape:
    if kind == "sqlite":
        return Shape()
    hosts: VirtualHosts = request.getfixturevalue("virtual_hosts")
    fresh = fresh_postgresql if kind == "postgresql" else fresh_mysql
    database = stack.enter_context(fresh(needed(getattr(services, kind), kind)))
    broker = stack.enter_context(hosts.fresh())
    return Shape(database=database, broker=broker, processes=2, workers=2, relays=1)


@pytest.fixture(params=KINDS)
def shape(request: pytest.FixtureRequest, services: Services) -> Iterator[Shape]:
    """A system to be, once of each kind."""
    with ExitStack() as stack:
        yield _shape(request.param, request, services, stack)


@pytest.fixture
def stack_shape(request: pytest.FixtureRequest, services: Services) -> Iterator[Shape]:
    """The one on PostgreSQL and RabbitMQ."""
    with ExitStack() as stack:
        yield _shape("postgresql", request, services, stack)


@pytest.fixture(scope="module", params=KINDS)
def module_shape(request: pytest.FixtureRequest, services: Services) -> Iterator[Shape]:
    """A system to be for all tests of a file, once of each kind."""
    with ExitStack() as stack:
        yield _shape(request.param, request, services, stack)


@pytest.fixture(scope="module")
async def system(module_shape: Shape, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """A system that runs for all tests of a file, once of each kind."""
    async with open_system(module_shape, tmp_path_factory.mktemp("system")) as running:
        yield running
        assert not running.grumbling()
