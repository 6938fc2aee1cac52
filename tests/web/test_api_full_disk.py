"""A full disk under SQLite: refused as long as it lasts, nothing answered is lost, and well again by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.web.api import Api, assert_unavailable, make_settings, start_api

pytestmark = pytest.mark.anyio


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A file system of 2 MiB, where we may mount one."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


SPARE = 512 * 1024  # bytes left on a disk that is as good as full


class Disk:
    """The disk under a database: nearly filled up, or its database kept from growing where no disk could be had."""

    def __init__(self, place: Path, api: Api, *, mounted: bool) -> None:
        self._filler = place / "filler"
        self._api = api
        self._mounted = mounted

    async def fill(self) -> None:
        if not self._mounted:
            return await self._at_most(f"(SELECT page_count + {SPARE // 4096} FROM pragma_page_count)")
        with self._filler.open("wb", buffering=0) as filler:
            with suppress(OSError):
                while filler.write(b"\0" * 4096):
                    pass
            filler.truncate(filler.tell() - SPARE)

    async def free(self) -> None:
        if not self._mounted:
            return await self._at_most("1073741823")
        self._filler.unlink()

    async def _at_most(self, pages: str) -> None:
        async with self._api.database.transaction() as tx:
            (row,) = await tx.execute(f"SELECT {pages} AS pages", {})
            await tx.execute(f"PRAGMA max_page_count = {row['pages']}", {})


@asynccontextmanager
async def on_small_disk(migrated_file: Path, tmp_path: Path) -> AsyncIterator[tuple[Api, Disk]]:
    place = tmp_path / "disk"
    place.mkdir()
    with small_disk(place) as mounted:
        shutil.copy(migrated_file, place / "sharetally.db")
        async with start_api(make_settings(tmp_path, f"sqlite:///{place}/sharetally.db")) as api:
            yield api, Disk(place, api, mounted=mounted)


async def share_until_full(api: Api) -> list[str]:
    """Users whose share was answered, until one is not."""
    done: list[str] = []
    while len(done) < 10_000:
        response = await api.share("abc", user=f"user-{len(done)}")
        if response.status != 200:
            assert_unavailable(response)
            return done
        done.append(f"user-{len(done)}")
    raise AssertionError("it was never full")


async def test_on_a_full_disk_nothing_answered_is_lost(migrated_file: Path, tmp_path: Path) -> None:
    async with on_small_disk(migrated_file, tmp_path) as (api, disk):
        await api.share("abc", user="first")
        await api.counted("video/abc")
        await disk.fill()
        done = ["first", *await share_until_full(api)]
        assert len(done) > 1
        for _ in range(5):
            assert_unavailable(await api.share("abc", user="late"))
        assert (await api.request("GET", "/videos/abc/share-status")).status == 200  # what is there can be read
        assert await api.exact_count("video/abc") == 4 * len(done)
        await disk.free()
        late = await api.share("abc", user="late")
        assert [each["alreadyShared"] for each in late.json["results"]] == [False] * 4
        assert (await api.counted("video/abc"))["shareCount"] == 4 * (len(done) + 1)
        assert (await api.database.proof.verify(None, lambda _: None)).drift == 0
        for user in done[-3:]:
            assert all(each["alreadyShared"] for each in (await api.share("abc", user=user)).json["results"])
