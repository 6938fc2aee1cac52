"""What posting needs before it starts: platforms that this version knows, and what each of them requires."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sharetally.adapters.platforms._terms import COSTS
from sharetally.domain.errors import ConfigurationError
from sharetally.settings import POSTING_SETTINGS, load
from sharetally.wiring_posting import create_connectors, create_publishers, posting_outbound


def test_every_platform_that_can_be_posted_to_has_a_price_and_parts(tmp_path: Path) -> None:
    platforms = tuple(POSTING_SETTINGS)
    assert set(platforms) <= set(COSTS)
    settings = replace(load({}, cwd=tmp_path), post_platforms=platforms, public_url="https://shares.example.com")
    outbound = posting_outbound(settings)
    assert set(create_connectors(settings, lambda: outbound)) >= set(platforms)
    assert set(create_publishers(settings, lambda: outbound)) >= set(platforms)
    asyncio.run(outbound.close())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"POST_PLATFORMS": "fax,mastodon"}, "cannot post to fax; it can to "),
        ({"POST_PLATFORMS": "mastodon"}, "mastodon needs PUBLIC_URL; set it too"),
        (
            {"POST_PLATFORMS": "linkedin", "PUBLIC_URL": "https://shares.example.com"},
            "linkedin needs LINKEDIN_CLIENT_ID; set it too",
        ),
        (
            {"POST_PLATFORMS": "threads", "PUBLIC_URL": "https://shares.example.com", "THREADS_CLIENT_ID": "1"},
            "threads needs THREADS_CLIENT_SECRET; set it too",
        ),
    ],
)
def test_post_platforms_without_what_they_need_stop_the_start(
    tmp_path: Path, settings: dict[str, str], reason: str
) -> None:
    environ = {f"SHARETALLY_{name}": value for name, value in settings.items()}
    with pytest.raises(ConfigurationError) as refused:
        load(environ, cwd=tmp_path)
    assert refused.value.detail.startswith("POST_PLATFORMS: ")
    assert reason in refused.value.detail
