"""The collector of cycles, set for a process that serves: what is there at the start stays, requests make few cycles.

Counting references frees what a request leaves behind. Looking for cycles after every 700 new objects, as Python
does, looks through all the rest again and again: eight hundredths of a request's time.
"""

from __future__ import annotations

import gc

YOUNG_THRESHOLD = 20_000  # between two looks at the youngest
OLDER_THRESHOLD = 20  # at the younger before one at the older


def tune_garbage_collector() -> None:
    """Once everything is loaded and open."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_THRESHOLD, OLDER_THRESHOLD, OLDER_THRESHOLD)
