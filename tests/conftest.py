"""What every test may ask for: real services, each test with its own piece of them.

`postgresql_url`, `mysql_url`, `amqp_url` and `redis_url` are empty and the test's own; `module_…` are shared
by one file. `database_url` runs a test once on each database. A service that cannot be had skips its tests
and is named at the end of the run; with CI=true it fails them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.services import (
    Services,
    VirtualHosts,
    fresh_mysql,
    fresh_postgresql,
    fresh_redis,
    open_services,
    open_virtual_hosts,
)

# An example may take as long as a busy machine makes it take: no test measures time.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

UNTESTED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Async tests run on the loop that the service runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def services(pytestconfig: pytest.Config) -> Iterator[Services]:
    with open_services() as found:
        for line in found.untested:
            report_untested(pytestconfig, line)
        yield found


def report_untested(config: pytest.Config, line: str) -> None:
    """Say at the end of the run what could not be had, and why."""
    config.stash.setdefault(UNTESTED, []).append(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(UNTESTED, ()):
        terminalreporter.write_line(f"NOT TESTED: {line}", red=True, bold=True)


def require_service(url: str | None, name: str) -> str:
    """The server's URL; without one the test cannot run."""
    if url is None:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up(f"no {name}; the end of the run says why")
    return url


@pytest.fixture
def postgresql_url(services: Services) -> Iterator[str]:
    with fresh_postgresql(require_service(services.postgresql, "PostgreSQL")) as url:
        yield url


@pytest.fixture(scope="module")
def module_postgresql_url(services: Services) -> Iterator[str]:
    with fresh_postgresql(require_service(services.postgresql, "PostgreSQL")) as url:
        yield url


@pytest.fixture
def mysql_url(services: Services) -> Iterator[str]:
    with fresh_mysql(require_service(services.mysql, "MariaDB")) as url:
        yield url


@pytest.fixture(scope="module")
def module_mysql_url(services: Services) -> Iterator[str]:
    with fresh_mysql(require_service(services.mysql, "MariaDB")) as url:
        yield url


@pytest.fixture(scope="session")
def virtual_hosts(services: Services) -> Iterator[VirtualHosts]:
    require_service(services.amqp, "RabbitMQ")
    with open_virtual_hosts(services.broker) as hosts:
        yield hosts


@pytest.fixture
def amqp_url(virtual_hosts: VirtualHosts) -> Iterator[str]:
    with virtual_hosts.fresh() as url:
        yield url


@pytest.fixture(scope="module")
def module_amqp_url(virtual_hosts: VirtualHosts) -> Iterator[str]:
    with virtual_hosts.fresh() as url:
        yield url


@pytest.fixture
def redis_url(services: Services) -> Iterator[str]:
    with fresh_redis(require_service(services.redis, "Redis")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def database_url(request: pytest.FixtureRequest, services: Services, tmp_path: Path) -> Iterator[str]:
    """A database of the test's own, once on each kind."""
    with _database(request.param, services, tmp_path) as url:
        yield url


@contextmanager
def _database(kind: str, services: Services, folder: Path) -> Iterator[str]:
    match kind:
        case "postgresql":
            with fresh_postgresql(require_service(services.postgresql, "PostgreSQL")) as url:
                yield url
        case "mysql":
            with fresh_mysql(require_service(services.mysql, "MariaDB")) as url:
                yield url
        case _:
            yield f"sqlite:///{folder}/sharetally.db"
