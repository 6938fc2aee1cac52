"""The collector of cycles, set for a process that serves: what is there at the start stays, requests make few cycles.

Counting references frees what a request leaves behind. Looking for cycles after every 700 new objects, as Python
does, looks through all the rest again and again: eight hundredths of a request's time.
"""

from __future__ import annotations

import gc

NEW_OBJECTS = 20_000  # between two looks at the youngest
LOOKS = 20  # at the younger before one at the older


def settle() -> None:
    """Once everything is loaded and open."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, LOOKS, LOOKS)
