"""A thousand content items: the shares counted per second through RabbitMQ, compared with raw messages."""

from __future__ import annotations

from collections.abc import Sequence

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.reference.queue import published_and_consumed
from bench.row import Measurement, Row, at_least
from bench.sides.counting import sharetally_count_rate
from bench.sides.sharetally_side import open_sharetally
from sharetally.ports import EventRef

CONTENTS = 1_000
SHARES = 12_000  # for each second of measurement
RAW = 4_000  # single messages for each second of measurement: enough for a steady rate


async def measure(harness: BenchHarness) -> Measurement:
    """Publish and count, compared with publishing and consuming only."""
    seconds = harness.options.seconds
    notes = [
        f"{SHARES * seconds:,} shares per round compared with {RAW * seconds:,} messages; the time includes publishing"
    ]
    last: list[Sequence[EventRef]] = []
    async with open_sharetally(harness, counting=True, filled=CONTENTS, warm=False) as side:
        with harness.virtual_host() as raw:

            async def mine() -> float:
                rate, heads = await sharetally_count_rate(side, shares=SHARES * seconds, contents=CONTENTS)
                last[:] = [heads[: RAW * seconds]]
                return rate

            await sharetally_count_rate(side, shares=SHARES, contents=CONTENTS)
            found = await alternate(
                harness.options.pairs, mine, lambda: published_and_consumed(raw, last[0]), notes=notes
            )
        notes.append(await side.verify_counts())
    return Measurement(ours=found.ours, theirs=found.theirs, notes=tuple(notes))


ROW = Row(
    name="thousand",
    order=50,
    ours="1,000 content items, counted through RabbitMQ",
    reference="raw publish and consume, one message per job",
    unit="shares/s",
    target=at_least(5),
    measure=measure,
)
