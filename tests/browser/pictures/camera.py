"""Takes one page four times: wide and narrow, light and dark."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
WINDOWS: dict[str, ViewportSize] = {
    "wide": {"width": 1280, "height": 860},
    "narrow": {"width": 390, "height": 780},
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

Step = Callable[[Page], Awaitable[Any]]
Prepare = Callable[[BrowserContext], Awaitable[None]]


class Camera:
    """Saves pictures as `docs/pictures/<name>-<window>-<scheme>.png`."""

    def __init__(self, browser: Browser, **window: Any) -> None:
        self._browser = browser
        self._window = {"locale": "en-GB", "timezone_id": "Europe/Berlin", "reduced_motion": "reduce", **window}

    async def take(self, name: str, address: str, *steps: Step, prepare: Prepare | None = None) -> None:
        """The page at this address, after these steps; `prepare` is for what must be so before it is opened."""
        for window, size in WINDOWS.items():
            for scheme in SCHEMES:
                context = await self._browser.new_context(viewport=size, color_scheme=scheme, **self._window)
                if prepare:
                    await prepare(context)
                page = await context.new_page()
                await page.goto(address)
                for step in steps:
                    await step(page)
                await page.screenshot(path=str(FOLDER / f"{name}-{window}-{scheme}.png"))
                await context.close()
