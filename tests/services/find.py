"""All four services at once, found or started, for a whole run of the tests.

One that cannot be had leaves its field None and a reason in `untested`; the others are there all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.services.mysql import MYSQL
from tests.services.postgresql import POSTGRESQL
from tests.services.rabbitmq import RABBITMQ
from tests.services.redis import REDIS
from tests.services.server import Server, ServerKind, Unavailable, open_server


@dataclass(frozen=True, kw_only=True)
class Services:
    """The URL of each server, or None. `broker` is the one at `amqp`, with the way to control it."""

    postgresql: str | None
    mysql: str | None
    amqp: str | None
    redis: str | None
    broker: Server | None
    untested: tuple[str, ...] = ()


@contextmanager
def open_services() -> Iterator[Services]:
    """The services; those that were started for this are stopped at the end."""
    missing: list[str] = []
    with ExitStack() as stack:
        broker = _open(RABBITMQ, stack, missing)
        yield Services(
            postgresql=_url(_open(POSTGRESQL, stack, missing)),
            mysql=_url(_open(MYSQL, stack, missing)),
            amqp=_url(broker),
            redis=_url(_open(REDIS, stack, missing)),
            broker=broker,
            untested=tuple(missing),
        )


def _url(server: Server | None) -> str | None:
    return server.url if server else None


def _open(kind: ServerKind, stack: ExitStack, missing: list[str]) -> Server | None:
    try:
        return stack.enter_context(open_server(kind))
    except Unavailable as reason:
        missing.append(f"{kind.name}: {reason}")
        return None
