"""A stage on each kind of database, without a line in the log for each of its many thousand requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from sharetally.adapters.migrations.runner import upgrade
from tests.rules.harness import ServiceHarness, open_harness


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """Log only errors."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(**before)


@pytest.fixture
def harness(database_url: str, tmp_path: Path) -> Iterator[ServiceHarness]:
    """The service, once on each kind of database."""
    upgrade(database_url)
    with open_harness(tmp_path, database_url) as found:
        yield found


@pytest.fixture(scope="module")
def sqlite_harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceHarness]:
    """The service on SQLite, for all tests of a file."""
    folder = tmp_path_factory.mktemp("rules")
    url = f"sqlite:///{folder}/sharetally.db"
    upgrade(url)
    with open_harness(folder, url) as found:
        yield found
