"""Starts a real Bluesky server (PDS) with a directory of its own, on this machine alone."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.posting_demo.npm import NodeVersion, install_packages

HERE = Path(__file__).parent
PACKAGES = HERE / "pds-0.5"
START = HERE / "start.mjs"
COMPILED = ("better-sqlite3",)
TIMEOUT = 120.0  # seconds until it answers, on a busy machine


@dataclass(frozen=True, kw_only=True)
class LocalPds:
    """A running server and the directory of its accounts."""

    url: str
    directory: str


def call(url: str, body: Mapping[str, object] | None = None, *, token: str = "") -> Any:
    """The decoded answer, a POST's if there is a body. `RuntimeError` says what a server does not like."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310, our own addresses
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{url} answered {error.code}: {error.read().decode()}") from error


def wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the server answers; `RuntimeError` with the end of its log if it ends before, or never answers."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            call(url)
        except (RuntimeError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{url} does not answer: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)
        else:
            return


@contextmanager
def local_pds(folder: Path, *, port: int, directory_port: int) -> Iterator[LocalPds]:
    """A server with its data in this folder, ended at the end."""
    node = NodeVersion.of_wheel()
    if node is None:
        raise RuntimeError("there is no Node for this server: pip install -r requirements/console.txt")
    instructions = {
        "modules": str(install_packages(PACKAGES, node, compiled=COMPILED)),
        "folder": str(folder),
        "port": port,
        "directoryPort": directory_port,
        "documents": {},
    }
    folder.mkdir()
    log = folder / "pds.log"
    with log.open("wb") as output:
        process = subprocess.Popen([node.executable, START, json.dumps(instructions)], stdout=output, stderr=output)
    try:
        pds = LocalPds(url=f"http://localhost:{port}", directory=f"http://127.0.0.1:{directory_port}")
        wait_until_up(f"{pds.url}/xrpc/_health", process, log)
        yield pds
    finally:
        process.kill()
        process.wait()


def new_account(pds: LocalPds, handle: str) -> str:
    """Create an account; returns an app password for it."""
    account = {"handle": handle, "email": f"{handle}@example.com", "password": "not a secret on this machine"}
    access = call(f"{pds.url}/xrpc/com.atproto.server.createAccount", account)["accessJwt"]
    created = call(f"{pds.url}/xrpc/com.atproto.server.createAppPassword", {"name": "sharetally"}, token=access)
    return str(created["password"])
