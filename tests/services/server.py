"""What a service is for the tests: how it is named, recognised, started and installed.

`open_server` returns one that answers, or raises Unavailable with the reason. If the environment names a server, it
is the only candidate: if that one does not answer, it is an error to fix, not one to work around.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tests.services.launch import ServerProcess

T = TypeVar("T")


class Unavailable(Exception):
    """There is no such service here, and why."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers; `control` is the environment in which its own commands reach it.

    One that was started here has a `process`, to be stopped or killed by and started again.
    """

    url: str
    control: Mapping[str, str] = field(default_factory=dict)
    process: ServerProcess | None = None


@dataclass(frozen=True, kw_only=True)
class ServerKind:
    """One kind of service.

    `variable` names a server in the environment; `package` is Debian's. `standard` yields the server on the standard
    local port, or None; `private` starts one, and is only used if `installed`.
    """

    name: str
    variable: str
    package: str
    answers: Callable[[str], bool]
    installed: Callable[[], bool]
    standard: Callable[[], AbstractContextManager[Server | None]]
    private: Callable[[], AbstractContextManager[Server]]


@contextmanager
def open_server(kind: ServerKind) -> Iterator[Server]:
    """A server of this kind, kept for as long as the context lasts."""
    with ExitStack() as stack:
        yield _named(kind) or _local(kind, stack) or _installed(kind, stack)


def _named(kind: ServerKind) -> Server | None:
    url = os.environ.get(kind.variable)
    if url and not kind.answers(url):
        raise Unavailable(f"the server that {kind.variable} names does not answer")
    return Server(url=url) if url else None


def _local(kind: ServerKind, stack: ExitStack) -> Server | None:
    found = stack.enter_context(kind.standard())
    if found is None and kind.installed():
        return stack.enter_context(kind.private())
    return found


def _installed(kind: ServerKind, stack: ExitStack) -> Server:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(f"none answers, none is installed; name one with {kind.variable}")
    install(kind.package)
    found = _local(kind, stack)
    if found is None:
        raise Unavailable(f"Debian's {kind.package} brought no program that starts")
    return found


def install(package: str) -> None:
    """Debian's package; the lists are fetched only if it is not found without."""
    print(f"Installing {package} for the tests", file=sys.__stderr__)
    add = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    if _apt(add).returncode != 0:
        _apt(["apt-get", "update", "-q"])
        failed = _apt(add)
        if failed.returncode != 0:
            raise Unavailable(f"apt-get install {package} failed: {failed.stdout.strip()[-300:]}")


def _apt(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip


def program(name: str, *folders: str) -> str | None:
    """Where a program is: in these folders first, then on the PATH and where servers hide from users."""
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", ""), "/usr/sbin"]))


def fresh_name() -> str:
    """A name that no other test has, and by which anybody sees whose it is."""
    return f"sharetally_t_{token_hex(6)}"


def with_path(url: str, path: str) -> str:
    """The same server, another database or virtual host."""
    return urlsplit(url)._replace(path=f"/{path}").geturl()


def run_in_thread(task: Coroutine[Any, Any, T]) -> T:
    """Run to its end in a loop of its own, so that plain and async callers may both ask."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, task).result()
