"""A bare route: the server in which Sharetally runs, as many processes, the same bytes, and nothing behind them."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bench.harness import PROCESSES
from bench.process import responds, run_process
from tests.oracle.client import Response
from tests.services.launch import free_port

ANSWER = "BENCH_BARE_ANSWER"
SERVER_HEADERS = ("date", "content-length", "transfer-encoding", "connection")


def app() -> ASGIApp:
    """Answers every request with the same response."""
    told = json.loads(Path(os.environ[ANSWER]).read_text())
    body = told["body"].encode("latin-1")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told["headers"]]
    start: Message = {"type": "http.response.start", "status": told["status"], "headers": headers}
    end: Message = {"type": "http.response.body", "body": body}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(start)
            await send(end)

    return answer


@asynccontextmanager
async def bare(answer: Response, folder: Path) -> AsyncIterator[int]:
    """The port of a server that returns this response, with as many processes as Sharetally has."""
    told = folder / "answer.json"
    told.write_text(
        json.dumps({"status": answer.status, "headers": headers(answer), "body": answer.body.decode("latin-1")})
    )
    port = free_port()
    async with run_process(
        "bench.reference.bare", str(port), log=folder / "bare.log", settings={ANSWER: str(told)},
        ready=lambda: responds(port, "/"),
    ):  # fmt: skip
        yield port


def headers(answer: Response) -> Sequence[tuple[str, str]]:
    """The headers that the application sent; the server adds its own."""
    lines = answer.head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":")[::2] for line in lines)
    kept = [(name.lower(), value.strip()) for name, value in pairs if name.lower() not in SERVER_HEADERS]
    return [*kept, ("content-length", str(len(answer.body)))]


def main(port: int) -> None:
    """Serve as `sharetally serve` does: the same configuration of the server with another application."""
    from uvicorn.supervisors import Multiprocess

    from sharetally.roles import server_config

    config = server_config("bench.reference.bare:app", "127.0.0.1", port, PROCESSES)
    config.lifespan = "off"
    with config.bind_socket() as bound:
        Multiprocess(config, [bound]).run()


if __name__ == "__main__":
    import sys

    main(int(sys.argv[1]))
