"""What is built of the console: small, complete, in the wheel, and from sources that name no registry."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT

SOURCES = ROOT / "console"
LOCK = SOURCES / "package-lock.json"
MOST = 67_000  # bytes that a browser loads, gzipped; posts and accounts took 5,300 of them


def built() -> Path:
    folder = Path(str(files("sharetally.web"))) / "static" / "console"
    assert (folder / "index.html").is_file(), "the console was not built: make console"
    return folder


def test_it_is_small() -> None:
    sizes = {each.name: len(gzip.compress(each.read_bytes())) for each in (built() / "assets").iterdir()}
    assert sum(sizes.values()) < MOST, sizes


def test_it_is_built_from_these_sources() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from hatch_build import is_fresh; raise SystemExit(not is_fresh())"],
        cwd=SOURCES,
        check=False,
    )
    assert said.returncode == 0, "the sources have changed since: make console"


def test_the_page_refers_to_no_other_site_and_contains_no_script() -> None:
    page = (built() / "index.html").read_text("utf-8")
    assert "http://" not in page
    assert "https://" not in page
    assert "<style" not in page
    assert "style=" not in page
    assert page.count("<script") == page.count('<script type="module" crossorigin src="./assets/')


def test_the_lock_names_no_registry() -> None:
    text = LOCK.read_text("utf-8")
    assert "resolved" not in text
    assert "registry" not in text


def test_the_licence_of_every_bundled_package_is_listed() -> None:
    packages = json.loads(LOCK.read_text("utf-8"))["packages"]
    bundled = set(json.loads((SOURCES / "package.json").read_text("utf-8"))["dependencies"]) - {"vite"}
    page = (DOCS / "licences.md").read_text("utf-8")
    for name in bundled:
        found = packages[f"node_modules/{name}"]
        assert f"| {name} | {found['license']} |" in page, name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_contains_the_console_without_its_sources(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    inside = "sharetally/web/static/console/"
    expected = {f"{inside}{each.relative_to(built()).as_posix()}" for each in built().rglob("*") if each.is_file()}
    assert {name for name in names if name.startswith(inside)} == expected
    assert not {name for name in names if "node_modules" in name or name.endswith((".tsx", ".ts"))}
