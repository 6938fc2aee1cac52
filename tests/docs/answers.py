"""What a page says that a command prints, with `…` for anything, and whether it is what was printed."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.docs.pages import Block

ANYTHING = "…"


def agrees(answer: Block, result: str) -> bool:
    """Whether the answer of the page fits what was printed."""
    if answer.info == "text answer":
        return _fits(answer.text.strip(), result.strip())
    told = json.loads(re.sub(r"(?<=: )…(?=[,}\n])", f'"{ANYTHING}"', answer.text))
    return _fits(told, json.loads(result))


def _fits(told: Any, result: Any) -> bool:
    match told:
        case str() if told == ANYTHING:
            return result is not None
        case str() if isinstance(result, str):
            return re.fullmatch(re.escape(told).replace(ANYTHING, ".*"), result, re.DOTALL) is not None
        case dict() if isinstance(result, dict):
            return list(told) == list(result) and all(_fits(told[name], result[name]) for name in told)
        case list() if isinstance(result, list):
            return len(told) == len(result) and all(_fits(*pair) for pair in zip(told, result, strict=True))
    return type(told) is type(result) and told == result
