"""The browser: the one that SHARETALLY_TEST_CHROMIUM names, else an installed one, else, as root on Debian, installed.

It is the system's own, driven by Playwright; nothing is downloaded past the package manager.
"""

from __future__ import annotations

import os
import shutil

from tests.services.server import Unavailable, install, program

VARIABLE = "SHARETALLY_TEST_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
OPTIONS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-features=LocalNetworkAccessChecks",  # pages of other origins may ask the service on this machine
)


def chromium() -> str:
    """The path of a Chromium; `Unavailable` says why there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return _named(named)
    found = _found()
    if found is None:
        found = _installed()
    return found


def options() -> list[str]:
    """The command line; root gets no sandbox."""
    return [*OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def _named(path: str) -> str:
    if not os.access(path, os.X_OK):
        raise Unavailable(f"the browser that {VARIABLE} names is no program")
    return path


def _found() -> str | None:
    return next((path for name in NAMES if (path := program(name))), None)


def _installed() -> str:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(f"none is installed; name one with {VARIABLE}")
    install("chromium")
    found = _found()
    if found is None:
        raise Unavailable("Debian's chromium brought no program")
    return found
