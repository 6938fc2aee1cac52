"""The platforms to which the posts of a row go: a fake Mastodon server of many users, and a real Bluesky server."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from tests.fakes.mastodon_users import MastodonOfMany
from tests.faults.harness import FaultHarness
from tests.oracle.client import Client
from tests.platforms.pds.server import PersonalDataServer, User, is_available, open_pds

PDS_VERSION = "pds-0.4"
_COOKIE = re.compile(r"[\w-]+=[^;]+")


class PostingServer(Protocol):
    """A server to post to."""

    platform: str

    @property
    def url(self) -> str:
        """Where it is."""
        ...

    async def connect(self, client: Client, user: str, token: str) -> None:
        """The user connects an account of their own; a second time renews the permission."""
        ...

    async def texts(self) -> list[str]:
        """The text of each post that is there."""
        ...


@dataclass(kw_only=True)
class MastodonServer(PostingServer):
    """The fake."""

    fake: MastodonOfMany
    platform: str = "mastodon"

    @property
    def url(self) -> str:
        return self.fake.url

    async def connect(self, client: Client, user: str, token: str) -> None:
        begun = await client.request(
            "POST", f"/accounts/{self.platform}/connect", {"instance": self.fake.url}, token=token
        )
        assert begun.status == 200, begun
        cookie = _COOKIE.match(begun.header("set-cookie") or "")
        assert cookie is not None, begun
        sent = urlencode(self.fake.agree_as(user, begun.json()["authorizeUrl"]))
        page = await client.request(
            "GET", f"/oauth/{self.platform}/callback?{sent}", headers={"cookie": cookie.group()}
        )
        assert page.status == 200, page

    async def texts(self) -> list[str]:
        return self.fake.texts()


@dataclass(kw_only=True)
class BlueskyServer(PostingServer):
    """The real one."""

    pds: PersonalDataServer
    platform: str = "bluesky"
    users: dict[str, User] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.pds.url

    async def connect(self, client: Client, user: str, token: str) -> None:
        if user not in self.users:
            self.users[user] = await asyncio.to_thread(self.pds.new_user)
        body = {"identifier": self.users[user].handle, "appPassword": self.users[user].app_password}
        found = await client.request(
            "POST", f"/accounts/{self.platform}/connect", body | {"server": self.pds.url}, token=token
        )
        assert found.status in {200, 201}, found

    async def texts(self) -> list[str]:
        pages = [await asyncio.to_thread(self.pds.records, user) for user in self.users.values()]
        return [record["text"] for page in pages for record in page]


async def open_mastodon(harness: FaultHarness, *, lifetime: int | None = None) -> MastodonServer:
    """A fake Mastodon server that lasts until the row is over."""
    fake = MastodonOfMany(lifetime=lifetime)
    await harness.enter_async(fake.serving())
    return MastodonServer(fake=fake)


def open_bluesky(harness: FaultHarness) -> list[BlueskyServer]:
    """A real Bluesky server that lasts until the row is over; none where its Node is missing."""
    if not is_available(PDS_VERSION):
        harness.note("without Bluesky: its Node is not installed")
        return []
    folder = harness.folder / "pds"
    folder.mkdir()
    return [BlueskyServer(pds=harness.enter(open_pds(PDS_VERSION, folder)))]


_CONNECTOR = """
from sharetally.ports.server_names import ServerNames
from sharetally.adapters.platforms.bluesky.connect import BlueskyConnector


def create(settings, outbound):
    names = ServerNames(exceptions=frozenset(settings.post_private_servers))
    return BlueskyConnector(outbound, public_url="", server={server!r}, plc_directory={directory!r}, names=names)
"""


def directory_package(folder: Path, server: BlueskyServer) -> Path:
    """A package that makes the service use the test's own directory of accounts instead of the public one."""
    about = folder / "local_directory-1.0.dist-info"
    about.mkdir(parents=True)
    module = _CONNECTOR.format(server=server.pds.url, directory=server.pds.directory)
    (folder / "local_directory.py").write_text(module)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: local-directory\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sharetally.connectors]\nbluesky = local_directory:create\n")
    return folder
