"""The demo page, after a few clicks."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from tests.browser.pictures.camera import Camera
from tests.browser.site import Site

CROWD = {"low-tide": 9, "paper-moons": 4, "night-train": 6}
PLATFORMS = ("twitter", "whatsapp", "facebook", "linkedin")


async def take(site: Site, browser: Browser) -> None:
    """Let a crowd share, then click as a first-time visitor."""
    for place, (video, people) in enumerate(CROWD.items()):
        for person in range(people):
            site.share(video, *PLATFORMS[: 1 + (person + place) % 4], user=f"reader-{person}")
    await Camera(browser).take("demo", f"{site.base}/demo#token={site.token('demo')}", clicked)


async def clicked(page: Page) -> None:
    """Two shares; earlier shares are withdrawn first, so that every picture shows the same."""
    await page.get_by_text("Open share pages").click()
    for video, platform in (("paper-moons", "LinkedIn"), ("low-tide", "WhatsApp")):
        card = page.locator(f"[data-video={video}]")
        await expect(card.locator(".verdict")).to_have_text("drift 0")
        await expect(card.locator(".yours")).not_to_be_empty()
        await page.wait_for_load_state("networkidle")
        for mine in await card.get_by_role("button", name="Take back").all():
            await mine.click()
            await expect(card.locator(".yours")).to_have_text("Not shared by you yet")
        await card.get_by_role("link", name=f"Share on {platform}").click()
        await expect(page.locator(".happening").first.locator('[data-trace="count"]')).to_contain_text("drift 0")
    await page.evaluate(
        "scrollTo(0, 0); for (const one of [...document.querySelectorAll('.happening')].slice(2)) one.remove()"
    )
    await page.locator("h1").hover()
