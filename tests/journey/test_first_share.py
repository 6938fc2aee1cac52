"""The first share: 0 becomes 1, stays 1 when repeated, goes back to 0, comes again; and the proof agrees.

On the embedded default nothing is set at all: the service makes its own database and its own secret.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journey.caller import Caller
from tests.oracle.system import System, Topology, open_system

pytestmark = pytest.mark.anyio

SHARE = {"platforms": ["twitter"]}


async def test_the_first_share(topology: Topology, tmp_path: Path) -> None:
    async with open_system(topology, tmp_path) as system:
        await first_share(system)


async def test_the_first_share_with_nothing_set(tmp_path: Path) -> None:
    async with open_system(Topology(settings={}), tmp_path) as system:
        await first_share(system)
        assert (tmp_path / ".sharetally" / "jwt_secret").stat().st_mode & 0o777 == 0o600


async def first_share(system: System) -> None:
    token = (await system.cli("token", "--user", "ann")).out.strip()
    with Caller(system.port, token) as ann:
        assert await ann.counted("video/abc") == 0
        assert await shared(ann) is False
        assert await ann.exact("video/abc") == await ann.counted("video/abc") == 1
        assert await shared(ann) is True
        assert await ann.exact("video/abc") == await ann.counted("video/abc") == 1
        assert (await ann.request("DELETE", "/videos/abc/share/twitter")).status == 204
        assert (await ann.request("DELETE", "/videos/abc/share/twitter")).status == 404
        assert await ann.exact("video/abc") == await ann.counted("video/abc") == 0
        assert await shared(ann) is False
        assert await ann.exact("video/abc") == await ann.counted("video/abc") == 1
        assert await ann.actions("video/abc") == ["shared", "withdrawn", "revived"]
        await proved(system, ann)


async def shared(ann: Caller) -> bool:
    response = await ann.request("POST", "/videos/abc/share", SHARE)
    assert response.status == 200, response
    assert response.header("x-request-id")
    [result] = response.json()["results"]
    assert (result["platform"], result["status"], result["evidence"]) == ("twitter", "success", "declared")
    return bool(result["alreadyShared"])


async def proved(system: System, ann: Caller) -> None:
    proof = await ann.proof("video/abc")
    assert [proof[name] for name in ("ledger", "pending", "counted", "drift")] == [1, 0, 1, 0]
    verified = await system.cli("verify", "--json")
    assert (verified.code, verified.json()) == (0, {"contents": 1, "drift": 0, "drifted": []})
