"""The oracle from a terminal: `python -m tests.oracle --database postgresql --amqp rabbitmq --seconds 60 …`

`--database` takes sqlite, postgresql or mysql (a fresh database on a server found or started for it) or the URL of
an empty database; `--amqp` likewise takes memory, rabbitmq or a URL. Prints the table; ends with 1 on any fault.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import uvloop

from tests.oracle.run import Plan, run
from tests.oracle.system import LOAD_SETTINGS, Topology
from tests.services import fresh_amqp, fresh_mysql, fresh_postgresql, fresh_redis
from tests.services.rabbitmq import RABBITMQ
from tests.services.server import Server, open_server


def main(arguments: Sequence[str] | None = None) -> int:
    """Run once; 0 if nothing at all was wrong."""
    asked = _parser().parse_args(arguments)
    folder = Path(asked.folder or tempfile.mkdtemp(prefix="sharetally-oracle-"))
    folder.mkdir(parents=True, exist_ok=asked.folder is None)
    with _shape(asked) as (topology, broker):
        verdict = uvloop.run(run(topology, _plan(asked, broker), folder))
    sys.stdout.write(f"{verdict.as_json() if asked.json else verdict}\n")
    sys.stderr.write(f"journal and logs: {folder}\n")
    return 0 if verdict.passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    add = parser.add_argument
    add("--database", default="sqlite", help="sqlite, postgresql, mysql, or the URL of an empty database")
    add("--amqp", default="memory", help="memory, rabbitmq, or the URL of an empty virtual host")
    add("--redis", action="store_true", help="with a cache on Redis")
    add("--processes", type=int, default=1, help="serving")
    add("--workers", type=int, default=0)
    add("--relays", type=int, default=0)
    add("--seconds", type=float, default=60.0)
    add("--clients", type=int, default=32)
    add("--seed", type=int, default=1)
    add("--kill-worker-at", type=_seconds, default=(), metavar="S,S,…", help="SIGKILL a worker at these seconds")
    add("--kill-serving-at", type=_seconds, default=(), metavar="S,S,…", help="SIGKILL all that serve")
    add("--drop-connections-at", type=_seconds, default=(), metavar="S,S,…", help="the database drops ours")
    add("--stop-rabbit-at", type=float, metavar="S", help="cut the broker off at this second")
    add("--stop-rabbit-for", type=float, default=20.0, metavar="S")
    add("--really-stop-rabbit", action="store_true", help="stop a broker itself: one started for this run")
    add("--patience", type=float, default=120.0, help="seconds that counting may take after the load")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the service")
    add("--json", action="store_true", help="the verdict as JSON")
    add("--folder", help="a new folder for logs, journal and data; default: a temporary one")
    return parser


def _seconds(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _plan(asked: argparse.Namespace, broker: Server | None) -> Plan:
    return Plan(
        seconds=asked.seconds,
        clients=asked.clients,
        seed=asked.seed,
        kill_worker_at=asked.kill_worker_at,
        kill_serving_at=asked.kill_serving_at,
        drop_connections_at=asked.drop_connections_at,
        cut_broker_at=asked.stop_rabbit_at,
        cut_broker_for=asked.stop_rabbit_for,
        broker_to_stop=broker if asked.really_stop_rabbit else None,
        max_seconds=asked.max_seconds,
    )


@contextmanager
def _shape(asked: argparse.Namespace) -> Iterator[tuple[Topology, Server | None]]:
    with ExitStack() as stack:
        broker = stack.enter_context(_broker(asked)) if asked.amqp == "rabbitmq" else None
        amqp = stack.enter_context(fresh_amqp(broker)) if broker else _url(asked.amqp, "memory")
        fresh = {"postgresql": fresh_postgresql, "mysql": fresh_mysql}.get(asked.database)
        database = stack.enter_context(fresh()) if fresh else _url(asked.database, "sqlite")
        cache = stack.enter_context(fresh_redis()) if asked.redis else None
        yield _made(asked, database, amqp, cache), broker


def _broker(asked: argparse.Namespace) -> AbstractContextManager[Server]:
    return RABBITMQ.private() if asked.really_stop_rabbit else open_server(RABBITMQ)


def _url(asked: str, default: str) -> str | None:
    return None if asked == default else asked


def _made(asked: argparse.Namespace, database: str | None, broker: str | None, cache: str | None) -> Topology:
    roles = {"processes": asked.processes, "workers": asked.workers, "relays": asked.relays}
    settings = LOAD_SETTINGS | dict(pair.split("=", 1) for pair in asked.set)
    return Topology(database=database, broker=broker, cache=cache, settings=settings, **roles)


if __name__ == "__main__":
    sys.exit(main())
