"""Everything that pages tell people to type exists: targets of make, commands and options of the program."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sharetally.cli import app
from tests.docs.pages import REFERENCE, ROOT, blocks, codes, headings, pages, rows, section

CLI = REFERENCE / "cli.md"
# at a line's begin, behind variables set for it, in $(…), or by its path
PROGRAM = re.compile(r"(?:^(?:[A-Z_]+=\S+ )*|\$\(|bin/)sharetally ((?:[a-z]|--)[^|;)#&>]*)")


def _commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    yield " ".join(("sharetally", *names)), group
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, *names, name)


COMMANDS = dict(_commands(typer.main.get_command(app)))


def _options(command: Any) -> set[str]:
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return {name for name in options if name.startswith("--")}


def test_every_command_has_its_section_and_every_section_its_command() -> None:
    told = [heading for heading in headings(CLI) if heading.startswith("sharetally")]
    assert sorted(told) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_documented(name: str) -> None:
    level = "###" if name.count(" ") == 2 else "##"
    own = section(CLI, f"{level} {name}").split("\n###")[0]
    told = {code for line in own.splitlines() if line.startswith("| `--") for code in codes(line.split("|")[1])}
    assert told - {"--help"} == _options(COMMANDS[name]) - {"--help"}


def test_documented_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    typed = {name for page in pages() for name in _made(page.read_text("utf-8"))}
    assert {"run", "test", "check", "bench"} <= typed <= targets


def _made(text: str) -> set[str]:
    return set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE))


def test_the_two_commands_of_the_readme_work_unchanged(tmp_path: Path) -> None:
    """They are typed into a checkout: git makes the clone, and make knows what `make run` has to do there."""
    first, *_ = [block for block in blocks(ROOT / "README.md") if block.info == "sh"]
    clone, run = first.text.splitlines()
    assert run == "make run"
    checkout = tmp_path / "checkout"
    (checkout / "console").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, checkout)
    shutil.copytree(ROOT / "requirements", checkout / "requirements")
    script = "git init -q && git add . && git -c user.name=a -c user.email=a@example.com commit -q -m first"
    subprocess.run(["sh", "-euc", script], cwd=checkout, check=True)
    typed = f"{clone}\npwd\nmake --dry-run run"
    done = subprocess.run(["sh", "-euc", typed], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "serve --welcome" in done.stdout
    place = Path(done.stdout.splitlines()[0])
    assert (place / "README.md").is_file()
    assert place != checkout, "the clone is a place of its own"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_type_commands_that_are_there(page: Any) -> None:
    lines = [line for block in blocks(page) if block.info.split(" ")[0] == "sh" for line in block.text.splitlines()]
    inline = re.findall(r"`((?:\.venv/bin/)?sharetally [^`]*)`", page.read_text("utf-8"))
    for line in (*lines, *inline):
        for arguments in PROGRAM.findall(line):
            name, options = _split(arguments)
            assert name in COMMANDS, line
            assert options <= _options(COMMANDS[name]) | _options(COMMANDS["sharetally"]), line


def _split(arguments: str) -> tuple[str, set[str]]:
    """The longest name of a command that the words begin with, and the options among them."""
    words = [word for word in arguments.split() if not word.startswith("--debug")]
    name = "sharetally"
    for word in words:
        if f"{name} {word}" not in COMMANDS:
            break
        name = f"{name} {word}"
    options = {word.split("=")[0] for word in words if word.startswith("--")}
    assert name != "sharetally" or options, f"no such command: {arguments}"
    return name, options


def test_exit_codes_are_documented() -> None:
    told = {codes_of for codes_of, *_ in rows(CLI)}
    assert {"0", "1", "2", "130"} <= told
