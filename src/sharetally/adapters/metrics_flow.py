"""The metrics of what the flow does: shares, commits, jobs, deliveries.

Every step of the journey reports to the meter. A call costs a dictionary look-up and an addition, and never raises. The
number of series is bounded: a platform or job that nobody listed is counted as `other` once there are too many.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from sharetally.adapters.metrics_series import BoundedSeries, LabelBound
from sharetally.domain.event import Job
from sharetally.ports import Meter

_BATCH_SIZE_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SECONDS_BUCKETS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


class BulkHistogram(Histogram):
    """A histogram that records many equal values at once."""

    def observe_many(self, value: float, number: int) -> None:
        """Record the value `number` times."""
        self._sum.inc(value * number)
        self._buckets[bisect_left(self._upper_bounds, value)].inc(number)


class FlowMeter(Meter):
    """What the flow reports, in the metrics of one registry; used only on the thread of the event loop."""

    def __init__(
        self, registry: CollectorRegistry, *, platforms: Collection[str] | None, jobs: Collection[str]
    ) -> None:
        self._registry = registry
        platform = LabelBound(platforms)
        self._shares = BoundedSeries(
            self._counter("shares_total", "Results of answered share requests.", "platform", "mode", "status"),
            platform,
            LabelBound(),
            LabelBound(),
        )
        for name in platforms or ():
            # rate() ignores the first value of a series, so without this it would miss the first share
            self._shares[name, "track_only", "success"].inc(0)
        self._errors = BoundedSeries(
            self._counter("share_errors_total", "Share requests that were refused or failed.", "platform", "reason"),
            platform,
            LabelBound(),
        )
        self._batches = self._histogram("commit_batch_size", "Commands per commit.", _BATCH_SIZE_BUCKETS)
        job = LabelBound({*Job, *jobs})
        self._jobs = BoundedSeries(self._counter("jobs_total", "Processed jobs.", "job", "outcome"), job, LabelBound())
        self._job_seconds = BoundedSeries(
            self._histogram("job_seconds", "Seconds per job: its share of its batch.", _SECONDS_BUCKETS, "job"), job
        )
        self._delivery_seconds = BoundedSeries(
            self._histogram("delivery_seconds", "Seconds per attempt to deliver.", _SECONDS_BUCKETS, "kind"),
            LabelBound(),
        )
        self._statements = BoundedSeries(
            self._histogram("db_seconds", "Seconds in the database per step.", _SECONDS_BUCKETS, "statement"),
            LabelBound(),
        )
        self._reaction_errors = BoundedSeries(
            self._counter("reaction_errors_total", "Reactions that failed and were switched off.", "reaction"),
            LabelBound(),
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"sharetally_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> BulkHistogram:
        return BulkHistogram(f"sharetally_{name}", text, labels, registry=self._registry, buckets=buckets)

    def shares(self, platform: str, mode: str, status: str, count: int = 1) -> None:
        """Count answered share requests by platform, mode and resulting status."""
        self._shares[platform, mode, status].inc(count)

    def share_error(self, platform: str, reason: str) -> None:
        """Count a share request that was refused or failed; an empty platform is reported as `none`."""
        self._errors[platform, reason].inc()

    def batch(self, size: int) -> None:
        """Record the number of commands in one commit."""
        self._batches.observe(size)

    def statement(self, name: str, seconds: float) -> None:
        """Record the seconds that one step took in the database."""
        self._statements[(name,)].observe_many(seconds, 1)

    def job(self, job: str, outcome: str, seconds: float, count: int = 1) -> None:
        """Count processed jobs; 0 seconds means that the time is unknown and is not recorded."""
        self._jobs[job, outcome].inc(count)
        if seconds > 0:
            self._job_seconds[(job,)].observe_many(seconds, count)

    def reaction_error(self, reaction: str) -> None:
        """A reaction that failed and was switched off."""
        self._reaction_errors[(reaction,)].inc()

    def delivery(self, kind: str, seconds: float) -> None:
        """Record the seconds that one attempt to deliver took."""
        self._delivery_seconds[(kind,)].observe_many(seconds, 1)
