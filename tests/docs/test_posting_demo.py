"""The demo that posts is started as `make demo-posting` starts it, and its page is followed word for word."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from examples.posting_demo.local_pds import PACKAGES
from tests.conftest import report_untested
from tests.docs.answers import agrees
from tests.docs.pages import DOCS, ROOT, blocks
from tests.platforms.pds.server import is_available
from tests.services.launch import free_port

PAGE = DOCS / "how-to" / "posting-demo.md"
TIMEOUT = 180.0  # seconds; where the Bluesky server has to be compiled first, that time is added
COMPILING = 1_500.0


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def demo(port: int, pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[str]:
    """What it prints, once it is ready; ended as by Ctrl-C."""
    if not is_available(PACKAGES.name):
        report_untested(pytestconfig, "the demo that posts: Node is not installed")
        pytest.skip("no Node; the end of the run says why")
    output = tmp_path / "printed"
    with output.open("wb") as printed:
        command = [sys.executable, "-m", "examples.posting_demo", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + TIMEOUT + COMPILING
        while "export TOKEN=" not in (text := output.read_text()):
            assert process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.1)
        yield text
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        assert process.wait(timeout=TIMEOUT) == 0
        assert [child for child in children if child.is_running()] == []


def test_a_post_appears_with_its_link_and_counts_once(demo: str, port: int, tmp_path: Path) -> None:
    (token,) = [line for line in demo.splitlines() if line.startswith("export TOKEN=")]
    found = blocks(PAGE)
    steps = [(block, answer) for block, answer in pairwise(found) if block.info == "sh run"]
    assert len(steps) == 5
    for block, answer in steps:
        script = f"set -eu\n{token}\n{block.text}".replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        deadline = time.monotonic() + TIMEOUT
        while True:  # what only reads is repeated: posting and counting take moments
            done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
            printed = done.stdout.replace(f"127.0.0.1:{port}", "127.0.0.1:8000")
            if done.returncode == 0 and agrees(answer, printed):
                break
            assert "-X POST" not in block.text, f"{block}: {done.stdout}{done.stderr}"
            assert time.monotonic() < deadline, f"{block}: still {done.stdout}{done.stderr}"
            time.sleep(0.1)
