"""One hot video that gets all shares: how many are counted per second through RabbitMQ."""

from __future__ import annotations

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.row import Measurement, Row, at_least
from bench.sides.counting import sharetally_count_rate, usual_count_rate
from bench.sides.sharetally_side import open_sharetally
from bench.sides.usual_side import open_usual

OURS = 40_000  # shares for each second of measurement; their number does not affect the rate of either side
THEIRS = 1_000
FILLED = 1_000  # the rest of the ledger does not matter here


async def measure(harness: BenchHarness) -> Measurement:
    """Publish and count; each side has its own worker."""
    seconds = harness.options.seconds
    sizes = f"{OURS * seconds:,} and {THEIRS * seconds:,} shares per round"
    notes = [f"{sizes}, written beforehand; the time includes publishing"]
    async with (
        open_sharetally(harness, counting=True, filled=FILLED, warm=False) as mine,
        open_usual(harness, counting=True, filled=FILLED, warm=False) as theirs,
    ):
        await sharetally_count_rate(mine, shares=OURS, contents=1)
        await usual_count_rate(theirs, shares=THEIRS // 2, content_id="v1")

        async def a() -> float:
            rate, _ = await sharetally_count_rate(mine, shares=OURS * seconds, contents=1)
            return rate

        found = await alternate(
            harness.options.pairs,
            a,
            lambda: usual_count_rate(theirs, shares=THEIRS * seconds, content_id="v1"),
            notes=notes,
        )
        notes.append(await mine.verify_counts())
    return Measurement(ours=found.ours, theirs=found.theirs, notes=tuple(notes))


ROW = Row(
    name="hot",
    order=40,
    ours="one hot video, counted through RabbitMQ",
    reference="the usual way",
    unit="shares/s",
    target=at_least(20),
    measure=measure,
)
