"""Every series is documented with its type and labels, and no others are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sharetally.adapters.metrics import open_meter
from sharetally.domain.delivery import DeliveryState
from sharetally.domain.event import Job
from sharetally.ports import Backlog, DeliveryBacklog, DeliveryCount
from tests.adapters.fakes import SPENDING, FakeBroker, FakeDeliveries, FakeEventStore, FakeSpending, scrape
from tests.docs.pages import DOCS, REFERENCE, codes, rows

pytestmark = pytest.mark.anyio


async def _exposed() -> dict[str, tuple[str, set[str]]]:
    """Name -> type and labels of everything that a scrape can show."""
    meter = open_meter(None, "serve")
    meter.shares("twitter", "track_only", "success")
    meter.share_error("", "conflict")
    meter.batch(1)
    meter.statement("commit", 0.001)
    meter.job(Job.SHARE_CREATED, "counted", 0.001)
    meter.reaction_error("feed")
    meter.delivery("post", 0.001)
    meter.drift(0, datetime.now(UTC))
    backlog = FakeEventStore(Backlog(pending=0, parked=0, oldest=0.0))
    counts = [DeliveryCount("post", DeliveryState.DEAD, 1)]
    deliveries = FakeDeliveries(DeliveryBacklog(counts=counts, oldest_due={"post": 0.0}))
    text = await scrape(meter, backlog, FakeBroker(count=0), deliveries, FakeSpending([SPENDING]))
    families = text_string_to_metric_families(text)
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels if label != "le"},
        )
        for family in families
    }


async def test_documented_metrics_match_the_service() -> None:
    told = {codes(row[0])[0]: row[1] for row in rows(REFERENCE / "metrics.md") if len(row) == 4 and codes(row[0])}
    exposed = await _exposed()
    assert sorted(told) == sorted(exposed)
    for name, (kind, labels) in exposed.items():
        said, _, named = told[name].partition(":")
        assert (name, said, set(codes(named))) == (name, kind, labels)


async def test_alerts_use_existing_series() -> None:
    text = (DOCS / "how-to" / "prometheus.md").read_text("utf-8")
    exposed = await _exposed()
    named = {word for word in text.replace("(", " ").replace("{", " ").split() if word.startswith("sharetally_")}
    assert {name.rstrip(")") for name in named if name != "sharetally_"} <= set(exposed)
