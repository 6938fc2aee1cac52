"""How much somebody has to read: figures of the source and of one share's journey through it.

`python -m tests.house.figures` prints them. The journey is measured, not estimated: an application on SQLite
gets one share over ASGI, and a profile notes every function of ours that runs from the request until the
transaction that counts it is committed. What the service does in any case, without any share, is left out: the
functions that run in an idle period in which every periodic task has its turn.

* `single_use`: functions that are private and called in one place, as a share of all functions. One that is passed on
  as a value (a callback, a decorated function) is not called where it is named, so it cannot stand there either.
* `journey_files`, `journey_lines`: the files that run between POST and count, and their lengths together.
* `path_files`, `path_lines`: those of them that a reader has to open, because they pass control on to another file. The
  rest are at the end of a call, and what they return can be guessed from the name (`ids`, `clock`); ADR 0025 says why
  both are counted.
* `frames`: our stack frames from the application's entry to the statement that writes the share. The commit runs
  in a task of its own, so the two stacks are added: request to `submit`, and commit loop to SQL.
"""

from __future__ import annotations

import ast
import asyncio
import json
import sqlite3
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from sharetally import asgi
from sharetally.adapters.migrations.runner import upgrade
from sharetally.settings import load

SOURCE = Path(asgi.__file__).parent
OWNED_SCOPES = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
SECRET = "a secret of the figures, long enough to sign tokens with"
TIMEOUT_SECONDS = 30.0
SETTLED_SECONDS = 1.0  # after the warm-up, for what comes after its count
IDLE_SECONDS = 11.0  # the delivery loop cleans up every 10 seconds, everything else comes more often
COUNTED = "Announcer.announce"  # runs right after the commit of the transaction that counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What a reader faces. `single_use` is a fraction, the rest are counts."""

    functions: int
    single_use: float
    journey_files: tuple[str, ...]
    journey_lines: int
    path_files: tuple[str, ...]
    path_lines: int
    frames: int


def measure() -> Figures:
    """All figures of the source as it stands."""
    functions, single_use = count_functions()
    trace = trace_share()
    journey = sorted({code.co_filename for code in trace.codes})
    path = sorted({caller.co_filename for caller, called in trace.calls if {caller, called} <= trace.codes})
    return Figures(
        functions=functions,
        single_use=len(single_use) / functions,
        journey_files=tuple(str(Path(name).relative_to(SOURCE)) for name in journey),
        journey_lines=count_lines(journey),
        path_files=tuple(str(Path(name).relative_to(SOURCE)) for name in path),
        path_lines=count_lines(path),
        frames=trace.request_frames + trace.commit_frames,
    )


def count_lines(files: Iterable[str]) -> int:
    """The lines of these files together."""
    return sum(len(Path(name).read_text().splitlines()) for name in files)


def count_functions() -> tuple[int, list[str]]:
    """How many functions there are, and the private ones that their file calls in one place, as `file:line name`."""
    functions, single_use = 0, list[str]()
    for path in sorted(SOURCE.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        references = Counter(name for node in nodes for name in _name(node))
        calls = Counter(name for node in nodes if isinstance(node, ast.Call) for name in _name(node.func))
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions += 1
                is_private = node.name.startswith("_") and not node.name.endswith("__")
                if is_private and references[node.name] == calls[node.name] == 1 and not node.decorator_list:
                    single_use.append(f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}")
    return functions, single_use


def _name(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr


@dataclass(slots=True)
class Trace:
    """What ran: functions of ours, their calls from file to file, and the deepest stacks of a request and a commit."""

    codes: set[CodeType] = field(default_factory=set)
    calls: set[tuple[CodeType, CodeType]] = field(default_factory=set)
    request_frames: int = 0
    commit_frames: int = 0
    ended: bool = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """A profile function: note the call of a function of ours."""
        if event != "call" or self.ended or not _is_ours(frame.f_code):
            return
        if frame.f_code.co_qualname == COUNTED:
            self.ended = True
            return
        self.codes.add(frame.f_code)
        stack = list(_stack(frame))
        if len(stack) > 1 and stack[0].co_filename != stack[1].co_filename:
            self.calls.add((stack[1], stack[0]))
        names = [code.co_qualname for code in stack]
        if any(name.endswith("Committer.run") for name in names):
            if frame.f_code.co_filename.endswith("databases/sqlite.py"):
                self.commit_frames = max(self.commit_frames, len(stack))
        elif stack[0].co_qualname.startswith("Committer."):
            self.request_frames = max(self.request_frames, len(stack))


def _stack(frame: FrameType | None) -> Iterator[CodeType]:
    """Our functions on the stack, innermost first; a comprehension belongs to the function around it."""
    while frame is not None:
        if _is_ours(frame.f_code) and frame.f_code.co_name not in OWNED_SCOPES:
            yield frame.f_code
        frame = frame.f_back


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(str(SOURCE)) and code.co_name != "<module>"


def trace_share() -> Trace:
    """Share two videos, the first to warm up, and trace the second from the request to the count."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "sharetally.db"
        upgrade(f"sqlite:///{database}")
        environment = {
            "SHARETALLY_DATA_DIR": folder,
            "SHARETALLY_JWT_SECRET": SECRET,
            "SHARETALLY_LOG_LEVEL": "warning",
        }
        return asyncio.run(_trace(load(environment, cwd=Path(folder)), database))


async def _trace(settings: Any, database: Path) -> Trace:
    from sharetally import wiring_http

    token = wiring_http.issue_token(settings, user="reader", scopes=frozenset({"shares"}), ttl=600)
    app, idle, trace = asgi.create_app(settings), Trace(), Trace()
    await app.open()
    try:
        await _share(app, token, "warm-up")
        await _counted(database, "warm-up")
        await asyncio.sleep(SETTLED_SECONDS)
        with _profiled(idle):
            await asyncio.sleep(IDLE_SECONDS)
        with _profiled(trace):
            await _share(app, token, "traced")
            await _counted(database, "traced")
    finally:
        await app.close()
    trace.codes -= idle.codes
    return trace


@contextmanager
def _profiled(trace: Trace) -> Iterator[None]:
    threading.setprofile(trace)
    sys.setprofile(trace)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


async def _share(app: Any, token: str, video: str) -> None:
    path, body = f"/videos/{video}/share", json.dumps({"platforms": ["twitter"]}).encode()
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent


async def _counted(database: Path, video: str) -> None:
    """Return once the count has moved, read past the service."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            with sqlite3.connect(database) as connection:
                found = connection.execute("SELECT shares FROM share_totals WHERE content_id = ?", (video,)).fetchone()
            connection.close()
            if found == (1,):
                return
            await asyncio.sleep(0.005)


def main() -> None:
    """Print the figures."""
    found = measure()
    lines = [
        f"functions {found.functions}, private and called in one place {found.single_use:.1%}",
        f"journey: {len(found.journey_files)} files, {found.journey_lines} lines; {found.frames} frames",
        f"of these to open (+): {len(found.path_files)} files, {found.path_lines} lines",
        *[f"{'+' if name in found.path_files else ' '} {name}" for name in found.journey_files],
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
