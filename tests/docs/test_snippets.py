"""Snippets that are not run are at least what they claim to be, and what Python ones take from us is there."""

from __future__ import annotations

import ast
import json
import subprocess
import tomllib
from collections.abc import Callable
from importlib import import_module

import pytest

from tests.docs.pages import Block, blocks, pages


def _python(text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sharetally"):
            module = import_module(str(node.module))
            assert not [each.name for each in node.names if not hasattr(module, each.name)]


def _shell(text: str) -> None:
    done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


READ: dict[str, Callable[[str], object]] = {
    "python": _python,
    "json": json.loads,
    "toml": tomllib.loads,
    "sh": _shell,
    "sh run": _shell,
}
FENCES = {*READ, "", "js", "ts", "html", "sql", "yaml", "ini", "nginx", "json answer", "text answer"}


@pytest.mark.parametrize("block", [block for page in pages() for block in blocks(page)], ids=str)
def test_a_block_is_valid_in_its_language(block: Block) -> None:
    assert block.info in FENCES
    if read := READ.get(block.info):
        read(block.text)
