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


async def complaints(page: Page, *rules: str, within: str = "html") -> list[str]:
    """Everything serious that it finds on the page as it stands, shadow trees included; by these rules, or by all.

    `within` names the parts to look at, where a page is long and repeats itself.
    """
    await page.evaluate(_source())
    only = {"runOnly": list(rules)} if rules else {}
    found: dict[str, Any] = await page.evaluate(
        "([within, options]) => axe.run({ include: [within] }, options)",
        [within, {**only, "resultTypes": ["violations"]}],
    )
    return [
        f"{fault['id']}: {fault['help']}: {[node['target'] for node in fault['nodes']][:5]}"
        for fault in found["violations"]
        if fault["impact"] in HEEDED
    ]
