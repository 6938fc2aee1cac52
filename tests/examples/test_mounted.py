"""The example that mounts Sharetally: a video is shared through it, and the site around it is still there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import Program, Role, fetch
from tests.services.launch import free_port

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mounted"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path, JWT_SECRET="known to the tests alone, and long enough")
    made.migrate()
    return made


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def host(program: Program, port: int) -> Iterator[Role]:
    server = (sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(EXAMPLE), "--port", str(port))
    with program.start_command(*server) as role:
        role.until(lambda: fetch(f"http://127.0.0.1:{port}/") == (200, "the site itself"))
        yield role


def test_a_video_is_shared_through_it(program: Program, host: Role, port: int) -> None:
    token = program.run("token", "--user", "anna").out.strip()
    shares = f"http://127.0.0.1:{port}/shares"
    status, body = fetch(f"{shares}/videos/abc123/share", token=token, body={"platforms": ["twitter"]})
    assert (status, body["results"][0]["status"]) == (200, "success")
    host.until(lambda: fetch(f"{shares}/share-links/count/video/abc123")[1]["shareCount"] == 1)
    host.stop()
    assert "Traceback" not in host.output
    assert program.run("verify").out == "1 content item, drift 0\n"


def test_its_addresses_know_where_it_is_mounted(program: Program, host: Role, port: int) -> None:
    token = program.run("token", "--user", "anna").out.strip()
    shares = f"http://127.0.0.1:{port}/shares"
    status, link = fetch(f"{shares}/share-links", token=token, body={"contentType": "video", "contentId": "abc123"})
    assert status == 201
    assert fetch(f"{shares}/share-links/{link['id']}", token=token) == (200, link)
    status, problem = fetch(f"{shares}/nothing/here", token=token)
    assert (status, problem["type"].endswith("/problems/not-found")) == (404, True)
