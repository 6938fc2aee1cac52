"""What a day brings to one content: shares made and taken back, links that move, corrections."""

from __future__ import annotations

import random
from dataclasses import replace

from sharetally.domain.ids import new_id
from sharetally.ports import Writes
from tests.contracts.database_rows import (
    adjusted,
    adjustment,
    created,
    deleted,
    link,
    moved,
    of_links,
    of_records,
    record,
)


def history(dice: random.Random) -> tuple[Writes, dict[str, int]]:
    """What a day brings to one content, and the channels as they must stand at its end."""
    writes, channels = Writes(), dict.fromkeys(("twitter", "mail", "chat"), 0)
    for number in range(60):
        stands = record(id=new_id(), user_id=f"user-{number}")
        writes.events.append(created(stands))
        if dice.random() < 0.5:
            writes.events.append(deleted(stands))
        else:
            writes.new_records |= of_records(stands)
            channels["twitter"] += 1
    for _ in range(60):
        first, last = link(channel="mail"), dice.choice(("mail", "chat"))
        stands_now = replace(first, channel=last)
        writes.new_links |= of_links(stands_now)
        writes.events += [created(first), *([moved(stands_now, first.cell)] if last == "chat" else [])]
        channels[last] += 1
    for _ in range(10):
        line = adjustment(dice.choice((-3, 7)), channel="chat")
        writes.adjustments[line.request_key] = line
        writes.events.append(adjusted(line))
        channels["chat"] += line.amount
    return writes, channels
