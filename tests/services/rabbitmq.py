"""RabbitMQ for tests: the broker. What each test gets of it is in `virtual_hosts.py`.

A private node has a name server (epmd) of its own too: the machine's is another user's, and one that a node
starts by itself would outlive it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
from aio_pika.exceptions import AMQPError

from tests.services.launch import ServerProcess, free_port, is_listening, run_server, temporary_folder
from tests.services.server import Server, ServerKind, program, run_in_thread

STANDARD = "amqp://guest:guest@127.0.0.1:5672/"
# Debian's wrappers in /usr/sbin insist on the machine's own node and its user; these do not.
UNWRAPPED = "/usr/lib/rabbitmq/bin"


def command_line(server: Server) -> list[str]:
    """rabbitmqctl as it reaches this broker."""
    found = program("rabbitmqctl", UNWRAPPED) if server.control else program("rabbitmqctl")
    return [found or "rabbitmqctl"]


def _answers(url: str) -> bool:
    at = urlsplit(url)
    # The client logs each refused connection; while a broker starts there are hundreds.
    if not is_listening(at.hostname or "localhost", at.port or 5672):
        return False
    try:
        run_in_thread(_greet(url))
    except (OSError, TimeoutError, AMQPError):
        return False
    return True


async def _greet(url: str) -> None:
    connection = await aio_pika.connect(url, timeout=10)
    await connection.close()


@contextmanager
def _standard() -> Iterator[Server | None]:
    yield Server(url=STANDARD) if _answers(STANDARD) else None


def _installed() -> bool:
    return bool(program("rabbitmq-server", UNWRAPPED) and program("epmd"))


@contextmanager
def _private() -> Iterator[Server]:
    port, names = free_port(), free_port()
    with temporary_folder() as place, _name_server(names, place):
        control = {
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(names),
            "HOME": str(place),  # of the cookie
            "RABBITMQ_NODENAME": "sharetally@localhost",
        }
        url = f"amqp://guest:guest@127.0.0.1:{port}/"
        command = [str(program("rabbitmq-server", UNWRAPPED))]
        environment = {**control, **_node(port, place)}
        switch = ServerProcess(command, lambda: _answers(url), log=place / "log", environment=environment)
        with run_server(switch):
            yield Server(url=url, control=control, process=switch)


@contextmanager
def _name_server(port: int, place: Path) -> Iterator[None]:
    command = [str(program("epmd")), "-port", str(port), "-address", "127.0.0.1"]
    with run_server(ServerProcess(command, lambda: is_listening("127.0.0.1", port), log=place / "names")):
        yield


def _node(port: int, place: Path) -> dict[str, str]:
    """Everything that the machine's own configuration would decide otherwise."""
    return {
        "RABBITMQ_CONFIG_FILE": f"{place}/rabbitmq",
        "RABBITMQ_CONF_ENV_FILE": f"{place}/environment",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{place}/plugins",
        "RABBITMQ_LOG_BASE": str(place),
        "RABBITMQ_MNESIA_BASE": f"{place}/data",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_PID_FILE": f"{place}/pid",
    }


RABBITMQ = ServerKind(
    name="RabbitMQ",
    variable="SHARETALLY_TEST_AMQP_URL",
    package="rabbitmq-server",
    answers=_answers,
    installed=_installed,
    standard=_standard,
    private=_private,
)
