"""Computation graphs as text: DOT for Graphviz, and Mermaid, which notebooks draw themselves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from einstan.library.graph import Edge, Graph, Vertex

WIDEST = 60  # characters on a line of a vertex
INK = "#1d2330"

# How each kind looks: the shape in DOT with further attributes, the brackets in Mermaid, the fill.
SHAPES = {
    "input": ("ellipse", {}, ('(["', '"])'), "#d6e6f7"),
    "parameter": ("hexagon", {"margin": "0.02,0.04"}, ('{{"', '"}}'), "#f2d58c"),
    "equation": ("box", {}, ('["', '"]'), "#ffffff"),
    "output": ("box", {"peripheries": "2"}, ('[["', '"]]'), "#b9dcc0"),
    "cotangent": ("box", {"style": "filled,rounded,dashed"}, ('("', '")'), "#f3f0f7"),
}


# ---- DOT -------------------------------------------------------------------------------------------------------------


def dot(graph: Graph) -> str:
    """The text of a graph for Graphviz.  Backward edges are written the other way round, to keep the ranks."""
    font = 'fontname="Helvetica,Arial,sans-serif"'
    looks = [
        f"graph [{font}, fontsize=11, rankdir=TB, nodesep=0.3, ranksep=0.45];",
        f'node [{font}, fontsize=11, style=filled, color="{INK}", fontcolor="{INK}", margin="0.14,0.07", height=0.35];',
        f'edge [{font}, fontsize=9, color="{INK}", fontcolor="{INK}", arrowsize=0.7];',
    ]
    lines = [f"  {line}" for line in looks]
    if graph.scalars:
        lines += ["  graph [rankdir=LR, ranksep=1.6, nodesep=0.2];", "  edge [headport=w, tailport=e];"]
    if graph.caption:
        caption = "".join(f"{_escaped(line)}\\l" for line in graph.caption)  # \l ends a line that is flush left
        lines.append(f'  graph [labelloc=b, label="\\l{caption}"];')
    lines += [f"  {_dot_vertex(vertex)}" for vertex in graph.vertices]
    lines += [f"  {_dot_edge(edge)}" for edge in graph.edges]
    lines += [f"  {{ rank=same; {' -> '.join(map(_quoted, row))} [style=invis]; }}" for row in graph.rows]
    return "\n".join(["digraph {", *lines, "}", ""])


def _dot_vertex(vertex: Vertex) -> str:
    shape, further, _, fill = SHAPES[vertex.kind]
    label = _quoted(_wrapped(vertex.text))
    attributes = {"label": label, "shape": shape, "fillcolor": f'"{fill}"'}
    attributes |= {key: f'"{value}"' for key, value in further.items()}
    return f"{_quoted(vertex.name)} [{', '.join(f'{key}={value}' for key, value in attributes.items())}];"


def _dot_edge(edge: Edge) -> str:
    ends = (edge.target, edge.source) if edge.backward else (edge.source, edge.target)
    attributes = ["dir=back", "style=dashed"] if edge.backward else []
    if edge.lines:
        attributes.insert(0, f"label={_quoted([f' {line} ' for line in edge.lines])}")
    bracket = f" [{', '.join(attributes)}]" if attributes else ""
    return f"{_quoted(ends[0])} -> {_quoted(ends[1])}{bracket};"


def _escaped(text: str) -> str:
    """Text inside a string of DOT, in which ``&`` would start an entity and a backslash an escape."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def _quoted(lines: str | Iterable[str]) -> str:
    """A string of DOT, its lines centred."""
    return '"' + "\\n".join(map(_escaped, [lines] if isinstance(lines, str) else lines)) + '"'


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDEST, break_long_words=False, break_on_hyphens=False) or [""]


# ---- Mermaid ---------------------------------------------------------------------------------------------------------


def mermaid(graph: Graph) -> str:
    """The text of a graph for Mermaid."""
    number = {vertex.name: f"n{k}" for k, vertex in enumerate(graph.vertices)}
    lines = ['%%{init: {"flowchart": {"wrappingWidth": 480}}}%%', f"flowchart {'LR' if graph.scalars else 'TB'}"]
    for vertex in graph.vertices:
        left, right = SHAPES[vertex.kind][2]
        lines.append(f"    {number[vertex.name]}{left}{_mermaid_text(_wrapped(vertex.text))}{right}:::{vertex.kind}")
    if graph.caption:
        lines.append(f'    caption["{_mermaid_text(graph.caption)}"]')
        lines.append("    style caption fill:none,stroke:none,text-align:left")
    for edge in graph.edges:
        label = f'|"{_mermaid_text(edge.lines)}"|' if edge.lines else ""
        lines.append(f"    {number[edge.source]} {'-.->' if edge.backward else '-->'}{label} {number[edge.target]}")
    for kind in dict.fromkeys(vertex.kind for vertex in graph.vertices):
        dashes = ",stroke-dasharray:4 3" if kind == "cotangent" else ""
        lines.append(f"    classDef {kind} fill:{SHAPES[kind][3]},stroke:{INK},color:{INK}{dashes}")
    return "\n".join([*lines, ""])


# What Mermaid reads as markup, as the entities that it knows; # is the sign of an entity itself.
ENTITIES = str.maketrans({c: f"#{ord(c)};" for c in '#"&<>`_*~$\\'})


def _mermaid_text(lines: Iterable[str]) -> str:
    return "<br/>".join(line.translate(ENTITIES) for line in lines)
