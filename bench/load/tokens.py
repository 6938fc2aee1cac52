"""Tokens for the users of a load, in a file that wrk reads."""

from __future__ import annotations

from pathlib import Path

from tests.oracle.system import SECRET
from tests.oracle.tokens import token_signer

USERS = 1_000
VIDEOS = 100_000


def write_tokens(folder: Path) -> Path:
    """Write one token per line, valid for an hour."""
    token = token_signer(SECRET)
    path = folder / "tokens"
    path.write_text("".join(f"{token(f'bench-{number}')}\n" for number in range(USERS)))
    return path
