"""What a day brings to one content: shares made and taken back, links that move, corrections."""

from __future__ import annotations

import random
from dataclasses import replace

from sharetally.domain.ids import new_id
from sharetally.ports import Writes
from tests.contracts.database_rows import (
    adjusted_event,
    adjustment,
    created_event,
    deleted_event,
    link,
    links_by_id,
    moved_event,
    record,
    records_by_key,
)


def random_history(rng: random.Random) -> tuple[Writes, dict[str, int]]:
    """What a day brings to one content, and the channels as they must stand at its end."""
    writes, channels = Writes(), dict.fromkeys(("twitter", "mail", "chat"), 0)
    for number in range(60):
        stands = record(id=new_id(), user_id=f"user-{number}")
        writes.events.append(created_event(stands))
        if rng.random() < 0.5:
            writes.events.append(deleted_event(stands))
        else:
            writes.new_records |= records_by_key(stands)
            channels["twitter"] += 1
    for _ in range(60):
        first, last = link(channel="mail"), rng.choice(("mail", "chat"))
        stands_now = replace(first, channel=last)
        writes.new_links |= links_by_id(stands_now)
        writes.events += [created_event(first), *([moved_event(stands_now, first.cell)] if last == "chat" else [])]
        channels[last] += 1
    for _ in range(10):
        line = adjustment(rng.choice((-3, 7)), channel="chat")
        writes.adjustments[line.request_key] = line
        writes.events.append(adjusted_event(line))
        channels["chat"] += line.amount
    return writes, channels
