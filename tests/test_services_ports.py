"""Ports that tests give away: held from the start, so that no other process can come to listen there meanwhile."""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.oracle.process import Role
from tests.services.launch import free_port, is_listening, serves

pytestmark = pytest.mark.anyio


def test_a_port_already_handed_out_is_not_handed_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_port()
    drawn = iter([first, other := free_port() + 1])
    monkeypatch.setattr(random, "randrange", lambda *_: next(drawn))
    assert free_port() == other


def test_no_other_process_is_given_it_either() -> None:
    port = free_port()
    asked = f"import random, tests.services.launch as launch; draws = iter([{port}, {port + 1}, {port + 2}]); "
    asked += "random.randrange = lambda *_: next(draws); print(launch.free_port())"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert int(done.stdout) != port


def test_the_server_it_is_meant_for_listens_there_as_often_as_it_starts() -> None:
    port = free_port()
    for _ in range(2):
        assert not is_listening("127.0.0.1", port)
        with socket.create_server(("127.0.0.1", port)):
            assert is_listening("127.0.0.1", port)


@pytest.fixture
async def sleeping() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec("sleep", "60")
    yield process
    process.kill()
    await process.wait()


async def test_a_role_is_not_ready_while_another_process_answers_on_its_port(
    tmp_path: Path, sleeping: asyncio.subprocess.Process
) -> None:
    role = Role("worker-0", [], port=(port := free_port()), environment={}, log=tmp_path / "log")
    role._process = sleeping
    stranger = await asyncio.start_server(_says_that_it_is_ready, "127.0.0.1", port)
    async with stranger:
        with pytest.raises(AssertionError, match="another process than worker-0 answers"):
            await role.ready()


async def _says_that_it_is_ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def test_a_listener_is_found_by_its_process() -> None:
    port = free_port()
    listens_there = f"import socket, sys; s = socket.create_server(('127.0.0.1', {port})); print(); sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-uc", listens_there], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert serves(process.pid, port)
        assert not serves(process.pid, port + 1)
        process.kill()
