"""The service under test, with a database for each test.

`api` runs on SQLite with default settings; `make_api` opens one with other settings; `any_api` runs a test once on
each database, for results that depend on the database; `readonly_api` is for tests that do not write.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from secrets import token_hex

import pytest

from sharetally.adapters.migrations.runner import upgrade
from tests.conftest import require_service
from tests.services import Services, fresh_mysql, fresh_postgresql
from tests.web.api import Api, make_settings, start_api

MakeApi = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database at its head, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "sharetally.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def make_api(migrated_file: Path, tmp_path: Path) -> MakeApi:
    """Opens the service on SQLite; settings by their names without prefix."""
    shutil.copy(migrated_file, tmp_path / "sharetally.db")

    def make(*, counting: bool = True, **more: str | None) -> AbstractAsyncContextManager[Api]:
        return start_api(make_settings(tmp_path, f"sqlite:///{tmp_path}/sharetally.db", **more), counting=counting)

    return make


@pytest.fixture
async def api(make_api: MakeApi) -> AsyncIterator[Api]:
    """The service on SQLite as it comes."""
    async with make_api() as found:
        yield found


@pytest.fixture(scope="module")
async def readonly_api(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """One service on SQLite for all tests of a file whose requests are refused; in the end nothing was written."""
    folder = tmp_path_factory.mktemp("untouched")
    shutil.copy(migrated_file, folder / "sharetally.db")
    async with start_api(make_settings(folder, f"sqlite:///{folder}/sharetally.db")) as found:
        yield found
        assert (await found.request("GET", "/audit", scope="audit")).json["items"] == []


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mysql"])
def module_database(
    request: pytest.FixtureRequest, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a database at its head, for all tests of a file; once of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('any')}/sharetally.db"
        upgrade(url)
        yield url
        return
    fresh = fresh_postgresql if request.param == "postgresql" else fresh_mysql
    with fresh(require_service(getattr(services, request.param), request.param)) as url:
        upgrade(url)
        yield url


@pytest.fixture
async def any_api(module_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    """The service on each kind of database. The tests of a file share it: each uses its own content items."""
    async with start_api(make_settings(tmp_path, module_database)) as found:
        yield found


@pytest.fixture
def video() -> str:
    """An id that no other test has."""
    return f"v-{token_hex(6)}"
