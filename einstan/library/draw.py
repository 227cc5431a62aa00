"""Pictures of computation graphs: DOT and Mermaid as text, SVG and PNG by Graphviz.

    net.draw("net.svg", backward="L", extents={"n": 32})

An input is an ellipse, a parameter a hexagon, an equation a box, an output a box with a double frame, a cotangent a
dashed box with round corners; each has a shade of its own too.  The same graph gives the same text.  SVG and PNG need
the extra ``einstan[draw]``, which brings Graphviz along; DOT (``.dot``) and Mermaid (``.mmd``) need nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from einstan.calculus.program import Program
from einstan.language.arguments import checked, one_of, require
from einstan.language.errors import DataError
from einstan.language.term import Equation, Name
from einstan.library import graph as graphs
from einstan.library.files import write_out
from einstan.library.graph import Edge, Graph, Vertex
from einstan.library.network import Network
from einstan.machine.sizes.extents import as_program

Drawable = Network | Program | Equation | Iterable[Equation]
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


@checked
def draw(
    what: Drawable,
    path: str | Path,
    backward: Name | None = None,
    extents: Mapping[str, Any] | None = None,
    scalars: bool = False,
) -> Path:
    """Draw a network or a program into a file; its ending says how: ``.svg``, ``.png``, ``.dot`` or ``.mmd``.

    - ``backward``: a scalar, the backward pass of which is drawn dashed beside the forward pass;
    - ``extents``: sizes by index letter (``{"n": 32}``) or by axis (``"X.0"``), arrays or shapes by tensor;
    - ``scalars``: a vertex per component, for sizes of which at most 200 components come.

    Returns the path.  Raises `DataError` for another ending, and where SVG or PNG lack their extra; `ExtentError` where
    ``scalars`` lacks an extent or there are too many components.
    """
    return write(graph_of(what, backward, extents, scalars), path)


def write(graph: Graph, path: str | Path) -> Path:
    """A graph into a file, as the ending of its name says."""
    require("path", path, str | Path)
    path = Path(path)
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise DataError(
            f"{path.name} has no ending that says how to draw it",
            inferred=f"the ending is {path.suffix}" if path.suffix else "there is no ending",
            repair="end it in " + ", ".join(list(WRITERS)[:-1]) + " or " + list(WRITERS)[-1],
        )
    write_out(path, writer(graph))
    return path


@checked
def graph_of(
    what: Drawable, backward: Name | None = None, extents: Mapping[str, Any] | None = None, scalars: bool = False
) -> Graph:
    """What is drawn, as a value."""
    if not isinstance(what, Network | Program | Equation):
        what = tuple(what)
        require("what", what, tuple[Equation, ...])
    if isinstance(what, Network):
        return graphs.graph(what.program, what.params, backward, {**what.sizes, **(extents or {})}, scalars)
    return graphs.graph(as_program(what), (), backward, extents, scalars)


def mimebundle(what: Drawable) -> dict[str, str]:
    """What a notebook shows: the drawing where the extra is there, else Mermaid, which notebooks draw themselves."""
    graph = graph_of(what)
    try:
        return {"image/svg+xml": rendered(graph, "svg").decode()}
    except DataError:
        return {"text/markdown": f"```mermaid\n{mermaid(graph)}```\n"}


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


# ---- pictures --------------------------------------------------------------------------------------------------------


@checked
def rendered(graph: Graph, form: str) -> bytes:
    """A picture of a graph, laid out by Graphviz."""
    one_of("form", form, ("svg", "png"))
    try:
        from pygraphviz import AGraph
    except ImportError:
        raise DataError(
            f"drawing {form.upper()} needs pygraphviz, which is not installed",
            repair=("pip install 'einstan[draw]'", "or write .dot or .mmd, which need nothing"),
        ) from None
    drawn = AGraph(string=dot(graph))
    if form == "png":
        drawn.graph_attr["dpi"] = "144"
    picture: bytes = drawn.draw(format=form, prog="dot")
    drawn.close()
    return picture


WRITERS: dict[str, Callable[[Graph], bytes]] = {
    ".svg": lambda graph: rendered(graph, "svg"),
    ".png": lambda graph: rendered(graph, "png"),
    ".dot": lambda graph: dot(graph).encode(),
    ".mmd": lambda graph: mermaid(graph).encode(),
}
