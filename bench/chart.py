"""The bar chart: each row's ratio against its target, on a logarithmic scale, drawn here as SVG.

A bar that reaches the line at 1 meets its target, whichever sense the target has; a thin line is the spread.
Rows without a target, and failed ones, are named without a bar. Colours follow the reader's light or dark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from bench.alternate import figure

WIDTH, LEFT, RIGHT, TOP, LINE = 950, 400, 140, 46, 30
LEAST, MOST = 0.1, 10.0  # the range of the scale; bars beyond it end at its edge
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10)
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.small { font-size: 11px; fill: #59636e; }
.grid { stroke: #d1d9e0; } .one { stroke: #1f2328; stroke-width: 2; } .spread { stroke: #1f2328; stroke-width: 1.5; }
.met { fill: #2f9e63; } .missed { fill: #d1762b; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .small { fill: #9198a1; } .grid { stroke: #3d444d; }
  .one, .spread { stroke: #f0f6fc; } .met { fill: #3fb950; } .missed { fill: #e08a3c; }
}
"""


def draw_chart(entries: Sequence[Mapping[str, Any]]) -> str:
    """Draw all rows from top to bottom."""
    height = TOP + LINE * len(entries) + 24
    parts = [_grid(tick, height) for tick in TICKS]
    parts += [part for place, told in enumerate(entries) for part in _row(told, TOP + LINE * place)]
    parts.append(f'<line class="one" x1="{x(1):.1f}" x2="{x(1):.1f}" y1="{TOP - 8}" y2="{height - 20}"/>')
    title = "How far each row is from its target: a bar that reaches the line at 1 meets it"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">\n'
        f'<style>{STYLE}</style>\n<text x="8" y="20">{title}</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def bar_end(told: Mapping[str, Any], ratio: float) -> float:
    """The fraction of the target that a ratio reaches: 1 meets it, more is better."""
    wanted = told["target"]
    value: float = ratio / wanted["value"] if wanted["sense"] == "at least" else wanted["value"] / ratio
    return value


def x(value: float) -> float:
    """The x coordinate of a value."""
    share = math.log(min(MOST, max(LEAST, value)) / LEAST) / math.log(MOST / LEAST)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _grid(tick: float, height: int) -> str:
    at = f"{x(tick):.1f}"
    return (
        f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP - 8}" y2="{height - 20}"/>'
        f'<text class="small" x="{at}" y="{height - 6}" text-anchor="middle">{tick:g}</text>'
    )


def _row(told: Mapping[str, Any], top: int) -> list[str]:
    middle = top + LINE // 2
    parts = [
        f'<text x="8" y="{middle}">{escape(told["ours"])}</text>',
        f'<text class="small" x="8" y="{middle + 12}">/ {escape(told["reference"])}</text>',
    ]
    if told["verdict"] == "failed" or told["target"] is None:
        ratio = "" if told["verdict"] == "failed" else f" {figure(told['ratio'])}"
        return [*parts, f'<text x="{LEFT + 6}" y="{middle + 4}">{told["verdict"]}{ratio}</text>']
    return [*parts, *_bar(told, top, middle)]


def _bar(told: Mapping[str, Any], top: int, middle: int) -> list[str]:
    end = x(bar_end(told, told["ratio"]))
    low, high = sorted(x(bar_end(told, ratio)) for ratio in told["spread"])
    kind = "met" if told["verdict"] == "met" else "missed"
    sense = ">=" if told["target"]["sense"] == "at least" else "<="
    words = f"{figure(told['ratio'])} ({sense} {told['target']['value']:g})"
    return [
        f'<rect class="{kind}" x="{LEFT}" y="{top + 6}" width="{end - LEFT:.1f}" height="{LINE - 12}" rx="2"/>',
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text x="{WIDTH - RIGHT + 8}" y="{middle + 4}">{escape(words)}</text>',
    ]
