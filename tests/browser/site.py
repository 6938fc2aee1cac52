"""A service to visit: `sharetally serve` as a process of its own, on SQLite, with everything inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.oracle.tokens import token_signer
from tests.program import Program, fetch
from tests.services.launch import free_port

SECRET = "a secret that is long enough for every test"


@dataclass(frozen=True)
class Site:
    """A running service: its address, and ways past the browser to make things ready or to look behind."""

    base: str
    program: Program

    def token(self, user: str, scope: str = "shares") -> str:
        """A token that holds for an hour."""
        return token_signer(SECRET, scope)(user)

    def request(self, method: str, path: str, body: object = None, *, user: str = "", scope: str = "shares") -> Any:
        """The decoded answer of one request, made as `user` if one is named; it has to succeed."""
        token = self.token(user, scope) if user else ""
        status, said = fetch(f"{self.base}{path}", token=token, body=body, method=method)
        assert 200 <= status < 300, (status, said)
        return said

    def share(self, video: str, *platforms: str, user: str = "somebody") -> None:
        """Somebody shares a video."""
        self.request("POST", f"/videos/{video}/share", {"platforms": platforms or ["twitter"]}, user=user)


@contextmanager
def open_site(folder: Path, port: int | None = None, /, **settings: str) -> Iterator[Site]:
    """A service with these settings that is stopped at the end; on this port, if it matters."""
    program = Program(folder, JWT_SECRET=SECRET, RATE_LIMIT="off", **settings)
    program.folder.joinpath("data").mkdir(mode=0o700)
    program.migrate()
    port = port or free_port()
    base = f"http://127.0.0.1:{port}{settings.get('ROOT_PATH', '')}"
    with program.start_role("serve", "--port", str(port)) as role:
        role.until(lambda: fetch(f"{base}/health/live")[0] == 200)
        yield Site(base, program)
