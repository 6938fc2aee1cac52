"""Platforms of other packages that can be posted to: what is invalid stops the start, with the name of the entry."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from sharetally import wiring_posting
from sharetally.adapters.outbound import OutboundClient
from sharetally.domain.errors import ConfigurationError
from sharetally.ports.outbound import Outbound
from sharetally.settings import Settings, load


def example(settings: Settings, outbound: Outbound) -> SimpleNamespace:
    """A platform."""
    return SimpleNamespace(platform="example", settings=settings, outbound=outbound)


def faulty(settings: Settings, outbound: Outbound) -> SimpleNamespace:
    """One that fails to load."""
    raise ValueError("no room configured")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({}, cwd=tmp_path)


def install(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    def found(group: str) -> list[EntryPoint]:
        return [EntryPoint(name=name, value=f"{__name__}:{value}", group=group)]

    monkeypatch.setattr(wiring_posting, "entry_points", found)


def test_a_platform_of_another_package_gets_the_settings_and_the_client(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    install(monkeypatch, "example", "example")
    client = OutboundClient()
    for created in (
        wiring_posting.create_connectors(settings, lambda: client),
        wiring_posting.create_publishers(settings, lambda: client),
    ):
        (made,) = created.values()
        assert list(created) == ["example"]
        assert isinstance(made, SimpleNamespace)
        assert (made.settings, made.outbound) == (settings, client)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("example", "missing", "does not load"),
        ("example", "faulty", "no room configured"),
        ("other", "example", "is for the platform 'example'"),
    ],
)
@pytest.mark.parametrize("create", ["create_connectors", "create_publishers"])
def test_an_invalid_platform_is_reported(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, create: str, name: str, value: str, reason: str
) -> None:
    install(monkeypatch, name, value)
    with pytest.raises(ConfigurationError, match=reason) as refused:
        getattr(wiring_posting, create)(settings, OutboundClient)
    assert f"{name!r} ({__name__}:{value})" in refused.value.detail
    assert "sharetally.connectors" in refused.value.detail or "sharetally.publishers" in refused.value.detail
