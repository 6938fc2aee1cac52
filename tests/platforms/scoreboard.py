"""The scoreboard of posting: what becomes of a share at each platform when its publication meets a fault.

Each fault meets one post, which then goes on through the real handler and a real database until nothing is left to do.
A cell says what the record says in the end and how many posts are on the server. `python -m tests.platforms.scoreboard`
writes the table into docs/reliability.md; the tests compare it with what they see.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.post import Post
from tests.contracts.database_rows import open_empty_database
from tests.fakes import graph, linkedin, mastodon, twitter
from tests.fakes.api_server import Ending, Fault, Reply
from tests.platforms.cases import IMPATIENT
from tests.platforms.handling import Process, Site, copies_of, open_bluesky, open_fake, open_mastodon, request_post
from tests.platforms.pds.gateway import xrpc_error
from tests.platforms.pds.server import PersonalDataServer, open_pds

BEGIN = "<!-- scoreboard of posting: begin -->"
END = "<!-- scoreboard of posting: end -->"
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
NOT_SUCH = "–"  # a platform without this fault
BLUESKY = "bluesky"
LABELS = {
    "twitter": "X",
    "linkedin": "LinkedIn",
    "facebook": "Facebook",
    "threads": "Threads",
    "mastodon": "Mastodon",
    "keyless": "Mastodon without keys",
    BLUESKY: "Bluesky",
}
WITHOUT_LOOK = ("linkedin",)  # nobody can look there
OpenSite: TypeAlias = Callable[[], AbstractAsyncContextManager[Site]]
FAKES: Mapping[str, OpenSite] = {
    **{name: partial(open_fake, name) for name in ("twitter", "linkedin", "facebook", "threads")},
    "mastodon": open_mastodon,
    "keyless": partial(open_mastodon, honours_keys=False),
}


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What goes wrong with a publication: a fault everywhere, or one for each platform that has it.

    With `lost` the time runs out before the first byte; with `impatient` the service does not wait for long; with
    `revoked` the user has withdrawn the permission.
    """

    name: str
    fault: Fault | None = None
    faults: Mapping[str, Fault] = field(default_factory=dict)
    lost: bool = False
    impatient: bool = False
    revoked: bool = False

    def meets(self, platform: str) -> bool:
        """Whether the platform has it."""
        return not self.faults or platform in self.faults

    def fault_of(self, platform: str) -> Fault | None:
        """What happens to the publication there."""
        return self.faults.get(platform, self.fault)


def _replies(carried_out: bool, /, **replies: Reply) -> dict[str, Fault]:
    found = {name: Fault(carried_out=carried_out, reply=reply) for name, reply in replies.items()}
    return found | ({"keyless": found["mastodon"]} if "mastodon" in found else {})


_OUTAGES = {
    "twitter": twitter.UNAVAILABLE,
    "linkedin": linkedin.UNAVAILABLE,
    "facebook": graph.OUTAGE,
    "threads": graph.OUTAGE,
    "mastodon": mastodon.BROKEN,
    BLUESKY: xrpc_error(500, "InternalServerError", "Internal Server Error"),
}
_ACCOUNT_LIMIT = graph.graph_error(17, "(#17) User request limit reached")
_RESET = {"x-ratelimit-reset": "2100-01-01T00:00:00.000Z"}
TROUBLES: tuple[Trouble, ...] = (
    Trouble(name="none"),
    Trouble(name="time-out before the first byte", lost=True),
    Trouble(name="time-out, published", fault=Fault(carried_out=True, ending=Ending.STALL), impatient=True),
    Trouble(name="time-out, not published", fault=Fault(carried_out=False, ending=Ending.STALL), impatient=True),
    Trouble(name="reset, published", fault=Fault(carried_out=True, ending=Ending.RESET)),
    Trouble(name="reset, not published", fault=Fault(carried_out=False, ending=Ending.RESET)),
    Trouble(name="slow body, published", fault=Fault(carried_out=True, ending=Ending.SLOW_BODY), impatient=True),
    Trouble(name="malformed JSON, published", fault=Fault(carried_out=True, ending=Ending.MALFORMED)),
    Trouble(name="server error, published", faults=_replies(True, **_OUTAGES)),
    Trouble(name="server error, not published", faults=_replies(False, **_OUTAGES)),
    Trouble(
        name="429 that says until when",
        faults=_replies(
            False,
            twitter=twitter.problem(429, "Too Many Requests", x_rate_limit_reset="4102444800"),
            linkedin=linkedin.error(429, "TOO_MANY_REQUESTS", "Throttled", retry_after="60"),
            facebook=graph.ACCOUNT_LIMIT,
            mastodon=mastodon.error(429, mastodon.TOO_MANY, _RESET),
            bluesky=xrpc_error(429, "RateLimitExceeded", "Rate Limit Exceeded", retry_after="240"),
        ),
    ),
    Trouble(
        name="429 that does not",
        faults=_replies(
            False,
            twitter=twitter.problem(429, "Too Many Requests"),
            linkedin=linkedin.LIMITED,
            facebook=_ACCOUNT_LIMIT,
            threads=_ACCOUNT_LIMIT,
            mastodon=mastodon.error(429, mastodon.TOO_MANY),
            bluesky=xrpc_error(429, "RateLimitExceeded", "Rate Limit Exceeded"),
        ),
    ),
    Trouble(
        name="called a duplicate, published",
        faults=_replies(
            True,
            twitter=twitter.problem(403, "Forbidden", detail=twitter.DUPLICATE),
            linkedin=linkedin.error(422, "DUPLICATE_POST", "Duplicate post is detected: urn:li:share:1"),
            facebook=graph.graph_error(506, "Duplicate status message"),
            bluesky=xrpc_error(400, "InvalidSwap", "Record was at another version"),
        ),
    ),
    Trouble(
        name="called a duplicate, not published",
        faults=_replies(
            False,
            twitter=twitter.problem(403, "Forbidden", detail=twitter.DUPLICATE),
            linkedin=linkedin.error(422, "DUPLICATE_POST", "Duplicate post is detected: urn:li:share:1"),
            facebook=graph.graph_error(506, "Duplicate status message"),
            bluesky=xrpc_error(400, "InvalidSwap", "Commit was at another version"),
        ),
    ),
    Trouble(
        name="permission withdrawn",
        faults=_replies(
            False,
            twitter=twitter.UNAUTHORIZED,
            linkedin=linkedin.REVOKED,
            facebook=graph.INVALID_TOKEN,
            threads=graph.INVALID_TOKEN,
            mastodon=mastodon.INVALID_TOKEN,
            bluesky=xrpc_error(400, "ExpiredToken", "Token has expired"),
        ),
        revoked=True,
    ),
    Trouble(
        name="version of the API has ended",
        faults=_replies(False, linkedin=linkedin.ENDED, facebook=graph.ENDED_VERSION, threads=graph.ENDED_VERSION),
    ),
    Trouble(name="out of credits", faults=_replies(False, twitter=twitter.OUT_OF_CREDITS)),
    Trouble(name="role on the page lost", faults=_replies(False, facebook=graph.ROLE_LOST)),
)


@dataclass(frozen=True, kw_only=True)
class Score:
    """The end of one post."""

    status: str
    error: str | None
    copies: int

    def __str__(self) -> str:
        reason = f" ({self.error})" if self.error else ""
        return f"{self.status}{reason}, {self.copies}"

    def is_true(self, platform: str) -> bool:
        """Whether the record says what is on the server, and stays unknown only where nobody can look."""
        match self.status:
            case "success":
                return self.copies == 1
            case "failed":
                return self.copies == 0
            case status:
                return status == "unknown" and self.copies <= 1 and platform in WITHOUT_LOOK


async def score(open_site: OpenSite, db: SqlDatabase, trouble: Trouble, platform: str) -> Score | None:
    """Post once, under this fault; None where the platform has no such fault."""
    if not trouble.meets(platform):
        return None
    async with open_site() as site:
        post_id = await request_post(site, db)
        process = Process(site, db, lost=trouble.lost)
        await process.lease.begin()
        if (fault := trouble.fault_of(platform)) is not None:
            site.fail(fault)
        if trouble.impatient:
            site.outbound.deadline = IMPATIENT if platform != BLUESKY else 2.0
        if trouble.revoked:
            await site.revoke()
        await process.finish()
        post = await db.posts.by_id(post_id)
        assert isinstance(post, Post)
        record = await db.shares.by_id(post.record_id)
        assert record is not None
        assert record.status.value == post.status.value, "a record without a declared share says what its post says"
        return Score(status=post.status.value, error=post.error_code, copies=await copies_of(site, post))


async def column(open_site: OpenSite, platform: str, folder: Path) -> dict[str, str]:
    """Every fault at one platform."""
    async with open_empty_database(f"sqlite:///{folder}/{platform}.db") as db:
        found = {trouble.name: await score(open_site, db, trouble, platform) for trouble in TROUBLES}
    return {name: NOT_SUCH if each is None else str(each) for name, each in found.items()}


def as_markdown(columns: Mapping[str, Mapping[str, str]]) -> str:
    """The table for the documentation."""
    head = ["fault", *(LABELS[platform] for platform in columns)]
    rows = [[trouble.name, *(cells[trouble.name] for cells in columns.values())] for trouble in TROUBLES]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def documented() -> dict[str, dict[str, str]]:
    """The columns of the table in docs/reliability.md."""
    between = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    head, _, *rows = [_cells(line) for line in between.strip().splitlines()]
    platforms = {label: platform for platform, label in LABELS.items()}
    return {platforms[label]: {row[0]: row[place] for row in rows} for place, label in enumerate(head) if place}


def _cells(line: str) -> Sequence[str]:
    return [cell.strip() for cell in line.strip("| ").split(" | ")]


async def _columns(pds: PersonalDataServer, folder: Path) -> dict[str, dict[str, str]]:
    sites: dict[str, OpenSite] = {**FAKES, BLUESKY: partial(open_bluesky, pds)}
    return {platform: await column(open_site, platform, folder) for platform, open_site in sites.items()}


def main() -> None:
    """Write the table."""
    with tempfile.TemporaryDirectory() as name, open_pds("pds-0.4", Path(name)) as pds:
        table = as_markdown(asyncio.run(_columns(pds, Path(name))))
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
