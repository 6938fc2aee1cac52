"""The provider as tests hold it: who is known there, and a person who logs in by its form."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from tests.program import fetch
from tests.services.npm import install_npm_packages

HERE = Path(__file__).parent
TIMEOUT = 30.0
CLIENT_ID, SECRET = "sharetally", "s3cret with spaces: and / signs"


@dataclass(frozen=True)
class OpenIdProvider:
    """A running provider."""

    issuer: str
    accounts: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """It is gone."""
        self.process.kill()
        self.process.wait()

    def knows(self, **claims: Mapping[str, Any]) -> None:
        """From now on these are its accounts, with these claims."""
        self.accounts.write_text(json.dumps(claims))

    def settings(self, **more: str) -> dict[str, str]:
        """The settings that the service gets for it."""
        told = {"OIDC_ISSUER": self.issuer, "OIDC_CLIENT_ID": CLIENT_ID, "OIDC_SCOPE": "openid profile email groups"}
        told["OIDC_GROUPS"] = json.dumps({"staff": "audit analytics", "owners": "shares admin"})
        return {**told, **more}


@contextmanager
def open_provider(
    folder: Path,
    port: int,
    redirect_uri: str,
    *,
    method: str = "client_secret_basic",
    userinfo_only: bool = False,
    host: str = "127.0.0.1",
) -> Iterator[OpenIdProvider]:
    """A provider with one client, which proves itself by this method; ended at the end."""
    node = shutil.which("node")
    assert node, "npm brings it"
    client = {"client_id": CLIENT_ID, "redirect_uris": [redirect_uri], "token_endpoint_auth_method": method}
    told = {
        "modules": str(install_npm_packages(HERE)),
        "host": host,
        "port": port,
        "accounts": str(folder / "accounts.json"),
        "client": client if method == "none" else {**client, "client_secret": SECRET},
        "userinfoOnly": userinfo_only,
    }
    log = folder / "provider.log"
    with log.open("wb") as output:
        process = subprocess.Popen([node, HERE / "provider.mjs", json.dumps(told)], stdout=output, stderr=output)
    try:
        provider = OpenIdProvider(f"http://{host}:{port}", folder / "accounts.json", process)
        provider.knows()
        deadline = time.monotonic() + TIMEOUT
        while fetch(f"{provider.issuer}/.well-known/openid-configuration")[0] != 200:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.02)
        yield provider
    finally:
        process.kill()
        process.wait()


async def log_in(url: str, user: str) -> str:
    """A person who was sent to the provider, logs in there and agrees; returns where the provider sends them."""
    async with httpx2.AsyncClient(follow_redirects=False, timeout=TIMEOUT) as client:
        here = url.partition("://")[2].partition("/")[0]
        answer = await client.get(url)
        for _ in range(20):
            if answer.is_redirect:
                url = urljoin(url, answer.headers["location"])
                if urlsplit(url).netloc != here:
                    return url
                answer = await client.get(url)
                continue
            assert answer.status_code == 200, answer.text[:2000]
            (action,) = re.findall(r'<form[^>]* action="([^"]+)"', answer.text)
            (prompt,) = re.findall(r'name="prompt" value="([a-z]+)"', answer.text)
            url = urljoin(url, action)
            answer = await client.post(url, data={"prompt": prompt, "login": user, "password": "any"})
    raise AssertionError("the provider sends people round in circles")
