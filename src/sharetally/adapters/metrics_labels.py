"""Series by their labels: found fast, and never without bound.

A label is made of what comes from outside, a platform or a job, or of words of our own. Each has a bound; what
lies beyond it is counted all the same, as `other`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TypeVar

from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

OTHER = "other"
NONE = "none"
MAX_UNLISTED_VALUES = 50  # values of a label whose values nobody listed
C = TypeVar("C", bound=MetricWrapperBase)


class LabelBound:
    """The values that one label may have."""

    def __init__(self, known: Iterable[str] = (), *, unlisted_values: int = 0) -> None:
        self._known = set(known)
        self._unlisted_values_left = unlisted_values

    def fold(self, label: str) -> str:
        """The label itself, `none` for an empty one, `other` when it is not known and there is no room."""
        if label in self._known:
            return label
        if not label:
            return NONE
        if self._unlisted_values_left == 0:
            return OTHER
        self._unlisted_values_left -= 1
        self._known.add(label)
        return label


class BoundedSeries(dict[tuple[str, ...], C]):
    """Labels -> the series to add to. What is folded into `other` is not kept: its names have no bound."""

    def __init__(self, metric: C, *bounds: LabelBound) -> None:
        super().__init__()
        self._metric = metric
        self._bounds = bounds

    def __missing__(self, labels: tuple[str, ...]) -> C:
        folded = tuple(bound.fold(label) for bound, label in zip(self._bounds, labels, strict=True))
        child = self._metric.labels(*folded)
        if folded == labels or OTHER not in folded:
            self[labels] = child
        return child


class BulkHistogram(Histogram):
    """A histogram that takes many equal values at once."""

    def observe_many(self, value: float, number: int) -> None:
        """The same as observing the value so many times."""
        self._sum.inc(value * number)
        self._buckets[bisect_left(self._upper_bounds, value)].inc(number)
