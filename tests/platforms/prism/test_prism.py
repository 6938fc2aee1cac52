"""A second opinion on our fakes and their descriptions: Prism stands between client and fake.

With `--errors` it answers an invalid request, and an invalid reply, with an error of its own, which no client takes for
success. So whatever arrives here is what the description allows, in both directions.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio.to_thread
import pytest

from sharetally.domain.post import Posted
from tests.fakes.api_server import DESCRIPTIONS
from tests.platforms.cases import KITS, PUBLISHERS, Case, Clock, account_of, connect, new_draft, serving
from tests.services.launch import free_port
from tests.services.npm import install_npm_packages

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent
TIMEOUT = 60.0  # seconds


@contextmanager
def open_prism(description: str, upstream: str, folder: Path) -> Iterator[str]:
    """Prism in front of this server; its address."""
    node, port = shutil.which("node"), free_port()
    assert node, "npm brings it"
    program = install_npm_packages(HERE) / "@stoplight/prism-cli/dist/index.js"
    log = folder / "prism.log"
    command = [node, str(program), "proxy", "--errors", "-h", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen([*command, str(DESCRIPTIONS / description), upstream], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + TIMEOUT
        while "Prism is listening" not in log.read_text():
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("platform", PUBLISHERS)
async def test_prism_objects_to_nothing(platform: str, tmp_path: Path) -> None:
    async with serving(platform) as (fake, _, outbound):
        upstream = fake.url
        prism = open_prism(fake.description, upstream, tmp_path)
        fake.url = await anyio.to_thread.run_sync(prism.__enter__)
        try:
            clock = Clock()
            connector = KITS[platform].connector(fake, outbound, clock)
            (connection,) = await connect(fake, connector)
            case = Case(
                fake=fake,
                outbound=outbound,
                connector=connector,
                publisher=KITS[platform].publisher(fake, outbound, clock),
                connection=connection,
                account=account_of(connection, platform),
                tokens=connection.tokens,
                draft=new_draft(),
                clock=clock,
            )
            draft = await case.prepared()
            posted = await case.publisher.publish(case.account, case.tokens, draft)
            assert isinstance(posted, Posted)
            if platform != "linkedin":  # where nobody can look
                assert isinstance(await case.publisher.look(case.account, case.tokens, draft), Posted)
            for _ in range(2):
                assert await case.publisher.delete(case.account, case.tokens, posted.external_id) is None
            assert case.fake.texts() == []
            await connector.revoke(case.account, case.tokens)
        finally:
            prism.__exit__(None, None, None)


async def test_prism_objects_to_what_is_not_described(tmp_path: Path) -> None:
    """Otherwise its silence would prove nothing."""
    async with serving("twitter") as (fake, _, outbound):
        prism = open_prism(fake.description, fake.url, tmp_path)
        url = await anyio.to_thread.run_sync(prism.__enter__)
        headers = {"Authorization": "Bearer any", "Content-Type": "application/json"}
        body = b'{"text": "a", "reply": {}}'
        try:
            response = await outbound.request("POST", f"{url}/2/tweets", headers=headers, body=body)
        finally:
            prism.__exit__(None, None, None)
        assert response.status == 422
        assert b"https://stoplight.io/prism/errors#UNPROCESSABLE_ENTITY" in response.body
        assert fake.requests == []
