"""The package of the widget, as `npm pack` makes it: the script that the service serves, and types that hold.

TypeScript and Preact are those that the console is made with; of React the types are enough.
"""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from sharetally.web.pages.widget import VERSION
from tests.docs.pages import DOCS, ROOT, blocks, codes, rows
from tests.services.npm import install_npm_packages

PACKAGE = ROOT / "packages" / "share-buttons"
SCRIPT = ROOT / "src" / "sharetally" / "web" / "static" / "widget" / "share-buttons.js"
USERS = Path(__file__).parent / "typed"
STRICT = ("--noEmit", "--strict", "--target", "ES2022", "--module", "ESNext", "--moduleResolution", "bundler")
LIBRARIES = ("react", "preact")


@pytest.fixture(scope="module")
def tools() -> Path:
    """What the console's own lock names."""
    return install_npm_packages(ROOT / "console")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Path:
    """The package, unpacked as in a user's project, together with its dependencies."""
    place = tmp_path_factory.mktemp("user")
    command = ["npm", "pack", "--silent", "--pack-destination", str(place)]
    done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    (archive,) = place.glob("*.tgz")
    unpacked = place / "node_modules" / "@sharetally"
    with tarfile.open(archive) as found:
        found.extractall(unpacked, filter="data")
    (unpacked / "package").rename(unpacked / "share-buttons")
    react = install_npm_packages(Path(__file__).parent / "react")
    for source in (tools / "preact", react / "@types", react / "csstype"):
        (place / "node_modules" / source.name).symlink_to(source)
    return unpacked / "share-buttons"


def test_it_contains_only_the_script_and_its_types(packed: Path) -> None:
    names = {path.name for path in packed.rglob("*") if path.is_file()}
    assert names == {"package.json", "README.md", "LICENSE", "index.d.ts", "share-buttons.js"}
    assert (packed / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (packed / "share-buttons.js").read_bytes() == SCRIPT.read_bytes()
    assert (packed / "index.d.ts").read_bytes() == (PACKAGE / "index.d.ts").read_bytes()
    assert json.loads((packed / "package.json").read_text("utf-8"))["version"] == VERSION


def test_its_page_is_self_contained(packed: Path) -> None:
    """On a registry there are no neighbouring folders to link to, so the page contains the whole reference."""
    told = (packed / "README.md").read_text("utf-8")
    assert [link for link in re.findall(r"\]\(([^)]+)\)", told) if not link.startswith("https://")] == []
    reference = DOCS / "reference" / "widget.md"
    for heading in ("## Attributes", "## Properties and methods", "## Events", "## How it looks"):
        for row in rows(reference, under=heading):
            name = codes(row[0])[0].removeprefix("ShareButtons.")
            assert f"`{name}`" in told, name


def test_without_a_document_the_package_does_nothing(packed: Path) -> None:
    script = 'import "@sharetally/share-buttons"; console.log("rendered")'
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", script],
        cwd=packed.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("rendered\n", "")


def compiled(packed: Path, tools: Path, library: str, *names: str) -> list[str]:
    """What TypeScript minds in these files of this library's user, who declared the tag as the documentation says."""
    place = packed.parents[2]
    (declared,) = [block.text for block in blocks(DOCS / "how-to" / "widget.md") if block.info == "ts"]
    (place / "tag.d.ts").write_text(declared.replace('"react"', f'"{library}"'), "utf-8")
    for name in names:
        (place / name).write_bytes((USERS / name).read_bytes())
    command = [
        "node",
        str(tools / "typescript" / "bin" / "tsc"),
        *STRICT,
        "--jsx",
        "react-jsx",
        "--jsxImportSource",
        library,
        "tag.d.ts",
        *names,
    ]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=60)
    said = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert bool(said) == bool(done.returncode), done.stderr
    return said


@pytest.mark.parametrize("library", LIBRARIES)
def test_correct_use_compiles(packed: Path, tools: Path, library: str) -> None:
    assert compiled(packed, tools, library, "plain.ts", "page.tsx") == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_misuse_is_a_type_error(packed: Path, tools: Path, library: str) -> None:
    lines = (USERS / "wrong.tsx").read_text("utf-8").splitlines()
    wrong = [number for number, line in enumerate(lines, 1) if "// wrong: " in line]
    said = compiled(packed, tools, library, "wrong.tsx")
    assert [int(re.sub(r"^wrong\.tsx\((\d+),.*", r"\1", line)) for line in said] == wrong, said
