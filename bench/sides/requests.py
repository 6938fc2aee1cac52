"""What several rows about reading do: ask once to see the answer, then read as fast as answers come."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.load.wrk import wrk
from tests.oracle.client import Client, Response

AT_ONCE = 200  # counts in one request


async def request_once(port: int, method: str, path: str, body: object = None, token: str | None = None) -> Response:
    """One answer, which must not be an error."""
    with Client(port) as client:
        response = await client.request(method, path, body, token=token)
    assert response.status < 400, str(response)
    return response


async def fill_cache(port: int, contents: int) -> None:
    """Have the counts of so many videos in the cache."""
    for start in range(0, contents, AT_ONCE):
        names = [{"contentType": "video", "contentId": f"v{number + 1}"} for number in range(start, start + AT_ONCE)]
        await request_once(port, "POST", "/share-links/counts", {"contents": names})


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """A file of paths or bodies for wrk."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


async def get_rate(port: int, paths: Path, seconds: int) -> float:
    """GETs answered a second."""
    return (await wrk(port, "get", str(paths), seconds=seconds)).rate


async def post_rate(port: int, path: str, bodies: Path, seconds: int) -> float:
    """POSTs answered a second."""
    return (await wrk(port, "post", path, str(bodies), seconds=seconds)).rate
