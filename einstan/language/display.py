"""What a notebook shows, made of text alone: tables as HTML, curves and patterns as SVG, equations in MathML.

Nothing has a ground of its own and letters have the notebook's colour, so that all is read in the dark too.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape

from einstan.language.mathml import mathml
from einstan.language.node import Node

COLOURS = ("#3b6ea8", "#c98a2b", "#6f9a5b", "#8a6bb0", "#b3574f")
WIDTH, HEIGHT, LEFT, BELOW = 480, 200, 78, 28  # of a curve, with room for its numbers
CELL = 12
MANY = 12  # rows of a table that are shown; of more, the first and the last


def shown(*parts: str) -> str:
    """Parts below each other."""
    return '<div class="einstan">\n' + "\n".join(part for part in parts if part) + "\n</div>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[str] = ()) -> str:
    """A table, its columns to the right but those in ``left``; of a long one the first and the last rows."""
    sides = ["left" if name in left else "right" for name in head]
    kept = list(rows) if len(rows) <= MANY else [*rows[: MANY // 2], ["⋮"] * len(head), *rows[-MANY // 2 :]]

    def row(cells: Sequence[str], tag: str) -> str:
        made = (f'<{tag} style="text-align: {side}">{escape(x)}</{tag}>' for side, x in zip(sides, cells, strict=False))
        return f"<tr>{''.join(made)}</tr>"

    body = "\n".join(row(cells, "td") for cells in kept)
    return f"<table>\n<thead>{row(head, 'th')}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def equations(lines: Iterable[Node]) -> str:
    """Equations below each other, with a sign for every sum."""
    return "\n".join(f'<div style="margin: 0.3em 0">{mathml(line, sums=True)}</div>' for line in lines)


def note(text: str) -> str:
    return f'<p style="white-space: pre-wrap">{escape(text)}</p>'


def folded(summary: str, text: str) -> str:
    """A long text behind one line."""
    return f"<details><summary>{escape(summary)}</summary><pre>{escape(text)}</pre></details>"


def curves(across: Sequence[float], columns: Mapping[str, Sequence[float]]) -> str:
    """Curves over one axis, with a logarithmic scale where all is positive; nothing of fewer than two points."""
    points = {
        name: [(x, y) for x, y in zip(across, values, strict=True) if math.isfinite(y)]
        for name, values in columns.items()
    }
    points = {name: found for name, found in points.items() if len(found) > 1}
    if not points:
        return ""
    values = [y for found in points.values() for _, y in found]
    scale = math.log10 if min(values) > 0 else float
    low, high = scale(min(values)), scale(max(values))
    low, high = (low, high) if high > low else (low - 1, high + 1)
    first, last = min(across), max(across)

    def place(x: float, y: float) -> str:
        right = LEFT + (x - first) / (last - first) * (WIDTH - LEFT - 8)
        down = 8 + (high - scale(y)) / (high - low) * (HEIGHT - BELOW - 16)
        return f"{right:.1f},{down:.1f}"

    lines, legend = [], []
    for k, (name, found) in enumerate(points.items()):
        colour = COLOURS[k % len(COLOURS)]
        path = " ".join(place(x, y) for x, y in found)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        legend.append(f'<tspan fill="{colour}">{"&#160;&#160;&#160;" * (k > 0)}<tspan>━ </tspan></tspan>{escape(name)}')
    ends = [(min(values), HEIGHT - BELOW - 8), (max(values), 12)]
    numbers = [f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:.3g}</text>' for value, y in ends]
    numbers += [
        f'<text x="{x}" y="{HEIGHT - 12}" text-anchor="{anchor}">{value:g}</text>'
        for value, x, anchor in ((first, LEFT, "start"), (last, WIDTH - 8, "end"))
    ]
    frame = f'<path d="M{LEFT} 8V{HEIGHT - BELOW}H{WIDTH - 8}" fill="none" stroke="currentColor" stroke-opacity="0.5"/>'
    title = f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{"".join(legend)}</text>'
    return _svg(WIDTH, HEIGHT, ", ".join(points), [frame, *lines, *numbers, title])


def pattern(cells: Sequence[Sequence[float]], what: str) -> str:
    """Squares, each as dark as its number from 0 to 1 says."""
    squares = [
        f'<rect x="{CELL * c + 1}" y="{CELL * r + 1}" width="{CELL - 1}" height="{CELL - 1}" fill="{COLOURS[0]}" '
        f'fill-opacity="{max(value, 0.08):.2f}"/>'
        for r, row in enumerate(cells)
        for c, value in enumerate(row)
    ]
    return _svg(CELL * len(cells[0]) + 1, CELL * len(cells) + 1, what, squares)


def _svg(width: int, height: int, what: str, parts: Iterable[str]) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(what)}" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="12" '
        f'fill="currentColor">\n{inside}\n</svg>'
    )
