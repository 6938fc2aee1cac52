"""A thousand contents: how many shares are counted a second through RabbitMQ, against as many raw messages."""

from __future__ import annotations

from collections.abc import Sequence

from bench.pairs import in_turn
from bench.reference.queue import published_and_consumed
from bench.row import Measured, Row, at_least
from bench.sides.counting import ours_counted
from bench.sides.ours import ours
from bench.stage import Stage
from sharetally.ports import EventHead

CONTENTS = 1_000
SHARES = 12_000  # for each second of measurement
RAW = 4_000  # of them, as single messages: enough for a steady rate


async def measure(stage: Stage) -> Measured:
    """Published and counted, against published and consumed with nothing done."""
    seconds = stage.options.seconds
    notes = [f"{SHARES * seconds:,} shares a round against {RAW * seconds:,} messages; time includes publishing"]
    last: list[Sequence[EventHead]] = []
    async with ours(stage, counting=True, filled=CONTENTS, warm=False) as side:
        with stage.virtual_host() as raw:

            async def mine() -> float:
                rate, heads = await ours_counted(side, shares=SHARES * seconds, contents=CONTENTS)
                last[:] = [heads[: RAW * seconds]]
                return rate

            await ours_counted(side, shares=SHARES, contents=CONTENTS)
            found = await in_turn(stage.options.pairs, mine, lambda: published_and_consumed(raw, last[0]), notes=notes)
        notes.append(await side.proven())
    return Measured(ours=found.ours, theirs=found.theirs, notes=tuple(notes))


ROW = Row(
    name="thousand",
    order=50,
    ours="1,000 contents, counted through RabbitMQ",
    reference="raw publish and consume, one message a job",
    unit="shares/s",
    target=at_least(5),
    measure=measure,
)
