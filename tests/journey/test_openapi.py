"""Everything that the OpenAPI document allows and much that it forbids, sent to a system that runs.

Schemathesis makes up requests from the document alone, always the same ones: no answer may be a fault, have a
status or a body that is not documented, or accept what the document forbids.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sharetally.web.api import API_ENDPOINTS, PROBE_ENDPOINTS
from tests.oracle.system import System, Topology, open_system

pytestmark = pytest.mark.anyio
TIMEOUT = 300.0
EXAMPLES = 8  # generated for each operation, in addition to values at the bounds of each field
SEED = 20261120
BOUNDS = "examples,coverage"  # values beyond the bounds are sent by the caller with all scopes
ALL = f"{BOUNDS},fuzzing"
# What keeps to the document may be refused all the same: 404 no such thing, 409 it stands otherwise, 410 gone,
# 422 the key or job id was used before. Made-up platforms and content types, of which settings decide, are 400.
SETTINGS_DECIDE = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "302", "304", "401", "403", "404", "409", "410", "422"]
[phases.fuzzing.checks]
positive_data_acceptance.enabled = false
"""


async def run_schemathesis(
    system: System, folder: Path, headers: Mapping[str, str], *unchecked: str, phases: str = BOUNDS
) -> str:
    """What schemathesis reports after sending everything as this caller; it fails if anything is wrong."""
    config = folder / "schemathesis.toml"
    config.write_text(SETTINGS_DECIDE)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [f"http://127.0.0.1:{system.port}/openapi.json", "--phases", phases]
    command += ["--max-examples", str(EXAMPLES), "--seed", str(SEED), "--no-color", "--max-redirects", "0"]
    command += ["--suppress-health-check", "all", "--generation-database", "none", "--warnings", "off"]
    command += ["--exclude-path-regex", "^/share-links/count/.+/live$"]  # a stream has no end, and tests of its own
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    if unchecked:
        command += ["--exclude-checks", ",".join(unchecked)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**os.environ, "PYTHONWARNINGS": "ignore"}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(TIMEOUT):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = out.decode()
    assert process.returncode == 0, said[-6000:]
    return said


async def verified(system: System) -> dict[str, int]:
    """What `verify` finds after all that."""
    said = await system.cli("verify", "--json")
    found: dict[str, int] = json.loads(said.out)
    return found


async def test_api_conforms_for_an_admin(system: System, tmp_path: Path) -> None:
    token = system.token("shares audit analytics admin")("anna")
    said = await run_schemathesis(system, tmp_path, {"Authorization": f"Bearer {token}"}, phases=ALL)
    ending = [endpoint for endpoint in (*API_ENDPOINTS, *PROBE_ENDPOINTS) if endpoint.media_type != "text/event-stream"]
    assert f"Tested: {len(ending)}" in said
    found = await verified(system)
    assert found["contents"] > 0
    assert found["drift"] == 0


@pytest.fixture
def api_key() -> Topology:
    """SQLite, one process."""
    return Topology()


async def test_api_conforms_for_a_server_acting_for_a_user(api_key: Topology, tmp_path: Path) -> None:
    async with open_system(api_key, tmp_path) as system:
        scopes = "shares audit analytics admin act-as"
        made = await system.cli("keys", "create", "--name", "shop", "--scope", scopes)
        await run_schemathesis(system, tmp_path, {"X-Api-Key": made.out.strip(), "X-User-Id": "carla"})
        assert (await verified(system))["drift"] == 0
        assert not system.unexpected_log_lines()


async def test_api_conforms_without_credentials(api_key: Topology, tmp_path: Path) -> None:
    async with open_system(api_key, tmp_path) as system:
        await run_schemathesis(system, tmp_path, {}, "positive_data_acceptance")
        assert await verified(system) == {"contents": 0, "drift": 0, "drifted": []}
        assert not system.unexpected_log_lines()
