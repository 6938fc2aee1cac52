"""A virtual host for each test.

A call of rabbitmqctl takes 0.4 s whatever it does, so virtual hosts are made a dozen at a time, and those
that tests are done with go in the same call; the rest go at the end. A broker that rabbitmqctl does not
reach (a remote one) has only the virtual host of its URL: there, what Sharetally names is deleted before and
after each test.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from urllib.parse import unquote, urlsplit

import aio_pika

from tests.services.rabbitmq import RABBITMQ, command_line
from tests.services.server import Server, fresh_name, open_server, run_in_thread, with_path

BATCH = 12
QUEUES = tuple(f"sharetally.{name}" for name in ("count", "post", "feed", "in", "deliveries", "dead"))
EXCHANGES = ("sharetally", "sharetally.events")


@contextmanager
def fresh_amqp(server: Server | None = None) -> Iterator[str]:
    """The URL of an empty virtual host, deleted at the end. For many, `open_virtual_hosts` is faster."""
    with open_virtual_hosts(server, batch=1) as hosts, hosts.fresh() as url:
        yield url


@contextmanager
def open_virtual_hosts(server: Server | None = None, batch: int = BATCH) -> Iterator[VirtualHosts]:
    """A supply of virtual hosts, all of them deleted at the end."""
    with ExitStack() as stack:
        hosts = VirtualHosts(server or stack.enter_context(open_server(RABBITMQ)), batch)
        try:
            yield hosts
        finally:
            hosts.close()


class VirtualHosts:
    """Virtual hosts on one broker, each given out once."""

    def __init__(self, server: Server, batch: int) -> None:
        self._server = server
        self._batch = batch
        self._shared = False
        self._fresh: list[str] = []
        self._done: list[str] = []

    def fresh(self) -> AbstractContextManager[str]:
        """The URL of an empty virtual host."""
        if not self._fresh and not self._shared:
            self._refill()
        return _emptied(self._server.url) if self._shared else self._own()

    def permit(self, url: str, configure: str, write: str, read: str) -> bool:
        """Leave our user no more than these rights in that virtual host; False where that is out of reach."""
        if not self._shared:
            name = _binary(unquote(urlsplit(url).path[1:]))
            evaluate(self._server, f"{_permitting(name, _user(self._server), configure, write, read)}.")
        return not self._shared

    def close(self) -> None:
        """Delete every virtual host that was made here."""
        gone, self._fresh, self._done = [*self._fresh, *self._done], [], []
        if gone:
            _change(self._server, deleted=gone)

    def _refill(self) -> None:
        made = [fresh_name() for _ in range(self._batch)]
        gone, self._done = self._done, []
        try:
            _change(self._server, made=made, deleted=gone)
        except (OSError, subprocess.SubprocessError):
            self._shared = True
            return
        self._fresh = made
        # rabbitmqctl may have spoken to another broker than the URL names.
        if not RABBITMQ.answers(with_path(self._server.url, made[0])):
            self.close()
            self._shared = True

    @contextmanager
    def _own(self) -> Iterator[str]:
        name = self._fresh.pop()
        try:
            yield with_path(self._server.url, name)
        finally:
            self._done.append(name)


@contextmanager
def _emptied(url: str) -> Iterator[str]:
    run_in_thread(_delete_ours(url))
    try:
        yield url
    finally:
        run_in_thread(_delete_ours(url))


async def _delete_ours(url: str) -> None:
    async with await aio_pika.connect(url, timeout=10) as connection, connection.channel() as channel:
        for queue in QUEUES:
            await channel.queue_delete(queue)
        for exchange in EXCHANGES:
            await channel.exchange_delete(exchange)


def _change(server: Server, *, made: Sequence[str] = (), deleted: Sequence[str] = ()) -> None:
    user = _user(server)
    steps = [f"catch rabbit_vhost:delete({_binary(name)}, {user})" for name in deleted]
    steps += [_making(_binary(name), user) for name in made]
    evaluate(server, ", ".join([*steps, "ok."]))


def _making(name: str, user: str) -> str:
    return f"ok = rabbit_vhost:add({name}, {user}), ok = {_permitting(name, user, *['.*'] * 3)}"


def _permitting(name: str, user: str, *rights: str) -> str:
    regexes = ", ".join(map(_binary, rights))
    return f"rabbit_auth_backend_internal:set_permissions({user}, {name}, {regexes}, {user})"


def _user(server: Server) -> str:
    return _binary(unquote(urlsplit(server.url).username or "guest"))


def _binary(text: str) -> str:
    """An Erlang binary, byte by byte, so that nothing in it needs quoting."""
    return f"<<{','.join(str(byte) for byte in text.encode())}>>"


def evaluate(server: Server, expression: str) -> str:
    """What the broker's own node answers to an Erlang expression."""
    command = [*command_line(server), "-q", "eval", expression]
    environment = {**os.environ, **server.control}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()
