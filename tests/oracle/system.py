"""A whole Sharetally: schema, API, relays and workers as real processes with one database and one broker.

`open_system` migrates, starts and waits until everything is ready; everything that it started ends with it, also
after a failure. A clean end is part of the contract: a role that does not exit with 0 when asked to fails the run.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sharetally.adapters.migrations.runner import upgrade
from tests.oracle.process import COMMAND, Role
from tests.oracle.tokens import Token, token_signer
from tests.services.launch import free_port

SECRET = "known to the tests alone, and long enough"
_CONTENT_URLS = {kind: f"https://example.org/{kind}/{{contentId}}" for kind in ("video", "article")}
LOAD_SETTINGS = {
    "CONTENT_URLS": json.dumps(_CONTENT_URLS),
    "LINK_HOSTS": "*",
    "RATE_LIMIT": "off",
    "JWT_SECRET": SECRET,
}
_GRUMBLING = ("Traceback (most recent call last)", "was never awaited", "never retrieved")
_OF_A_LIBRARY = '"level":"warning"'  # RabbitMQ's client logs this for every connection that it loses


@dataclass(frozen=True, kw_only=True)
class Topology:
    """What a system is made of. What is None is left to the service; without `settings` too it is its default.

    `servers` serve the same on ports of their own, each from so many `processes`.
    `settings` are names and values of further settings; those for a load let it go anywhere, as fast as it can.
    `each` are more of them for one role alone: `serve`, `worker-0`, `relay-0`, … `packages` is a folder of Python
    packages that are installed for it.
    """

    database: str | None = None
    broker: str | None = None
    cache: str | None = None
    servers: int = 1
    processes: int = 1
    workers: int = 0
    relays: int = 0
    settings: Mapping[str, str] = field(default_factory=LOAD_SETTINGS.copy)
    each: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    packages: Path | None = None

    def __str__(self) -> str:
        kind = (self.database or "sqlite").split(":", 1)[0]
        broker = " + rabbitmq" if self.broker else ""
        cache = " + redis" if self.cache else ""
        roles = f"{self.processes} serving, {self.workers} workers, {self.relays} relays"
        return f"{kind}{broker}{cache}, {roles if broker else 'one process'}"


@dataclass(frozen=True)
class CommandResult:
    """How a command ended, and its output."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, decoded."""
        return json.loads(self.out)


class System:
    """The running system. `port` is the API's, the first of `ports`; `folder` holds its data and its logs.

    A client of a system that is already running gives only its ports.
    """

    def __init__(self, topology: Topology, folder: Path, *, ports: Sequence[int] | None = None) -> None:
        self.topology = topology
        self.ports = tuple(ports or (free_port() for _ in range(topology.servers)))
        self.port = self.ports[0]
        self.folder = folder
        self._environment = _environment(topology)
        self.servers = [self._server(number, port) for number, port in enumerate(self.ports)]
        self.workers = [self._role(f"worker-{n}", ["worker"]) for n in range(topology.workers)]
        self.relays = [self._role(f"relay-{n}", ["relay"]) for n in range(topology.relays)]

    def _server(self, number: int, port: int) -> Role:
        arguments = ["serve", "--port", str(port), "--processes", str(self.topology.processes)]
        return self._role(f"serve-{number}" if number else "serve", arguments, port=port)

    @property
    def serve(self) -> Role:
        """The first that serves."""
        return self.servers[0]

    def set_environment(self, **environment: str) -> None:
        """Commands run with this in their environment from now on."""
        self._environment |= environment

    def _role(self, name: str, arguments: list[str], port: int | None = None) -> Role:
        environment = dict(self._environment)
        environment |= {f"SHARETALLY_{name}": value for name, value in self.topology.each.get(name, {}).items()}
        if port is None:
            port = free_port()
            environment["SHARETALLY_OPS_PORT"] = str(port)
        return Role(name, arguments, port=port, environment=environment, log=self.folder / f"{name}.log")

    @property
    def roles(self) -> list[Role]:
        """Every role, running or not."""
        return [*self.workers, *self.relays, *self.servers]

    def token(self, scope: str = "shares") -> Token:
        """Tokens with this scope for any user."""
        return token_signer(self.topology.settings["JWT_SECRET"], scope)

    @property
    def database(self) -> str:
        """The URL of the database, also where it was left to the service."""
        return self.topology.database or f"sqlite:///{self.folder}/.sharetally/sharetally.db"

    async def cli(self, *arguments: str) -> CommandResult:
        """Run a command to its end."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *arguments, env=self._environment, cwd=self.folder, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return CommandResult(process.returncode, out.decode(), err.decode())

    async def start(self, *roles: Role) -> None:
        """Start these side by side, and wait until all are ready."""
        for role in roles:
            await role.start()
        await asyncio.gather(*(role.ready() for role in roles))

    async def stop(self) -> dict[str, int]:
        """Stop what still runs, the API last; name -> exit code."""
        codes: dict[str, int] = {}
        for role in self.roles:
            if role.running:
                codes[role.name] = await role.stop()
        return codes

    async def kill(self) -> None:
        """End what still runs at once."""
        for role in self.roles:
            if role.running:
                await role.kill()

    def unexpected_log_lines(self) -> list[str]:
        """Lines in the logs that no healthy process writes."""
        return [
            f"{role.name}: {line.strip()[:300]}"
            for role in self.roles
            if role.log.exists()
            for line in role.log.read_text(errors="replace").splitlines()
            if _OF_A_LIBRARY not in line and any(sign in line for sign in _GRUMBLING)
        ]


def _environment(topology: Topology) -> dict[str, str]:
    named = {
        "DATABASE_URL": topology.database,
        "BROKER_URL": topology.broker,
        "CACHE_URL": topology.cache,
        **topology.settings,
    }
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("SHARETALLY_")}
    if topology.packages:
        foreign["PYTHONPATH"] = os.pathsep.join(filter(None, [str(topology.packages), os.environ.get("PYTHONPATH")]))
    return foreign | {f"SHARETALLY_{name}": value for name, value in named.items() if value is not None}


@asynccontextmanager
async def open_system(topology: Topology, folder: Path) -> AsyncIterator[System]:
    """A migrated, ready system; every role that still runs at the end must end cleanly."""
    system = System(topology, folder)
    try:
        await asyncio.to_thread(upgrade, system.database)
        await system.start(*system.roles)
        yield system
        ended = {role.name: role.ended for role in system.roles if role.ended is not None}
        assert not ended, f"ended by themselves: {ended}; see {folder}"
        codes = await system.stop()
        assert not any(codes.values()), f"did not end cleanly: {codes}; see {folder}"
    finally:
        await system.kill()
