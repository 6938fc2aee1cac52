"""An export of the audit continues where a torn file ends, as its page says, without losing a line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import require_service
from tests.docs.pages import DOCS, blocks

WHOLE = ("2026-11-30T08:30:58.637101Z", "2026-11-30T08:30:57.637101Z", "2026-11-30T08:30:57.637101Z")


@pytest.mark.parametrize("torn", ["", '{"id": "4", "at": "2026-11', '{"id": "4", "at": "2026-11-30T08:30:57.637101Z"'])
def test_a_torn_export_is_resumed_without_losing_a_line(tmp_path: Path, torn: str) -> None:
    require_service(shutil.which("jq"), "jq")
    lines = [json.dumps({"id": str(number), "at": at}) + "\n" for number, at in enumerate(WHOLE)]
    (tmp_path / "audit.jsonl").write_text("".join(lines) + torn)
    (text,) = [block.text for block in blocks(DOCS / "how-to" / "export-the-audit.md") if "TO=" in block.text]
    script = f'{text.partition("curl ")[0]}\nprintf %s "$TO"'
    to = subprocess.run(["sh", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert to == "2026-11-30T08:30:58Z"  # after the last whole line, and `to` itself is not included
