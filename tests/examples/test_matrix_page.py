"""The page about own platforms, followed to the letter: from the package to a post in a room, on a real homeserver."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks
from tests.examples.conftest import EXAMPLES
from tests.examples.synapse.server import PASSWORD, Synapse
from tests.program import Program, fetch
from tests.services.launch import free_port

PAGE = DOCS / "how-to" / "own-platform.md"
EXAMPLE = EXAMPLES / "sharetally-matrix-example"
SECRET = "known to the tests alone, and long enough"


def test_the_page_names_the_entry_points_of_the_example() -> None:
    (declared,) = [block.text for block in blocks(PAGE) if "sharetally.publishers" in block.text]
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
    assert tomllib.loads(declared)["project"]["entry-points"] == project["entry-points"]


def test_the_example_uses_only_what_the_page_allows() -> None:
    (sentence,) = re.findall(r"What a package may use: (.*?)\. ", PAGE.read_text("utf-8"))
    allowed = tuple(re.findall(r"`([a-z.]+)`", sentence))
    sources = "\n".join(path.read_text("utf-8") for path in EXAMPLE.rglob("*.py"))
    used = set(re.findall(r"^(?:from|import) (sharetally\.[a-z_.]+)", sources, re.MULTILINE))
    assert len(used) > 3
    assert [name for name in used if not f"{name}.".startswith(tuple(f"{each}." for each in allowed))] == []


def test_every_step_of_the_page_works(tmp_path: Path, matrix_package: Path, synapse: Synapse) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    session, port = synapse.new_user(), free_port()
    room = synapse.new_room(session)
    _, *written = [block for block in blocks(PAGE) if block.info == "sh"]  # the first one is about another platform
    install, sign_in, connect, post = (
        block.text.replace("https://matrix.example.com", synapse.url)
        .replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        .replace("#news:example.com", room.alias)
        .replace('"user": "anna"', f'"user": "{session.user}"')
        .replace('"password": "secret"', f'"password": "{PASSWORD}"')
        .replace(".venv/bin/sharetally", f"{sys.executable} -m sharetally")
        for block in written
    )
    assert str(EXAMPLE.relative_to(EXAMPLES.parent)) in install
    program = Program(tmp_path, JWT_SECRET=SECRET, POST_PRIVATE_SERVERS=synapse.url)
    program.paths = (str(matrix_package),)
    program.settings |= dict(re.findall(r"^export SHARETALLY_(\w+)=(\S+)$", install, re.MULTILINE))

    def typed(text: str) -> str:
        done = subprocess.run(
            ["sh", "-euc", text], cwd=tmp_path, env=program.environment(), capture_output=True, text=True, check=True
        )
        return done.stdout

    commands = re.findall(r"^\.venv/bin/sharetally (\w+)$", "\n".join(block.text for block in written), re.MULTILINE)
    assert commands == ["migrate", "doctor", "serve"]
    assert [program.run(command).code for command in commands[:-1]] == [0, 0]
    with program.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200)
        token = json.loads(typed(sign_in))["access_token"]
        connect = connect.replace("syt_…", token)
        assert json.loads(typed(connect))["status"] == "connected"
        known = "TOKEN=" + typed(connect.splitlines()[0] + "\nprintf %s $TOKEN")
        typed(f"{known}\n{post}")
        *_, look = post.splitlines()

        def newest() -> dict[str, str]:
            (found,) = json.loads(typed(f"{known}\n{look}"))["items"]
            return dict(found)

        serve.until(lambda: newest()["status"] == "success")
        done = newest()
    assert room.texts() == [f"Worth a look: {done['shortUrl']}"]
    assert done["url"].startswith("https://matrix.to/#/")
