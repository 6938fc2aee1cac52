"""Which server people mean when they name one, for platforms that consist of many servers.

A stranger chooses this name, and the service then connects to it. So it has to be the public name of a server: no
address, no port, nothing of a local network. Where the name leads is checked by the guard of `adapters/outbound.py`,
at each connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import idna

from sharetally.ports.posting_platform import ConnectFailed

LOCAL = ("local", "localhost", "internal", "intranet", "lan", "home", "corp", "home.arpa", "onion", "invalid", "test")
MAX_NAME = 253  # RFC 1035
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerNames:
    """Turns names into base URLs; `exceptions` are base URLs that are accepted as they are, whatever they look like."""

    exceptions: frozenset[str] = frozenset()

    def base_url(self, written: str) -> str:
        """The base URL of the server in `https://host/@user`, `@user@host`, `user@host` or `host`.

        Raises `ConnectFailed`, with a message for the person who wrote it.
        """
        try:
            return self._base_url(written.strip())
        except (ValueError, UnicodeError):
            raise ConnectFailed(f"{written[:80]!r} is not the name of a server; write it like social.example") from None

    def _base_url(self, written: str) -> str:
        if "://" not in written:
            written = "https://" + written.partition("/")[0].rpartition("@")[2]
        split = urlsplit(written)
        if f"{split.scheme}://{split.netloc}".lower() in self.exceptions:
            return f"{split.scheme}://{split.netloc}".lower()
        if split.scheme != "https" or "@" in split.netloc or split.port is not None or not split.hostname:
            raise ValueError
        # as browsers do (UTS 46): the codec of Python takes ß for ss, which may be somebody else's server
        host = idna.encode(split.hostname.removesuffix("."), uts46=True).decode()
        labels = host.split(".")
        if len(host) > MAX_NAME or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
            raise ValueError
        # the last label of an address has a digit first, whichever of its many forms it is written in
        if labels[-1][0].isdigit() or any(host.endswith(f".{suffix}") for suffix in LOCAL):
            raise ValueError
        return f"https://{host}"
