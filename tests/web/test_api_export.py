"""The audit as a file, and the whole life of one record."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tracemalloc
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from starlette.types import Message

from sharetally.domain.errors import Unavailable
from sharetally.ports import AuditFilter, Writes
from sharetally.web.api.audit import export as audit_export
from tests.contracts.database_rows import audit_entry, write_rows
from tests.web.api import Api, invalid_paths, problem

pytestmark = pytest.mark.anyio
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\ttab", "\rreturn", "＝1", 'a "quoted", one\nof two lines', "plain")


async def exported(api: Api, query: str = "", **how: Any) -> str:
    response = await api.request("GET", f"/audit/export?{query}", **{"scope": "audit", **how})
    assert response.status == 200, response
    assert response.headers["cache-control"] == "no-store"
    return response.body.decode()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


async def test_an_exported_file_contains_the_same_rows_as_the_list(any_api: Api, video: str) -> None:
    await any_api.share(video, headers={"x-request-id": f"r-{video}"})
    await any_api.request("DELETE", f"/videos/{video}/share/twitter")
    listed = list(reversed(await any_api.audit_lines(f"video/{video}")))
    lines = (await exported(any_api, f"contentId={video}&format=jsonl")).splitlines()
    assert [json.loads(line) for line in lines] == listed
    table = rows(await exported(any_api, f"contentId={video}"))
    same = [name for name in audit_export.COLUMNS if not name.startswith("error")]
    assert [[row[name] for name in same] for row in table] == [[line[name] for name in same] for line in listed]
    shared = rows(await exported(any_api, f"contentId={video}&action=shared&requestId=r-{video}&platform=x"))
    assert [row["platform"] for row in shared] == ["twitter"]


async def test_its_name_and_kind(api: Api, video: str) -> None:
    await api.share(video, "twitter")
    for kind, media in (("csv", "text/csv; charset=utf-8; header=present"), ("jsonl", "application/x-ndjson")):
        response = await api.request("GET", f"/audit/export?format={kind}")
        assert response.headers["content-type"] == media
        name = response.headers["content-disposition"].removeprefix('attachment; filename="audit-')
        assert name.endswith(f'Z.{kind}"')
    head = await api.request("HEAD", "/audit/export")
    assert (head.status, head.body) == (200, b"")


async def test_no_cell_is_a_formula_and_every_cell_can_be_read_back(api: Api) -> None:
    await write_rows(api.database, Writes(audit=[audit_entry(error_code="x", error_message=text) for text in FORMULAS]))
    text = await exported(api)
    assert text.endswith("\r\n")
    cells = [row["errorMessage"] for row in reversed(rows(text))]
    assert cells == [f"'{each}" for each in FORMULAS[:7]] + list(FORMULAS[7:])
    assert audit_export._csv_cell("a;=1;+2;b-3\n@x\r\n-1;c") == "a;'=1;'+2;b-3\n'@x\r\n'-1;c"
    found = [json.loads(line)["error"]["message"] for line in (await exported(api, "format=jsonl")).splitlines()]
    assert found == list(FORMULAS[::-1])


async def test_everybody_exports_their_own(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter", user=f"anna-{video}")
    await any_api.share(video, "twitter", user=f"bert-{video}")
    mine = rows(await exported(any_api, f"contentId={video}", user=f"anna-{video}", scope="shares"))
    assert [row["userId"] for row in mine] == [f"anna-{video}"]
    problem(await any_api.request("GET", f"/audit/export?userId=bert-{video}"), 403, "forbidden")
    problem(await any_api.request("GET", "/audit/export", user=None), 401, "unauthenticated")


class Reader:
    """Requests an export and reads what arrives; counts it, and may leave early."""

    def __init__(self, api: Api, *, keep: bool = False, leave_after: int | None = None) -> None:
        self._api = api
        self._keep = keep
        self._leave_after = leave_after
        self._left = asyncio.Event()
        self.size = 0
        self.parts = list[bytes]()
        self.ended = False

    async def run(self) -> None:
        headers = [(b"authorization", f"Bearer {self._api.token('anna', 'audit')}".encode())]
        scope = {
            "type": "http", "method": "GET", "path": "/audit/export", "raw_path": b"/audit/export",
            "query_string": b"format=jsonl", "headers": headers, "root_path": "", "client": ("203.0.113.9", 1),
            "scheme": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "server": ("127.0.0.1", 1),
        }  # fmt: skip
        await self._api.app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.size += len(message.get("body", b""))
        if self._keep:
            self.parts.append(message.get("body", b""))
        self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        if self._leave_after is not None and self.size > self._leave_after:
            self._left.set()
        await asyncio.sleep(0)


async def test_many_pages_are_one_file(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_export, "PAGE_SIZE", 3)
    for number in (2, 1, 3):  # less than, just, and more than whole pages
        await write_rows(api.database, Writes(audit=[audit_entry() for _ in range(number)]))
        reader = Reader(api, keep=True)
        await reader.run()
        assert [json.loads(line)["id"] for line in b"".join(reader.parts).splitlines()] == [
            str(line.id) for line in await api.database.audit.page(AuditFilter(), limit=100, after=None)
        ]


def many(number: int) -> list[Any]:
    return [audit_entry(error_message="x" * 400, error_code="x") for _ in range(number)]


async def test_a_long_file_takes_no_more_memory_than_a_short_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, asked = many(audit_export.PAGE_SIZE), list[int]()

    async def counted(*_: object, **__: object) -> Sequence[Any]:
        asked.append(1)
        return lines if len(asked) < 20 else lines[:10]

    monkeypatch.setattr(api.database.audit, "page", counted)
    reader = Reader(api)
    tracemalloc.start()
    try:
        await reader.run()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.ended
    assert reader.size > 10_000_000
    assert peak < 6_000_000


async def test_a_disconnected_client_ends_the_export(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, asked = many(audit_export.PAGE_SIZE), list[int]()

    async def endless(*_: object, **__: object) -> Sequence[Any]:
        asked.append(1)
        return lines

    monkeypatch.setattr(api.database.audit, "page", endless)
    async with asyncio.timeout(10):
        await Reader(api, leave_after=2_000_000).run()
    assert len(asked) < 20


async def test_an_export_without_its_database_is_visibly_truncated(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, asked = many(audit_export.PAGE_SIZE), list[int]()

    async def failing(*_: object, **__: object) -> Sequence[Any]:
        asked.append(1)
        if len(asked) > 2:
            raise Unavailable
        return lines

    monkeypatch.setattr(api.database.audit, "page", failing)
    reader = Reader(api)
    with pytest.raises(Unavailable):
        await reader.run()
    assert reader.size > 0
    assert not reader.ended
    problem(await api.request("GET", "/audit/export", scope="audit"), 503, "unavailable")


@pytest.mark.parametrize(
    ("query", "path"),
    [("format=xlsx", "format"), ("pageSize=10", "pageSize"), ("status=shared", "status"), ("from=yesterday", "from")],
)
async def test_a_malformed_query_names_the_parameter(readonly_api: Api, query: str, path: str) -> None:
    assert invalid_paths(await readonly_api.request("GET", f"/audit/export?{query}", scope="audit")) == [path]


# the whole life


async def test_the_life_of_a_share(any_api: Api, video: str) -> None:
    user = f"anna-{video}"
    await any_api.share(video, "twitter", user=user)
    await any_api.request("DELETE", f"/videos/{video}/share/twitter", user=user)
    await any_api.share(video, "twitter", user=user)
    lines = await any_api.audit_lines(f"video/{video}")
    found = (await any_api.request("GET", f"/audit/records/{lines[0]['recordId']}", scope="audit", user="root")).json
    assert found["entries"] == lines
    assert [line["action"] for line in lines] == ["shared", "withdrawn", "revived"]
    unknown = {name: found["record"][name] for name in ("firstSharedAt", "lastSharedAt", "attemptCount")}
    assert found["record"] == unknown | {
        "id": lines[0]["recordId"], "contentType": "video", "contentId": video, "platform": "twitter", "userId": user,
        "status": "success", "evidence": "declared", "error": None, "externalId": None, "externalUrl": None,
    }  # fmt: skip
    assert found["link"] is None
    own = await any_api.request("GET", f"/audit/records/{lines[0]['recordId']}", user=user)
    assert own.json == found
    problem(await any_api.request("GET", f"/audit/records/{lines[0]['recordId']}", user="bert"), 404, "not-found")


async def test_the_life_of_a_link_and_of_a_correction(any_api: Api, video: str) -> None:
    body = {"contentType": "video", "contentId": video}
    link = (await any_api.request("POST", "/share-links", body)).json
    await any_api.request("DELETE", f"/share-links/{link['id']}")
    found = (await any_api.request("GET", f"/audit/records/{link['id']}", scope="audit")).json
    assert [line["action"] for line in found["entries"]] == ["link_created", "link_deleted"]
    assert (found["record"], found["link"]["id"]) == (None, link["id"])
    correction = {"operation": "increment", "reason": "import"}
    await any_api.request("POST", f"/share-links/count/video/{video}/adjustments", correction, scope="admin")
    line = (await any_api.audit_lines(f"video/{video}"))[-1]
    found = (await any_api.request("GET", f"/audit/records/{line['recordId']}", scope="audit")).json
    assert found == {"record": None, "link": None, "entries": [line]}


async def test_an_unknown_history_is_404(readonly_api: Api) -> None:
    for odd in ("abc", uuid4()):
        problem(await readonly_api.request("GET", f"/audit/records/{odd}", scope="audit"), 404, "not-found")
