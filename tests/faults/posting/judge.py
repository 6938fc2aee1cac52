"""The judge of posts: for every share, the posts on the platform's server are what its record says.

A post that the service calls a success is there once, one that failed or was cancelled is not there, and one that is
unknown is there at most once; nothing is ever there twice. What a record says, the audit and the counts follow from
that. Only what the clients asked for and what the servers hold is believed.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.posting.load import PUBLIC_URL, PostingLoad, SharedPost
from tests.oracle.promises import Promises
from tests.oracle.tables import Tables, open_tables, pending_and_parked
from tests.oracle.verdict import Findings

POLL_SECONDS = 0.5
_ADDRESS = re.compile(re.escape(PUBLIC_URL) + r"/s/[0-9A-Za-z]+")
_UNFINISHED = ("pending", "sending", "unknown")
Key = tuple[str, str, str]  # user, platform, video


@dataclass(frozen=True, kw_only=True)
class PostRow:
    """A post as the database has it; `copies` of it are on the server."""

    key: Key
    url: str
    status: str
    error: str | None
    copies: int = 0


@dataclass(frozen=True, kw_only=True)
class RecordRow:
    """The record of a share."""

    status: str
    evidence: str


@dataclass(kw_only=True)
class Found:
    """What a comparison found; each line is one fault."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)


def compare_posts(posts: Sequence[PostRow], failures: frozenset[str]) -> Found:
    """Each post with its copies; a post may fail for the reasons in `failures` only, and none may stay unfinished."""
    found = Found()
    for post in posts:
        line = f"{' '.join(post.key)} {post.url} is {post.status} ({post.error}), {post.copies} on the server"
        if post.copies > (post.status in {"success", "unknown"}):
            found.duplicated.append(line)
        elif not _is_settled(post, failures):
            found.lost.append(line)
    return found


def _is_settled(post: PostRow, failures: frozenset[str]) -> bool:
    match post.status:
        case "success":
            return post.copies == 1
        case "failed":
            return post.error in failures
        case status:
            return status not in _UNFINISHED


def compare_records(
    shares: Sequence[SharedPost], posts: Sequence[PostRow], records: Mapping[Key, RecordRow], audit: Counter[Key]
) -> Found:
    """Each acknowledged share has a record that says what became of its posts; `audit` counts the lines `posted`."""
    found = Found()
    by_record: dict[Key, list[str]] = {}
    for post in posts:
        by_record.setdefault(post.key, []).append(post.status)
    for share in shares:
        key = (share.user, share.platform, share.video)
        statuses, record = by_record.get(key, []), records.get(key)
        if "success" in statuses:
            wanted = RecordRow(status="success", evidence="posted")
        elif share.declared:
            wanted = RecordRow(status="success", evidence="declared")
        else:
            wanted = RecordRow(status=statuses[-1] if statuses else "missing", evidence="posted")
        if record != wanted:
            found.lost.append(f"record {' '.join(key)}: {wanted} expected, {record} stands")
        if audit[key] != statuses.count("success"):
            found.duplicated.append(f"audit {' '.join(key)}: posted {audit[key]} times, {statuses}")
    asked = {(share.user, share.platform, share.video) for share in shares}
    found.duplicated += [f"record {' '.join(key)} stands, never requested" for key in records.keys() - asked]
    return found


def compare_counts(records: Mapping[Key, RecordRow], totals: Mapping[str, int]) -> Found:
    """The count of each video is the number of its live records."""
    live = Counter(video for (_, _, video), record in records.items() if record.status == "success")
    wrong = [video for video in live.keys() | totals.keys() if live[video] != totals.get(video, 0)]
    return Found(miscounted=[f"{video}: {totals.get(video)} counted, {live[video]} live" for video in sorted(wrong)])


@dataclass(kw_only=True)
class PostingJudge:
    """Judges the posts of a load.

    `failures` are the reasons for which a post may fail in this row. After a restore, `restored`, shares and posts
    that are younger than the backup may be missing in the database; those on the server may still not be there twice.
    """

    load: PostingLoad
    failures: frozenset[str] = frozenset()
    restored: bool = False

    async def __call__(self, promises: Promises, *, max_seconds: float) -> Findings:
        """Wait until every post is finished and everything is counted, and compare."""
        async with open_tables(promises.system.database) as tables:
            began = time.monotonic()
            while await unfinished(tables) or (await pending_and_parked(tables))[0]:
                if time.monotonic() - began > max_seconds:
                    break
                await asyncio.sleep(POLL_SECONDS)
            settling = time.monotonic() - began
            pending, parked = await pending_and_parked(tables)
            copies = await self._copies()
            posts = await read_posts(tables, copies)
            records = await _records(tables)
            requested = (*self.load.shared, *self.load.unposted)
            shares = [share for share in requested if not self.restored or _key(share) in records]
            results = [
                compare_posts(posts, self.failures),
                compare_records(shares, posts, records, await _audit(tables)),
                compare_counts(records, await _totals(tables)),
                self._strays(posts, copies),
                await _left_over(tables),
            ]
        self._describe(posts, copies)
        return Findings(
            lost=tuple(line for each in results for line in each.lost),
            duplicated=tuple(line for each in results for line in each.duplicated),
            miscounted=tuple(line for each in results for line in each.miscounted),
            pending=pending,
            parked=parked,
            settling=settling,
        )

    async def _copies(self) -> Counter[str]:
        """How often each post's own address is on the servers."""
        pages = [await server.texts() for server in self.load.servers]
        return Counter(address for page in pages for text in page for address in _ADDRESS.findall(text))

    def _strays(self, posts: Sequence[PostRow], copies: Counter[str]) -> Found:
        known = {post.url for post in posts}
        strays = {url: many for url, many in copies.items() if url not in known}
        if self.restored:
            strays = {url: many for url, many in strays.items() if many > 1}
        return Found(duplicated=[f"{url} is on the server {many} times, for no post" for url, many in strays.items()])

    def _describe(self, posts: Sequence[PostRow], copies: Counter[str]) -> None:
        statuses = Counter(post.status for post in posts)
        described = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
        self.load.harness.note(
            f"{len(posts)} posts: {described}; {copies.total()} on the servers, none twice"
            if max(copies.values(), default=0) <= 1
            else f"{len(posts)} posts: {described}; {copies.total()} on the servers, some of them twice"
        )


async def unfinished(tables: Tables) -> int:
    """How many posts are pending, being sent, or unknown."""
    statuses = ", ".join(f"'{status}'" for status in _UNFINISHED)
    return int(str((await tables.rows(f"SELECT count(*) FROM posts WHERE status IN ({statuses})"))[0][0]))


async def read_posts(tables: Tables, copies: Counter[str]) -> list[PostRow]:
    """Every post, in the order of the attempts, with its copies."""
    columns = "user_id, platform, content_id, url, status, error_code"
    rows = await tables.rows(f"SELECT {columns} FROM posts ORDER BY record_id, number")
    return [
        PostRow(
            key=(str(row[0]), str(row[1]), str(row[2])),
            url=str(row[3]),
            status=str(row[4]),
            error=None if row[5] is None else str(row[5]),
            copies=copies[str(row[3])],
        )
        for row in rows
    ]


async def _records(tables: Tables) -> dict[Key, RecordRow]:
    rows = await tables.rows("SELECT user_id, platform, content_id, status, evidence FROM share_records")
    return {
        (str(row[0]), str(row[1]), str(row[2])): RecordRow(status=str(row[3]), evidence=str(row[4])) for row in rows
    }


async def _audit(tables: Tables) -> Counter[Key]:
    rows = await tables.rows("SELECT user_id, platform, content_id FROM share_audit WHERE action = 'posted'")
    return Counter((str(row[0]), str(row[1]), str(row[2])) for row in rows)


async def _totals(tables: Tables) -> dict[str, int]:
    rows = await tables.rows("SELECT content_id, shares FROM share_totals")
    return {str(row[0]): int(str(row[1])) for row in rows}


async def _left_over(tables: Tables) -> Found:
    rows = await tables.rows("SELECT state, last_error FROM deliveries WHERE kind = 'post'")
    return Found(lost=[f"a delivery is still {state}: {error}" for state, error in rows])


def _key(share: SharedPost) -> Key:
    return share.user, share.platform, share.video
