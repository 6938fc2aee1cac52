"""No module needs, not even for a type, one that needs it: neither in Python nor in the console's TypeScript."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
CONSOLE = ROOT / "console" / "src"
_IMPORT = re.compile(
    r"""^\s*(?:import|export)\b[^;]*?\bfrom\s+["'](\.[^"']+)["']|\bimport\(["'](\.[^"']+)["']\)""", re.M
)

Graph = Mapping[str, Set[str]]


def python_imports() -> Graph:
    """Module -> the modules of ours that it imports, also for types alone and inside functions."""
    files = {_module(path): path for path in SOURCE.rglob("*.py")}
    return {name: {each for each in _imported(name, path) if each in files} - {name} for name, path in files.items()}


def _module(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(name: str, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            module = node.module or ""
            # `from package import module` needs the module; the package runs first, and needs nothing of it
            for each in node.names:
                yield f"{module}.{each.name}"
            yield module


def console_imports() -> Graph:
    """File -> the files of ours that it imports, also for types alone."""
    files = {path.resolve(): path for path in CONSOLE.rglob("*.ts*") if not path.name.endswith(".d.ts")}
    return {
        str(path.relative_to(CONSOLE)): {
            str(files[found].relative_to(CONSOLE)) for found in _needed(path) if found in files
        }
        for path in files.values()
    }


def _needed(path: Path) -> Iterator[Path]:
    for static, dynamic in _IMPORT.findall(path.read_text("utf-8")):
        target = (path.parent / (static or dynamic)).resolve()
        yield from (target.with_name(target.name + suffix) for suffix in (".ts", ".tsx"))
        yield from (target / f"index{suffix}" for suffix in (".ts", ".tsx"))


def cycle(graph: Graph) -> list[str]:
    """One that there is, each needing the next; nothing if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as found:
        circle: list[str] = found.args[1]
        return circle[::-1]
    return []


@pytest.mark.parametrize("imports", [python_imports, console_imports])
def test_no_module_needs_one_that_needs_it(imports: Callable[[], Graph]) -> None:
    graph = imports()
    assert sum(map(len, graph.values())) > len(graph), "or nothing was read"
    assert cycle(graph) == []
