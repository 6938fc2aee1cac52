"""axe-core: what keeps people with a disability out of a page. Version and hash stand in `axe/package-lock.json`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.services.npm import modules

HEEDED = ("serious", "critical")


@cache
def _source() -> str:
    return (modules(Path(__file__).parent / "axe") / "axe-core" / "axe.min.js").read_text("utf-8")


async def complaints(page: Page, *rules: str) -> list[str]:
    """Everything serious that it finds on the page as it stands, shadow trees included; by these rules, or by all."""
    await page.evaluate(_source())
    only = {"runOnly": list(rules)} if rules else {}
    found: dict[str, Any] = await page.evaluate("options => axe.run(options)", {**only, "resultTypes": ["violations"]})
    return [
        f"{fault['id']}: {fault['help']}: {[node['target'] for node in fault['nodes']][:5]}"
        for fault in found["violations"]
        if fault["impact"] in HEEDED
    ]
