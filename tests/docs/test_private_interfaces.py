"""The page about private interfaces: what it lists is there, and pyproject.toml allows the versions that it names."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import import_module

import pytest

from tests.docs.pages import DOCS, ROOT, codes, rows

PAGE = DOCS / "private-interfaces.md"
ROWS = [(codes(package)[0], codes(allowed)[0], codes(used)) for package, allowed, used, _ in rows(PAGE)]


def declared() -> dict[str, str]:
    """What the package needs, extras included: name -> allowed versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    every = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    found = (
        re.fullmatch(r"([A-Za-z0-9_-]+)(?:\[[^]]*\])?([<>=!0-9.,]*)(?:;.*)?", each.replace(" ", "")) for each in every
    )
    return {match[1]: match[2] for match in found if match}


@pytest.mark.parametrize(("package", "allowed"), [(package, allowed) for package, allowed, _ in ROWS])
def test_the_allowed_versions_match_the_project(package: str, allowed: str) -> None:
    assert declared()[package] == allowed
    assert "<" in allowed, "a private interface may change in any release"


@pytest.mark.parametrize("name", [name for *_, used in ROWS for name in used if re.fullmatch(r"[a-z_]+(\.\w+)+", name)])
def test_every_listed_interface_exists(name: str) -> None:
    if name.endswith((".py", ".db")):
        return
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            assert part in dir(found) or part in getattr(found, "__annotations__", {}), f"{name}: no {part}"
            found = getattr(found, part, found)
        return
    raise AssertionError(f"{name}: no such module")


def test_every_package_that_we_import_is_declared() -> None:
    """Also one that another of them brings along: it may stop doing so."""
    imported = set[str]()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    names = {name.lower().replace("-", "_") for name in declared()} | {"sharetally"}
    brought = {"opentelemetry": "opentelemetry_sdk"}
    foreign = {each for each in imported if each not in sys.stdlib_module_names}
    assert {each for each in foreign if brought.get(each, each) not in names} == set()
    used = {brought.get(each, each) for each in foreign} | {"sharetally"}
    unused = {name for name in names if name not in used}
    assert unused == BY_NAME_ONLY


# What others load by its name: the event loop, the parsers, the time zones, the exporter.
BY_NAME_ONLY = {"hiredis", "httptools", "opentelemetry_exporter_otlp_proto_http", "tzdata"}
