"""A process of the service that posts from one account, for tests that need several such processes at the same time.

It prints `"ready"` once it holds its connections, waits for a line, makes its posts all at once, and prints their
outcomes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sharetally.adapters.logs import configure
from sharetally.domain.ids import new_id
from sharetally.domain.post import Draft
from sharetally.settings import load
from sharetally.wiring import Core


async def post(core: Core, account_id: UUID, name: str) -> str:
    """One post, with tokens that are good; the name of its outcome."""
    url, access = f"https://shares.example/s/{name}", core.accounts.access
    assert access is not None
    account, tokens = await access.access(account_id)
    publisher = core.publishers[account.platform]
    draft = Draft(id=new_id(), text=f"Post {name} {url}", url=url, created_at=datetime.now(UTC))
    return type(await publisher.publish(account, tokens, draft)).__name__


async def main(account_id: str, name: str, number: str) -> None:
    """Be ready, wait, post."""
    configure("error", "json")
    async with Core(load(os.environ, cwd=Path.cwd()), role="worker") as core:
        assert core.accounts.access is not None
        print(json.dumps("ready"), flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.readline)
        posts = (post(core, UUID(account_id), f"{name}-{each}") for each in range(int(number)))
        print(json.dumps(await asyncio.gather(*posts)), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
