"""The example packages, installed without network access, and a real homeserver for the one that posts to Matrix."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import report_untested
from tests.examples.synapse.server import Synapse, open_synapse
from tests.services.server import Unavailable

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def install_example(name: str, target: Path) -> Path:
    """The folder in which this package is installed; an application finds it there by its path."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*pip, *options, str(EXAMPLES / name)], check=True, timeout=120)
    return target


@pytest.fixture(scope="session")
def hooks_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_example("sharetally-hooks-example", tmp_path_factory.mktemp("hooks"))


@pytest.fixture(scope="session")
def matrix_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_example("sharetally-matrix-example", tmp_path_factory.mktemp("matrix"))


@pytest.fixture(scope="session")
def synapse(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(open_synapse(tmp_path_factory.mktemp("synapse")))
        except Unavailable as error:
            report_untested(pytestconfig, f"Matrix: {error}")
            give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            give_up("no Synapse; the end of the run says why")
        yield running
