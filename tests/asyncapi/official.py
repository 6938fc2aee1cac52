"""The schema that asyncapi.com publishes, from its package; versions and hashes stand in `package-lock.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.services.npm import install_npm_packages

SCHEMA = Path("@asyncapi", "specs", "schemas", "3.0.0-without-$id.json")


def schema() -> Any:
    """The JSON Schema of AsyncAPI 3.0.0 documents."""
    return json.loads((install_npm_packages(Path(__file__).parent) / SCHEMA).read_text("utf-8"))
