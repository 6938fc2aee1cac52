"""The login examples: each returns a token with which the signed-in user can share.

Express is real if npm can install it at once. Django and FastAPI are not dependencies of this project: small
stand-ins replace them, and the rest of each example runs unchanged.
"""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import require_service
from tests.examples.fake_frameworks import HttpError, call_django_view, django_modules, fastapi_modules
from tests.program import Program, fetch
from tests.services.launch import free_port

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "login"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    made = Program(tmp_path_factory.mktemp("shop"), JWT_SECRET="known to the tests alone, and long enough")
    made.migrate()
    return made


@pytest.fixture(scope="module")
def key(program: Program) -> str:
    return program.run("keys", "create", "--name", "shop", "--scope", "act-as shares").out.strip()


@pytest.fixture(scope="module")
def serving(program: Program) -> Iterator[str]:
    """Where Sharetally is."""
    here = f"http://127.0.0.1:{(port := free_port())}"
    with program.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: fetch(f"{here}/health/ready")[0] == 200)
        yield here


@pytest.fixture
def shares(serving: str, key: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same; the examples find it and their key in the environment."""
    monkeypatch.setenv("SHARES_URL", serving)
    monkeypatch.setenv("SHARES_KEY", key)
    return serving


def shared_as(shares: str, answer: dict[str, Any]) -> str:
    """Share with the token that was answered; whose share it became."""
    assert (set(answer), answer["scope"]) == ({"token", "scope", "expiresAt"}, "shares")
    status, _ = fetch(f"{shares}/videos/abc/share", token=answer["token"], body={"platforms": ["twitter"]})
    assert status == 200
    (line,) = fetch(f"{shares}/audit", token=answer["token"])[1]["items"]
    return str(line["userId"])


def test_they_are_short() -> None:
    for example in EXAMPLES.iterdir():
        assert len(example.read_text().splitlines()) < 40, example


def test_django(shares: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in django_modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    view = runpy.run_path(str(EXAMPLES / "django_view.py"))["share_token"]
    nobody, somebody = SimpleNamespace(pk=None, is_authenticated=False), SimpleNamespace(pk=42, is_authenticated=True)
    assert call_django_view(view, "POST", nobody).status_code == 401
    with pytest.raises(HttpError, match="405"):
        call_django_view(view, "GET", somebody)
    answer = call_django_view(view, "POST", somebody)
    assert shared_as(shares, answer.data) == "42"


def test_fastapi(shares: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in fastapi_modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    app = runpy.run_path(str(EXAMPLES / "fastapi_app.py"))["app"]
    with pytest.raises(HttpError, match="401"):
        app.called("POST", "/share-token", {})
    assert shared_as(shares, app.called("POST", "/share-token", {"x-session": "anna"})) == "anna"


def test_express(program: Program, shares: str, key: str) -> None:
    node = require_service(shutil.which("node"), "Node")
    subprocess.run([node, "--check", str(EXAMPLES / "express.js")], check=True, timeout=30)
    if not installed(program.folder):
        return
    shutil.copy(EXAMPLES / "express.js", program.folder)
    port = free_port()
    asked = f"http://127.0.0.1:{port}/share-token"
    with program.start_command(node, "express.js", PORT=str(port), SHARES_URL=shares, SHARES_KEY=key) as role:
        role.until(lambda: fetch(asked, method="POST")[0] == 401)
        status, answer = fetch(asked, method="POST", headers={"x-session": "cleo"})
    assert (status, shared_as(shares, answer)) == (200, "cleo")


def installed(folder: Path) -> bool:
    """Whether npm has Express at hand."""
    npm = shutil.which("npm")
    command = [npm or "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--silent", "express"]
    try:
        return npm is not None and subprocess.run(command, cwd=folder, check=False, timeout=45).returncode == 0
    except subprocess.TimeoutExpired:
        return False
