"""The whole service as a confidential client of a real Bluesky server: connect, refresh, post, and change the key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any
from uuid import UUID

import pytest

from sharetally.adapters.platforms.bluesky.oauth_client import new_client_key
from sharetally.domain.account import Tokens
from tests.platforms.pds.agreement import agree
from tests.platforms.pds.server import PUBLIC_CLIENT, PersonalDataServer, User
from tests.web.api import Api, eventually
from tests.web.conftest import MakeApi, make_api, migrated_file
from tests.web.connecting import begin, come_back

__all__ = ["make_api", "migrated_file"]
pytestmark = pytest.mark.anyio


class Installation:
    """One service at one address; the server reads its documents there, over HTTP."""

    def __init__(self, pds: PersonalDataServer, make_api: MakeApi) -> None:
        self.root_path = f"/{token_hex(4)}"
        self.pds = pds
        self._make_api = make_api
        self.read: list[str] = []  # what the server has read, by path

    @asynccontextmanager
    async def running(self, *keys: str) -> AsyncIterator[Api]:
        """It runs with these client keys, newest first."""
        async with self._make_api(
            PUBLIC_URL=f"{PUBLIC_CLIENT}{self.root_path}",
            ROOT_PATH=self.root_path,
            CONTENT_URLS='{"video": "https://shop.example/videos/{contentId}"}',
            LINK_HOSTS="shop.example",
            SHARE_PLATFORMS="bluesky",
            POST_PLATFORMS="bluesky",
            POST_PRIVATE_SERVERS=f"{self.pds.url},{self.pds.directory}",
            BLUESKY_SERVER=self.pds.url,
            BLUESKY_DIRECTORY=self.pds.directory,
            BLUESKY_CLIENT_KEYS=f"[{','.join(keys)}]" if keys else None,
        ) as api:

            async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
                self.read.append(path.removeprefix(self.root_path))
                response = await api.request("GET", path, user=None)
                head = f"HTTP/1.1 {response.status} Status\r\nContent-Type: {response.headers['content-type']}\r\n"
                length = f"Content-Length: {len(response.body)}\r\nConnection: close\r\n\r\n"
                writer.write(f"{head}{length}".encode() + response.body)
                await writer.drain()
                writer.close()

            listener = await asyncio.start_server(respond, "127.0.0.1", self.pds.documents_port)
            try:
                yield api
            finally:
                listener.close()

    async def connect(self, api: Api, user: User) -> UUID:
        """The user signs in at the server and agrees; the id of the account."""
        begun = await begin(api, "bluesky", {"identifier": user.handle}, user=user.did)
        page = await come_back(api, "bluesky", await agree(begun.url, user), begun.cookie)
        assert page.status == 200, page
        (account,) = (await api.request("GET", "/accounts", user=user.did)).json["items"]
        assert (account["externalId"], account["handle"], account["status"]) == (user.did, user.handle, "connected")
        return UUID(account["id"])

    async def post(self, api: Api, user: User, video: str) -> None:
        """Share a video, and wait until the post is on the server with its link."""
        body = {"platforms": ["bluesky"], "mode": "server_post", "text": "Worth a look \U0001f44d {url}"}
        assert (await api.request("POST", f"/videos/{video}/share", body, user=user.did)).status == 202

        async def done() -> Any:
            (newest, *_) = (await api.request("GET", "/posts", user=user.did)).json["items"]
            assert newest["status"] in {"pending", "sending", "success"}, newest
            return newest if newest["status"] == "success" else None

        post = await eventually(done)
        texts = [each["text"] for each in await asyncio.to_thread(self.pds.records, user)]
        assert [post["shortUrl"] in text for text in texts].count(True) == 1


def key_id(key: str) -> str:
    return str(json.loads(key)["kid"])


async def tokens_of(api: Api, account: UUID) -> Tokens:
    assert api.core.accounts.access is not None
    return (await api.core.accounts.access.access(account))[1]


async def refresh(api: Api, account: UUID) -> Tokens:
    """As if the server had just refused the access token."""
    assert api.core.accounts.access is not None
    old = await tokens_of(api, account)
    _, new = await api.core.accounts.access.access(account, rejected=old)
    assert new.access != old.access
    assert new.refresh != old.refresh
    return new


async def published(api: Api) -> Mapping[str, Any]:
    """The client's documents as anybody reads them."""
    names = ("client-metadata.json", "jwks.json")
    found = {name: await api.request("GET", f"/oauth/bluesky/{name}", user=None) for name in names}
    assert {(each.status, each.headers["content-type"]) for each in found.values()} == {(200, "application/json")}
    return {name: response.json for name, response in found.items()}


async def test_a_confidential_client_connects_refreshes_posts_and_changes_its_key(
    pds: PersonalDataServer, make_api: MakeApi
) -> None:
    """The new key is published in the last place first and moved to the front then; nobody has to connect again."""
    first, second = new_client_key(), new_client_key()
    mara, nils = [await asyncio.to_thread(pds.new_user) for _ in range(2)]
    service = Installation(pds, make_api)
    async with service.running(first) as api:
        account = await service.connect(api, mara)
        assert service.read == ["/oauth/bluesky/client-metadata.json", "/oauth/bluesky/jwks.json"]
        await service.post(api, mara, "one")
        assert (await refresh(api, account)).private["key_id"] == key_id(first)
        await service.post(api, mara, "two")
    async with service.running(first, second) as api:
        documents = await published(api)
        assert documents["client-metadata.json"]["token_endpoint_auth_method"] == "private_key_jwt"
        keys = documents["jwks.json"]["keys"]
        assert [each["kid"] for each in keys] == [key_id(first), key_id(second)]
        assert not [each for each in keys if set(each) - {"kty", "crv", "x", "y", "kid", "use", "alg"}]
        assert (await refresh(api, account)).private["key_id"] == key_id(first)
    await asyncio.to_thread(pds.forget_documents)  # ten minutes later
    async with service.running(second, first) as api:
        assert (await refresh(api, account)).private["key_id"] == key_id(first), "a session stays with its key"
        await service.post(api, mara, "three")
        other = await service.connect(api, nils)
        assert (await tokens_of(api, other)).private["key_id"] == key_id(second)
        await service.post(api, nils, "three")
        disconnected = await api.request("DELETE", f"/accounts/{account}", user=mara.did)
        assert disconnected.status == 204, disconnected


async def test_accounts_of_a_public_client_survive_its_first_key(pds: PersonalDataServer, make_api: MakeApi) -> None:
    key, mara, service = new_client_key(), await asyncio.to_thread(pds.new_user), Installation(pds, make_api)
    async with service.running() as api:
        account = await service.connect(api, mara)
        assert (await api.request("GET", "/oauth/bluesky/jwks.json", user=None)).status == 404
    await asyncio.to_thread(pds.forget_documents)
    async with service.running(key) as api:
        assert (await refresh(api, account)).private["key_id"] == key_id(key)
        await service.post(api, mara, "one")
