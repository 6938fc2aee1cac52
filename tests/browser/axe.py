"""axe-core: finds barriers for people with a disability. Version and hash are in `axe/package-lock.json`.

A page is looked at in light and in dark, wide and narrow, without being loaded again.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Page, ViewportSize

from tests.browser.console import NARROW, WIDE
from tests.services.npm import install_npm_packages

REPORTED_IMPACTS = ("serious", "critical")
LOOKS: tuple[tuple[Literal["light", "dark"], ViewportSize], ...] = (
    ("light", WIDE),
    ("light", NARROW),
    ("dark", WIDE),
    ("dark", NARROW),
)
PAINTED = "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"


@cache
def _source() -> str:
    return (install_npm_packages(Path(__file__).parent / "axe") / "axe-core" / "axe.min.js").read_text("utf-8")


async def accessibility_violations(page: Page) -> list[str]:
    """All serious violations that axe finds on the page in each of the looks, shadow trees included.

    The page keeps its size and is left in light mode.
    """
    size = page.viewport_size
    assert size is not None
    await page.evaluate(_source())
    found = []
    for scheme, window in LOOKS:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # what fades in has no contrast yet
        await page.set_viewport_size(window)
        await page.evaluate(PAINTED)
        found += [f"{scheme}, {window['width']} wide: {fault}" for fault in await _faults(page)]
    await page.emulate_media(color_scheme="light", reduced_motion="null")
    await page.set_viewport_size(size)
    return found


async def _faults(page: Page) -> list[str]:
    found: dict[str, Any] = await page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{fault['id']}: {fault['help']}: {[node['target'] for node in fault['nodes']][:5]}"
        for fault in found["violations"]
        if fault["impact"] in REPORTED_IMPACTS
    ]
