"""Graphs in files: the ending of the name says how, SVG and PNG are drawn by Graphviz."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from einstan.language.arguments import checked, one_of, require
from einstan.language.errors import DataError
from einstan.library.dot import dot, mermaid
from einstan.library.files import write_out
from einstan.library.graph import Graph


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
def rendered(graph: Graph, form: str) -> bytes:
    """A picture of a graph, laid out by Graphviz.

    Examples:
        >>> from einstan.library.draw import graph_of
        >>> from einstan.library.pictures import rendered
        >>> rendered(graph_of(es.Program("y[i] = A[i,J] x[J]")), "svg")[:5]
        b'<?xml'
    """
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
