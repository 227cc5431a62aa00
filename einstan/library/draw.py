"""Pictures of computation graphs: DOT and Mermaid as text, SVG and PNG by Graphviz.

    net.draw("net.svg", backward="L", extents={"n": 32})

An input is an ellipse, a parameter a hexagon, an equation a box, an output a box with a double frame, a cotangent a
dashed box with round corners; each has a shade of its own too.  The same graph gives the same text.  SVG and PNG need
the extra ``einstan[draw]``, which brings Graphviz along; DOT (``.dot``) and Mermaid (``.mmd``) need nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from einstan.calculus.program import Program
from einstan.language.arguments import checked, require
from einstan.language.errors import DataError
from einstan.language.term import Equation, Name
from einstan.library import graph as graphs
from einstan.library.dot import mermaid
from einstan.library.graph import Graph
from einstan.library.network import Network
from einstan.library.pictures import rendered, write
from einstan.machine.sizes.extents import as_program

Drawable = Network | Program | Equation | Iterable[Equation]


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

    Examples:
        >>> from einstan.library.draw import draw
        >>> print(draw(es.Program("y[i] = A[i,J] x[J]"), "program.mmd").read_text().splitlines()[4])
            n2[["y[i] = A[i,J] x[J]"]]:::output
    """
    return write(graph_of(what, backward, extents, scalars), path)


@checked
def graph_of(
    what: Drawable, backward: Name | None = None, extents: Mapping[str, Any] | None = None, scalars: bool = False
) -> Graph:
    """What is drawn, as a value.

    Examples:
        >>> from einstan.library.draw import graph_of
        >>> [vertex.name for vertex in graph_of(es.Program("y[i] = A[i,J] x[J]")).vertices]
        ['A', 'x', 'y']
    """
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
