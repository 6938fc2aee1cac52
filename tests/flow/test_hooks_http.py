"""Hooks seen from outside: one that raises or takes too long fails its own request, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.oracle.tokens import token_signer
from tests.program import Program, fetch
from tests.services.launch import free_port

MODULE = """
import asyncio
from sharetally.domain.errors import Conflict, Forbidden


class Rude:
    async def may_share(self, user_id, content, platform):
        if user_id == "asks-badly":
            raise LookupError("nobody knows")
        return user_id != "banned"

    async def before_create(self, entity):
        if entity.user_id == "late":
            raise Conflict("somebody was first")

    async def after_create(self, tx, entity):
        if entity.user_id == "raises":
            await tx.execute("CREATE TABLE met (who VARCHAR(128))", {})
            raise RuntimeError("the secret is 12345")
        if entity.user_id == "changes-its-mind":
            raise Forbidden("not like this")
        if entity.user_id == "sleeps":
            await asyncio.sleep(60)
"""
SECRET = "known to the tests alone, and long enough"
REFUSED = {
    "banned": (403, "not allowed to share this on twitter"),
    "late": (409, "somebody was first"),
    "changes-its-mind": (403, "not like this"),
    "asks-badly": (500, "Internal error"),
    "raises": (500, "Internal error"),
}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """With a package that was put there by hand."""
    made = Program(tmp_path, JWT_SECRET=SECRET)
    packages = tmp_path / "packages"
    about = packages / "rude-1.0.dist-info"
    about.mkdir(parents=True)
    (packages / "rude.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rude\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sharetally.hooks]\nrude = rude:Rude\n")
    made.migrate()
    made.paths = (str(packages),)
    return made


@pytest.fixture
def here(program: Program) -> Iterator[str]:
    port = free_port()
    with program.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200)
        yield f"http://127.0.0.1:{port}"


def test_a_failing_hook_fails_only_its_own_request(program: Program, here: str) -> None:
    welcome = [f"user-{number}" for number in range(6)]
    sign = token_signer(SECRET, "shares")
    tokens = {user: sign(user) for user in (*welcome, *REFUSED, "sleeps")}

    def share(user: str, tries: int = 10) -> tuple[int, Any]:
        """On a busy machine a correct hook may be too slow as well: nothing was written, so the request is repeated."""
        said = fetch(f"{here}/videos/abc/share", token=tokens[user], body={"platforms": ["twitter"]})
        return share(user, tries - 1) if said[0] == 503 and user != "sleeps" and tries else said

    with ThreadPoolExecutor(max_workers=len(tokens)) as threads:
        answers = dict(zip(tokens, threads.map(share, tokens), strict=True))
    assert {user: answers[user][0] for user in welcome} == dict.fromkeys(welcome, 200)
    assert {user: (answers[user][0], answers[user][1]["detail"]) for user in REFUSED} == REFUSED
    assert answers["sleeps"][0] == 503
    assert share("user-0")[1]["results"][0]["alreadyShared"]
    exact = fetch(f"{here}/share-links/count/video/abc?consistent=true", token=tokens["user-0"])[1]
    assert exact["shareCount"] == len(welcome)
    assert program.run("verify").out == "1 content item, drift 0\n"
