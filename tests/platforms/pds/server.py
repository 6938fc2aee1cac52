"""Starts a real Bluesky server, and creates users there."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx2

from examples.posting_demo.local_pds import COMPILED, PACKAGES, START
from examples.posting_demo.npm import NodeVersion
from tests.program import fetch
from tests.services.launch import free_port
from tests.services.npm import install_npm_packages, node_of_machine

HERE = Path(__file__).parent
TIMEOUT = 120.0
FOLDERS = {"pds-0.4": HERE / "pds-0.4", "pds-0.5": PACKAGES}
VERSIONS = tuple(FOLDERS)
LOCAL_CLIENT = "http://127.0.0.1:8000"  # a service on the loopback, whose documents nobody reads
PUBLIC_CLIENT = "https://sharetally.internal"  # one whose documents the server reads from `documents_port`
MAIN_PASSWORD = "hunter2hunter2"


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody with an account."""

    did: str
    handle: str
    app_password: str = field(repr=False)
    access: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class PersonalDataServer:
    """A running server and its directory; `documents_port` is where it looks for the documents of clients."""

    url: str
    directory: str
    documents_port: int
    process: subprocess.Popen[bytes]
    log: Path

    def forget_documents(self) -> None:
        """Let it read the documents of clients anew, as if ten minutes were over."""
        line = "documents forgotten"
        before = self.log.read_text().count(line)
        self.process.send_signal(signal.SIGUSR2)
        deadline = time.monotonic() + TIMEOUT
        while self.log.read_text().count(line) == before:
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            time.sleep(0.02)

    def call(self, method: str, body: dict[str, Any] | None, *, access: str | None = None, **query: str) -> Any:
        """Call a method as a user's own application does; a query if there is no body."""
        url = f"{self.url}/xrpc/{method}"
        headers = {} if access is None else {"authorization": f"Bearer {access}"}
        with httpx2.Client(timeout=TIMEOUT) as client:
            if body is None:
                response = client.get(url, params=query, headers=headers)
            else:
                response = client.post(url, json=body, headers=headers)
        assert response.status_code == 200, response.text
        return response.json() if response.content else None

    def new_user(self) -> User:
        """Somebody new, with an app password."""
        handle = f"mara-{token_hex(4)}.test"
        account = {"handle": handle, "email": f"{handle}@example.com", "password": MAIN_PASSWORD}
        made = self.call("com.atproto.server.createAccount", account)
        access = made["accessJwt"]
        password = self.call("com.atproto.server.createAppPassword", {"name": "sharetally"}, access=access)["password"]
        return User(did=made["did"], handle=handle, app_password=password, access=access)

    def records(self, user: User) -> list[dict[str, Any]]:
        """The posts of a user."""
        found: list[dict[str, Any]] = []
        query = {"repo": user.did, "collection": "app.bsky.feed.post", "limit": "100"}
        while True:
            page = self.call("com.atproto.repo.listRecords", None, **query)
            found += [each["value"] for each in page["records"]]
            if len(page["records"]) < 100:
                return found
            query["cursor"] = page["cursor"]


@contextmanager
def open_pds(version: str, folder: Path) -> Iterator[PersonalDataServer]:
    """A server of this version, ended at the end."""
    node = node_for(version)
    port, directory_port, documents_port = free_port(), free_port(), free_port()
    instructions = {
        "modules": str(install_npm_packages(FOLDERS[version], compiled=COMPILED, node=node)),
        "folder": str(folder / "data"),
        "port": port,
        "directoryPort": directory_port,
        "documents": {PUBLIC_CLIENT: f"http://127.0.0.1:{documents_port}"},
    }
    (folder / "data").mkdir()
    log = folder / "pds.log"
    with log.open("wb") as output:
        process = subprocess.Popen([node.executable, START, json.dumps(instructions)], stdout=output, stderr=output)
    try:
        server = PersonalDataServer(
            url=f"http://localhost:{port}",
            directory=f"http://127.0.0.1:{directory_port}",
            documents_port=documents_port,
            process=process,
            log=log,
        )
        deadline = time.monotonic() + TIMEOUT
        while fetch(f"{server.url}/xrpc/_health")[0] != 200:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.1)
        yield server
    finally:
        process.kill()
        process.wait()


def node_for(version: str) -> NodeVersion:
    """The newer server needs the Node that `requirements/console.txt` pins; the older one does not build with it.

    With that Node a server of version 0.5 aborts now and then unless its better-sqlite3 is of version 13, so its
    package.json overrides it.
    """
    if version == "pds-0.4":
        return node_of_machine()
    node = NodeVersion.of_wheel()
    assert node is not None, "requirements/console.txt installs it"
    return node


def is_available(version: str) -> bool:
    """Whether this machine can run that version."""
    return shutil.which("npm") is not None if version == "pds-0.4" else NodeVersion.of_wheel() is not None
