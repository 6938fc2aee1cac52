"""Starts `mastodon_mock`, and agrees there as its users do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from urllib.parse import parse_qsl, urlsplit

import httpx2

from tests.program import fetch
from tests.services.launch import ServerProcess, free_port, run_server
from tests.services.pip import install_environment


@dataclass(frozen=True, kw_only=True)
class MastodonMock:
    """A running server."""

    url: str

    def new_user(self) -> str:
        """The name of somebody new."""
        name = f"mara_{token_hex(4)}"
        status, answer = fetch(f"{self.url}/api/v1/_mock/dev_user", body={"username": name}, method="POST")
        assert status == 200, (status, answer)
        return name

    def agree(self, authorization_url: str, user: str) -> dict[str, str]:
        """The user chooses their account on the page of the server; the parameters of the callback."""
        asked = dict(parse_qsl(urlsplit(authorization_url).query))
        sent = {name: asked[name] for name in ("redirect_uri", "client_id", "scope", "state")}
        with httpx2.Client(timeout=60, follow_redirects=False) as client:
            page = client.get(authorization_url)
            assert page.status_code == 200, page.text
            assert f'value="{user}"' in page.text
            answer = client.post(f"{self.url}/oauth/authorize", data={**sent, "username": user})
        location = answer.headers["location"]
        assert location.startswith(f"{asked['redirect_uri']}?")
        return dict(parse_qsl(urlsplit(location).query))


@contextmanager
def open_mastodon_mock(folder: Path) -> Iterator[MastodonMock]:
    """A server without any posts; stopped at the end."""
    python, port = install_environment(Path(__file__).parent), free_port()
    url = f"http://127.0.0.1:{port}"
    process = ServerProcess(
        [str(python), "-m", "mastodon_mock", "serve", "--host", "127.0.0.1", "--port", str(port), "--in-memory"],
        lambda: fetch(f"{url}/api/v2/instance")[0] == 200,
        log=folder / "mastodon_mock.log",
    )
    with run_server(process):
        yield MastodonMock(url=url)
