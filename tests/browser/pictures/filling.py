"""Two months of shares, links and mishaps.

They are shares of our own making, spread over time afterwards; each content keeps its sum, so its proof holds.
"""

from __future__ import annotations

import math
import random
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from sharetally.domain.content import ContentRef
from tests.browser.site import Site
from tests.contracts.database_rows import insert_shares, open_database, record

RNG = random.Random(7)
CONTENTS = {
    ("video", "marmots-in-spring"): "Marmots in spring",
    ("article", "seven-quiet-hikes"): "Seven quiet hikes, with maps",
    ("video", "how-bread-rises"): "How bread rises",
    ("podcast", "ep-112"): "Episode 112: Queues all the way down",
    ("article", "a-bridge-of-wood"): "A bridge of wood",
    ("event", "open-day-2027"): "Open day 2027",
}
PLATFORMS = ("twitter", "whatsapp", "facebook", "linkedin")
WEIGHTS = (30, 22, 14, 7)
PEOPLE = 3000
BUCKET = timedelta(minutes=15)
DAYS = 60


async def fill(site: Site) -> None:
    """Everything that pages show."""
    for (kind, name), title in CONTENTS.items():
        site.request("PUT", f"/content/{kind}/{name}", {"title": title}, user="maria", scope="admin")
    for body in link_bodies():
        site.request("POST", "/share-links", body, user="maria")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda asked: site.request(*asked[:3], user=asked[3]), requests()))
    change_their_minds(site)
    settled(site)
    spread(site)
    await park(site)
    site.request("POST", "/operation/verify", user="maria", scope="admin")
    for name, scopes in (("web-shop", ["shares", "act-as"]), ("newsletter", ["shares"]), ("reports", ["analytics"])):
        site.request("POST", "/keys", {"name": name, "scopes": scopes}, user="maria", scope="admin")


def requests() -> Iterator[tuple[str, str, Any, str]]:
    """The content items that people share; the first ones are shared most."""
    for person in range(PEOPLE):
        for place, (kind, name) in enumerate(CONTENTS):
            if RNG.random() < 0.9 / (place + 1):
                picked = {each for each, weight in zip(PLATFORMS, WEIGHTS, strict=True) if RNG.random() * 40 < weight}
                if picked:
                    yield "POST", f"/content/{kind}/{name}/share", {"platforms": sorted(picked)}, f"reader-{person}"


def change_their_minds(site: Site) -> None:
    """Some take a share back; some of those share again."""
    for place, line in enumerate(
        site.request("GET", "/audit?platform=twitter", user="maria", scope="audit")["items"][:9]
    ):
        where = f"/content/{line['contentType']}/{line['contentId']}/share"
        site.request("DELETE", f"{where}/twitter", user=line["userId"])
        if place % 3 == 0:
            site.request("POST", where, {"platforms": ["twitter", "whatsapp"]}, user=line["userId"])


def link_bodies() -> Iterator[dict[str, Any]]:
    """Links for two campaigns."""
    url = "https://videos.example.com/marmots-in-spring"
    for place, (kind, name) in enumerate(list(CONTENTS)[:5] * 3):
        channel = ("newsletter", "poster", "partner")[place % 3]
        campaign = {"campaignId": ("spring-2027", "open-day")[place % 2]} if place % 4 else {}
        yield {"contentType": kind, "contentId": name, "url": url, "channelId": channel, **campaign}


def settled(site: Site) -> None:
    """Everything is counted."""
    while site.request("GET", "/operation/status", user="maria", scope="admin")["eventsPending"]:
        time.sleep(0.1)


def spread(site: Site) -> None:
    """Spread the shares that were just made over the quarters of an hour of two months, more by day than by night."""
    newest = datetime.now(UTC).replace(second=0, microsecond=0)
    newest -= timedelta(minutes=newest.minute % 15)
    with sqlite3.connect(f"{site.program.settings['DATA_DIR']}/sharetally.db", timeout=10) as db:
        rows = db.execute(
            "SELECT content_type, content_id, channel, evidence, bucket, made, withdrawn FROM share_rollups"
        )
        for kind, name, channel, evidence, bucket, made, withdrawn in rows.fetchall():
            key = (kind, name, channel, evidence)
            where = "content_type = ? AND content_id = ? AND channel = ? AND evidence = ?"
            db.execute(f"DELETE FROM share_rollups WHERE {where} AND bucket = ?", (*key, bucket))
            for place in [*(when() for _ in range(made - 1)), 0]:
                at = _stored(newest - place * BUCKET, like=bucket)
                db.execute(
                    "INSERT INTO share_rollups VALUES (?, ?, ?, ?, ?, 1, 0) ON CONFLICT DO UPDATE SET made = made + 1",
                    (*key, at),
                )
            if withdrawn:
                db.execute(
                    f"UPDATE share_rollups SET withdrawn = ? WHERE {where} AND bucket = ?",
                    (withdrawn, *key, _stored(newest, like=bucket)),
                )


def when() -> int:
    """Quarters of an hour ago: lately more than long ago, by day more than by night."""
    while True:
        ago = int(RNG.betavariate(1, 1.6) * DAYS * 96)
        hour = (datetime.now(UTC) - ago * BUCKET).hour
        if RNG.random() < 0.15 + 0.85 * max(0.0, math.sin((hour - 6) / 16 * math.pi)):
            return ago


def _stored(at: datetime, *, like: Any) -> Any:
    return int(at.timestamp() * 1_000_000) if isinstance(like, int) else at.strftime("%Y-%m-%d %H:%M:%S.%f")


async def park(site: Site) -> None:
    """Two jobs that could not be done."""
    async with open_database(f"sqlite:///{site.program.settings['DATA_DIR']}/sharetally.db") as db:
        for name, reason in (
            ("how-bread-rises", "the channel is longer than 64 characters"),
            ("ep-112", "no such record"),
        ):
            (event,) = await insert_shares(db, record(content=ContentRef(type="video", id=name), user_id="reader-7"))
            await db.events.park(event.id, reason)
