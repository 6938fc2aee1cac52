"""A real Bluesky server, started once for each version; a machine that cannot build it skips its tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.conftest import report_untested
from tests.platforms.pds.server import VERSIONS, PersonalDataServer, is_available, open_pds


@pytest.fixture(scope="session", params=VERSIONS)
def pds(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PersonalDataServer]:
    if not is_available(request.param) and os.environ.get("CI") != "true":
        report_untested(pytestconfig, f"Bluesky on {request.param}: its Node is not installed")
        pytest.skip("no Node; the end of the run says why")
    with open_pds(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running
