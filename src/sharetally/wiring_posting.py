"""The platforms that can be posted to, and the handlers of posts for those who send nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import TypeAlias

from sharetally.flow.delivery.handler import Handler
from sharetally.flow.posting.handler import PostHandler
from sharetally.ports import Clock, Database
from sharetally.ports.outbound import Outbound
from sharetally.ports.posting_platform import Publisher

PUBLISHERS_GROUP = "sharetally.publishers"
Publishers: TypeAlias = Mapping[str, Publisher]


def create_publishers(outbound: Callable[[], Outbound]) -> Publishers:
    """The publishers of installed packages, by platform; each is called with the client for requests."""
    installed = sorted(entry_points(group=PUBLISHERS_GROUP), key=lambda each: each.name)
    publishers: list[Publisher] = [each.load()(outbound()) for each in installed]
    return {each.platform: each for each in publishers}


def discarding_handlers(database: Database, clock: Clock) -> Sequence[Handler]:
    """Handlers that send nothing, for whoever lists, replays or discards dead deliveries."""
    return [PostHandler(ledger=database, posts=database.posts, deliveries=database.deliveries, clock=clock)]
