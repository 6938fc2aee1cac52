"""X as tests hold it: a real authorization server with X's paths, and X as a platform that a package adds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharetally.adapters.platforms.twitter.client import TwitterPublisher
from sharetally.adapters.platforms.twitter.connect import SCOPE, TwitterConnector
from sharetally.ports.outbound import Outbound
from sharetally.settings import Settings
from tests.openid.provider import CLIENT_ID, HERE, SECRET, TIMEOUT
from tests.program import fetch
from tests.services.launch import free_port
from tests.services.npm import install_npm_packages
from tests.services.package import install_entry_points

ADDRESS = "X_FOR_TESTS"  # the variable that tells the package where the server is


@dataclass(frozen=True)
class X:
    """A running server."""

    url: str

    def seen(self) -> Any:
        """How many refreshes it granted and refused, how many grants it ended, the posts, and the secrets."""
        status, found = fetch(f"{self.url}/seen")
        assert status == 200
        return found


def connector(settings: Settings, outbound: Outbound) -> TwitterConnector:
    """What the package adds for connecting."""
    url = os.environ[ADDRESS]
    return TwitterConnector(
        outbound, client_id=CLIENT_ID, client_secret=SECRET, authorize_url=f"{url}/i/oauth2/authorize", base_url=url
    )


def publisher(settings: Settings, outbound: Outbound) -> TwitterPublisher:
    """What the package adds for posting."""
    return TwitterPublisher(outbound, base_url=os.environ[ADDRESS])


def install_package(folder: Path) -> Path:
    """A package that adds X as a platform; the path at which Python finds it."""
    return install_entry_points(
        folder, "twitter", connectors=f"{__name__}:connector", publishers=f"{__name__}:publisher"
    )


@contextmanager
def open_x(folder: Path, redirect_uri: str) -> Iterator[X]:
    """A server with one client; ended at the end."""
    node = shutil.which("node")
    modules, port = install_npm_packages(HERE), free_port()
    assert node, "npm brings it"
    told = {
        "modules": str(modules),
        "port": port,
        "clientId": CLIENT_ID,
        "secret": SECRET,
        "redirectUri": redirect_uri,
        "scope": SCOPE,
    }
    log = folder / "x.log"
    with log.open("wb") as output:
        process = subprocess.Popen([node, HERE / "x.mjs", json.dumps(told)], stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + TIMEOUT
        while fetch(f"{url}/seen")[0] != 200:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.02)
        yield X(url)
    finally:
        process.kill()
        process.wait()
