"""`make demo-posting`: starts both servers, connects an account of the user `demo`, and says where to click."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from examples.posting_demo.local_pds import PACKAGES, call, local_pds, new_account, wait_until_up
from examples.posting_demo.npm import NpmFailed, installed_packages

HANDLE = "posting-demo.test"
PROGRAM = (sys.executable, "-m", "sharetally")
WELCOME = """
Sharetally runs at {base}, and a Bluesky server at {pds}.
The user demo has connected the account @{handle} there. Everything is gone when you press Ctrl-C.

  demo page   {base}/demo#token={token}

Open it, click the Bluesky button below a video, and press Post. Or follow docs/how-to/posting-demo.md with curl:

export TOKEN={token}
"""


def main() -> None:
    """Run until a signal arrives."""
    parser = argparse.ArgumentParser(prog="make demo-posting", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    port: int = parser.parse_args().port
    signal.signal(signal.SIGTERM, _stop)
    if not installed_packages(PACKAGES).exists():
        print("Installing a Bluesky server into .venv; its database is compiled, which takes some minutes", flush=True)
    try:
        with suppress(KeyboardInterrupt), TemporaryDirectory(prefix="sharetally-demo-") as folder:
            _run(Path(folder), port)
    except (NpmFailed, RuntimeError) as error:
        sys.exit(f"make demo-posting: {error}")


def _run(folder: Path, port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    with local_pds(folder / "pds", port=_free_port(), directory_port=_free_port()) as pds:
        settings = {
            "DATA_DIR": str(folder / "data"),
            "PUBLIC_URL": base,
            "SHARE_PLATFORMS": "bluesky,twitter,whatsapp,linkedin",
            "POST_PLATFORMS": "bluesky",
            "POST_PRIVATE_SERVERS": f"{pds.url},{pds.directory}",
            "BLUESKY_SERVER": pds.url,
            "BLUESKY_DIRECTORY": pds.directory,
        }
        own = {name: value for name, value in os.environ.items() if not name.startswith("SHARETALLY_")}
        environment = own | {f"SHARETALLY_{name}": value for name, value in settings.items()}
        subprocess.run([*PROGRAM, "migrate"], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        with _service(folder, environment, port) as service:
            scope = "shares audit analytics admin"
            command = [*PROGRAM, "token", "--user", "demo", "--scope", scope, "--ttl", "86400"]
            token = subprocess.check_output(command, cwd=folder, env=environment, text=True).strip()
            account = {"identifier": HANDLE, "appPassword": new_account(pds, HANDLE), "server": pds.url}
            call(f"{base}/accounts/bluesky/connect", account, token=token)
            print(WELCOME.format(base=base, pds=pds.url, handle=HANDLE, token=token), flush=True)
            service.wait()


@contextmanager
def _service(folder: Path, environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    log = folder / "sharetally.log"
    with log.open("wb") as output:
        command = [*PROGRAM, "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        wait_until_up(f"http://127.0.0.1:{port}/health/live", process, log)
        yield process
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
