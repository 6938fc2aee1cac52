"""Posts that leave one worker for a platform that answers after 300 ms: 128 at once, and 32, which is the default."""

from __future__ import annotations

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.row import Measurement, Row
from bench.sides.posting import PostingSide, open_posting
from sharetally.flow.delivery.loop import SLOTS

ACCOUNTS = 1_000
MANY = 128
POSTS_A_SECOND = 500  # more than leave


async def measure(harness: BenchHarness) -> Measurement:
    """On PostgreSQL; the notes tell the processor time of each post, and what SQLite does."""
    seconds, notes = harness.options.seconds, [f"a fake platform, {ACCOUNTS:,} accounts"]

    async def measured(side: PostingSide, kind: str, slots: int) -> float:
        await side.request(1 + seconds * POSTS_A_SECOND // ACCOUNTS)
        pace = await side.pace(slots, seconds)
        told = f"{kind}, {slots} at once: {pace.rate:.0f} posts/s, {pace.cpu_ms:.1f} ms of processor time each"
        notes.append(f"{told}, {pace.failed} attempts failed ({pace.reason})" if pace.failed else told)
        return pace.rate

    async with open_posting(harness, "sqlite") as side:
        await side.connect(ACCOUNTS)
        await measured(side, "sqlite", SLOTS)
    async with open_posting(harness, "postgresql") as side:
        await side.connect(ACCOUNTS)
        return await alternate(
            harness.options.pairs,
            lambda: measured(side, "postgresql", MANY),
            lambda: measured(side, "postgresql", SLOTS),
            notes=notes,
        )


ROW = Row(
    name="posts",
    order=75,
    ours="posts that leave one worker, 128 at once, to a platform that takes 300 ms",
    reference="32 at once, the default",
    unit="posts/s",
    measure=measure,
)
