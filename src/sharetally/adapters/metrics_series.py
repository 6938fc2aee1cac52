"""The series of one metric: quick to find by their labels, and bounded in number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from prometheus_client.metrics import MetricWrapperBase

OTHER = "other"
NONE = "none"
_MAX_UNLISTED_VALUES = 50  # of one label
C = TypeVar("C", bound=MetricWrapperBase)


class LabelBound:
    """The values that one label may have: those in `known`, or if it is None the first 50 that occur."""

    def __init__(self, known: Iterable[str] | None = None) -> None:
        self._known = set(known or ())
        self._unlisted_values_left = _MAX_UNLISTED_VALUES if known is None else 0

    def fold(self, label: str) -> str:
        """Return the label itself, `none` if it is empty, or `other` if it is unknown and there are too many."""
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
    """Labels -> the series to add to; what is folded into `other` is not stored, as its names are unbounded."""

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
