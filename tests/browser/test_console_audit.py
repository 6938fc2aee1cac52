"""The audit, dead letters and keys in the console."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest
from playwright.async_api import Page, expect

from sharetally.domain.content import ContentRef
from sharetally.domain.event import Event
from tests.browser.axe import accessibility_violations
from tests.browser.console import WIDE, Console
from tests.browser.site import Site
from tests.contracts.database_rows import insert_shares, open_database, record
from tests.program import fetch

pytestmark = pytest.mark.anyio


async def test_the_audit_is_filtered_and_exported(site: Site, console: Console, video: str) -> None:
    site.share(video, "twitter", "whatsapp", user="=anna")
    site.share(video, "twitter", user="bert")
    page = await console("/console/audit", viewport=WIDE)
    rows = page.get_by_role("region", name="Audit").get_by_role("row")
    await page.get_by_label("Content id").fill(video)
    await expect(rows).to_have_count(4)
    await page.get_by_label("User").fill("=anna")
    await expect(rows).to_have_count(3)
    await page.get_by_label("Platform").fill("whatsapp")
    await expect(rows).to_have_count(2)
    await page.reload()  # the view's state is in the URL
    await expect(rows).to_have_count(2)

    (line,) = csv.DictReader((await exported(page, "CSV")).splitlines())
    assert (line["userId"], line["platform"], line["contentId"]) == ("'=anna", "whatsapp", video)
    (entry,) = [json.loads(each) for each in (await exported(page, "JSON lines")).splitlines()]
    assert (entry["userId"], entry["action"]) == ("=anna", "shared")


async def exported(page: Page, name: str) -> str:
    async with page.expect_download() as found:
        await page.get_by_role("link", name=name).click()
    path = await (await found.value).path()
    return path.read_text("utf-8-sig")


async def test_a_line_opens_the_life_of_its_record(site: Site, console: Console, video: str) -> None:
    site.share(video)
    site.request("DELETE", f"/videos/{video}/share/twitter", user="somebody")
    page = await console(f"/console/audit?contentId={video}", viewport=WIDE)
    await page.get_by_role("link", name="the history of its record").first.click()
    life = page.get_by_role("dialog", name="The history of a record")
    steps = life.get_by_role("list", name="Changes").get_by_role("listitem")
    await expect(steps).to_have_count(2)
    await expect(steps.first).to_contain_text("shared")
    await expect(steps.last).to_contain_text("withdrawn")
    assert await accessibility_violations(page) == []
    await page.keyboard.press("Escape")
    await expect(life).to_have_count(0)
    await expect(page).to_have_url(f"{site.base}/console/audit?contentId={video}")


async def parked(site: Site, video: str) -> Event:
    """A share whose job was set aside."""
    async with open_database(f"sqlite:///{site.program.settings['DATA_DIR']}/sharetally.db") as db:
        (event,) = await insert_shares(db, record(content=ContentRef(type="video", id=video)))
        await db.events.park(event.id, "a poison")
    return event


async def test_a_dead_letter_is_read_and_replayed(site: Site, console: Console, video: str) -> None:
    event = await parked(site, video)
    page = await console(f"/console/dead/{event.id}", viewport=WIDE)
    letter = page.get_by_role("dialog", name="Dead letter")
    await expect(letter).to_contain_text("a poison")
    assert await accessibility_violations(page) == []
    await letter.get_by_role("button", name="Replay").click()
    await page.get_by_role("dialog", name="Replay this job?").get_by_role("button", name="Replay").click()
    await expect(page.get_by_role("status", name="Outcome")).to_contain_text(f"replayed{event.id}")
    await page.goto(f"{site.base}/console/content/video/{video}")
    await expect(page.locator(".figure")).to_have_text("1")


async def test_many_dead_letters_are_discarded_with_a_reason(site: Site, console: Console, video: str) -> None:
    events = [await parked(site, f"{video}-{n}") for n in range(2)]
    page = await console("/console/dead", viewport=WIDE)
    for event in events:
        await page.get_by_label(f"Select {event.id}").check()
    await page.get_by_role("button", name="Discard 2").click()
    question = page.get_by_role("dialog", name="Discard 2 jobs?")
    await expect(question.get_by_role("button", name="Discard")).to_be_disabled()
    assert await accessibility_violations(page) == []
    await question.get_by_label("Reason").fill("made by a broken import")
    await question.get_by_role("button", name="Discard").click()
    outcome = page.get_by_role("status", name="Outcome")
    for event in events:
        await expect(outcome).to_contain_text(f"discarded{event.id}")
        await expect(page.get_by_label(f"Select {event.id}")).to_have_count(0)
    assert site.request("POST", "/operation/verify", user="maria", scope="admin")["drift"] == 0


async def test_the_life_of_a_key(site: Site, console: Console, video: str) -> None:
    page = await console("/console/keys", viewport=WIDE)
    await page.get_by_role("button", name="New key").click()
    await page.get_by_label("Name", exact=True).fill(video)
    await page.get_by_label("audit read").check()
    await page.get_by_role("button", name="Create key").click()
    shown = page.get_by_role("dialog", name=f"Key “{video}”")
    key = await shown.locator("code").inner_text()
    assert await accessibility_violations(page) == []
    assert "items" in with_key(site, key)
    await shown.get_by_role("button", name="I have copied it").click()
    await expect(page.get_by_text(key)).to_have_count(0)

    row = page.get_by_role("row", name=video)
    await expect(row).to_contain_text("sharesaudit")
    await page.get_by_role("button", name=f"Revoke {video}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(row).to_contain_text("revoked")


def with_key(site: Site, key: str) -> dict[str, Any]:
    """What the audit answers to this key."""
    status, said = fetch(f"{site.base}/audit", token=key)
    assert status == 200, said
    found: dict[str, Any] = said
    return found


async def test_verify_reports_no_drift(console: Console) -> None:
    page = await console("/console")
    health = page.get_by_role("region", name="Health")
    await health.get_by_role("button", name="Verify now").click()
    await expect(health).to_contain_text("Drift0")
