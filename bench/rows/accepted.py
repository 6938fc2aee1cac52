"""Accepted shares: the token is checked, the body validated, and the response sent after the commit.

Nothing is counted during the measurement, but jobs are still published to RabbitMQ, on the same cores.
"""

from __future__ import annotations

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.reference.pgbench import limit
from bench.row import Measurement, Row, at_least
from bench.sides.sharetally_side import open_sharetally
from bench.sides.side import accepted_rate


async def measure(harness: BenchHarness) -> Measurement:
    """Requests with two platforms, compared with the same rows written without HTTP."""
    theirs, seconds = await limit(harness), harness.options.seconds
    notes = [f"pgbench with {theirs.clients} clients on {theirs.threads} threads"]
    async with open_sharetally(harness) as side:
        before = await side.commit_totals()
        found = await alternate(
            harness.options.pairs, lambda: accepted_rate(side, seconds), lambda: theirs.rate(seconds), notes=notes
        )
        after = await side.commit_totals()
    commits, operations = (now - then for now, then in zip(after, before, strict=True))
    return Measurement(
        ours=found.ours, theirs=found.theirs, notes=(*found.notes, f"{operations / commits:.1f} requests per commit")
    )


ROW = Row(
    name="accepted",
    order=10,
    ours="accepted shares, without counting",
    reference="pgbench with the same transaction",
    unit="requests/s",
    target=at_least(1.0),
    measure=measure,
)
