"""Pictures: the exact text of DOT and Mermaid, what is escaped, the scalar level, what is refused, and SVG."""

import builtins
import importlib.util
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import DataError, EinstanError
from einstan.layers import dense, relu
from einstan.library.dot import dot, mermaid
from einstan.library.draw import graph_of, mimebundle
from einstan.library.graph import Edge, Graph, Vertex

NEEDS_EXTRA = pytest.mark.skipif(
    importlib.util.find_spec("pygraphviz") is None, reason="pygraphviz is not installed: pip install 'einstan[draw]'"
)


def two_layers():
    return es.Network(
        dense("H", X="X", W="W", b="b", j=3),
        relu("A", Z="H"),
        "L = mean[N,J]((A[N,J] - Y[N,J])^2)",
    )


@pytest.fixture
def without_extra(monkeypatch):
    """As if pygraphviz were not installed."""
    real = builtins.__import__

    def refusing(name, *rest):
        if name == "pygraphviz":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refusing)


# ---- exact texts -----------------------------------------------------------------------------------------------------

HEAD = """\
digraph {
  graph [fontname="Helvetica,Arial,sans-serif", fontsize=11, rankdir=TB, nodesep=0.3, ranksep=0.45];
  node [fontname="Helvetica,Arial,sans-serif", fontsize=11, style=filled, color="#1d2330", fontcolor="#1d2330", \
margin="0.14,0.07", height=0.35];
  edge [fontname="Helvetica,Arial,sans-serif", fontsize=9, color="#1d2330", fontcolor="#1d2330", arrowsize=0.7];
"""

FORWARD = (
    HEAD
    + """\
  "X" [label="X", shape=ellipse, fillcolor="#d6e6f7"];
  "W" [label="W", shape=hexagon, fillcolor="#f2d58c", margin="0.02,0.04"];
  "b" [label="b", shape=hexagon, fillcolor="#f2d58c", margin="0.02,0.04"];
  "H" [label="H[n,j] = X[n,K] W[K,j] + b[j]", shape=box, fillcolor="#ffffff"];
  "A" [label="A[n,j] = relu(H[n,j])", shape=box, fillcolor="#ffffff"];
  "Y" [label="Y", shape=ellipse, fillcolor="#d6e6f7"];
  "L" [label="L = mean[N,J]((A[N,J] - Y[N,J])^2)", shape=box, fillcolor="#b9dcc0", peripheries="2"];
  "X" -> "H" [label=" n,K "];
  "W" -> "H" [label=" K,j \\n k×3 "];
  "b" -> "H" [label=" j \\n 3 "];
  "H" -> "A" [label=" n,j \\n n×3 "];
  "A" -> "L" [label=" N,J \\n n×3 "];
  "Y" -> "L" [label=" N,J \\n n×3 "];
}
"""
)

BOTH_WAYS = """\
%%{init: {"flowchart": {"wrappingWidth": 480}}}%%
flowchart TB
    n0(["X"]):::input
    n1{{"W"}}:::parameter
    n2{{"b"}}:::parameter
    n3["H[n,j] = X[n,K] W[K,j] + b[j]"]:::equation
    n4["A[n,j] = relu(H[n,j])"]:::equation
    n5(["Y"]):::input
    n6[["L = mean[N,J]((A[N,J] - Y[N,J])^2)"]]:::output
    n7("dA[n,j] = 2 (A[n,j] - Y[n,j]) / (|n| |j|)"):::cotangent
    n8("dH[n,j] = 1[H[n,j] #62; 0] dA[n,j]"):::cotangent
    n9("dW[k,j] = X[N,k] dH[N,j]"):::cotangent
    n10("db[j] = dH[N,j]"):::cotangent
    n0 -->|"n,K<br/>8×2"| n3
    n1 -->|"K,j<br/>2×3"| n3
    n2 -->|"j<br/>3"| n3
    n3 -->|"n,j<br/>8×3"| n4
    n4 -->|"N,J<br/>8×3"| n6
    n5 -->|"N,J<br/>8×3"| n6
    n6 -.-> n7
    n7 -.->|"n,j<br/>8×3"| n8
    n8 -.->|"N,j<br/>8×3"| n9
    n8 -.->|"N,j<br/>8×3"| n10
    classDef input fill:#d6e6f7,stroke:#1d2330,color:#1d2330
    classDef parameter fill:#f2d58c,stroke:#1d2330,color:#1d2330
    classDef equation fill:#ffffff,stroke:#1d2330,color:#1d2330
    classDef output fill:#b9dcc0,stroke:#1d2330,color:#1d2330
    classDef cotangent fill:#f3f0f7,stroke:#1d2330,color:#1d2330,stroke-dasharray:4 3
"""

# Figure 5 of Zhao: a vector of a scalar, and a scalar of a vector, joined.
COMPOSED = (
    HEAD
    + """\
  graph [rankdir=LR, ranksep=1.6, nodesep=0.2];
  edge [headport=w, tailport=e];
  graph [labelloc=b, label="\\lx[i] = sin(a[i] t)\\lz = x[I]^2\\l"];
  "a[0]" [label="a[0]", shape=ellipse, fillcolor="#d6e6f7"];
  "a[1]" [label="a[1]", shape=ellipse, fillcolor="#d6e6f7"];
  "t" [label="t", shape=ellipse, fillcolor="#d6e6f7"];
  "x[0]" [label="x[0]", shape=box, fillcolor="#ffffff"];
  "x[1]" [label="x[1]", shape=box, fillcolor="#ffffff"];
  "z" [label="z", shape=box, fillcolor="#b9dcc0", peripheries="2"];
  "a[0]" -> "x[0]";
  "t" -> "x[0]";
  "a[1]" -> "x[1]";
  "t" -> "x[1]";
  "x[0]" -> "z";
  "x[1]" -> "z";
  { rank=same; "a[0]" -> "a[1]" -> "t" [style=invis]; }
  { rank=same; "x[0]" -> "x[1]" [style=invis]; }
}
"""
)


def composed():
    return es.Program("x[i] = sin(a[i] t)\nz = x[I]^2")


def test_dot_of_two_layers(tmp_path):
    path = two_layers().draw(tmp_path / "net.dot")
    assert path.read_text(encoding="utf-8") == FORWARD


def test_mermaid_of_two_layers_with_their_backward_pass(tmp_path):
    path = two_layers().draw(tmp_path / "net.mmd", backward="L", extents={"n": np.int64(8), "W": np.ones((2, 3))})
    assert path.read_text(encoding="utf-8") == BOTH_WAYS


def test_dot_of_components(tmp_path):
    path = composed().draw(str(tmp_path / "z.DOT"), extents={"i": 2}, scalars=True)
    assert path.read_text(encoding="utf-8") == COMPOSED


def test_the_backward_pass_stands_beside_the_forward_pass():
    """Backward edges are written against their arrows, so that every edge goes down the ranks."""
    text = dot(graph_of(two_layers(), "L"))
    assert '  "dH" -> "dA" [label=" n,j \\n n×3 ", dir=back, style=dashed];\n' in text
    assert '  "dA" -> "L" [dir=back, style=dashed];\n' in text
    assert '  { rank=same; "A" -> "dA" [style=invis]; }\n' in text


def test_long_equations_are_broken_between_words():
    graph = graph_of(es.Program(f"Y[i] = {' + '.join(f'X{k}[i]' for k in range(30))}"))
    label = next(line for line in dot(graph).splitlines() if line.startswith('  "Y" ['))
    lines = label.split('label="')[1].split('"')[0].split("\\n")
    assert " ".join(lines) == graph.vertices[-1].text
    assert max(map(len, lines)) <= 60


# ---- escaping --------------------------------------------------------------------------------------------------------

AWKWARD = Graph(
    (Vertex('a "b" \\n & <c>', "input", 'a "b" \\n & <c>'), Vertex("Ω_1", "output", "`Ω_1` #1; *x* ~ $")),
    (Edge('a "b" \\n & <c>', "Ω_1", ('"n",K', "2×3")),),
)


def test_what_dot_would_read_as_markup_is_escaped():
    assert dot(AWKWARD).removeprefix(HEAD).splitlines() == [
        r'  "a \"b\" \\n &amp; <c>" [label="a \"b\" \\n &amp; <c>", shape=ellipse, fillcolor="#d6e6f7"];',
        '  "Ω_1" [label="`Ω_1` #1; *x* ~ $", shape=box, fillcolor="#b9dcc0", peripheries="2"];',
        r'  "a \"b\" \\n &amp; <c>" -> "Ω_1" [label=" \"n\",K \n 2×3 "];',
        "}",
    ]


def test_what_mermaid_would_read_as_markup_is_escaped():
    assert mermaid(AWKWARD).splitlines()[2:5] == [
        '    n0(["a #34;b#34; #92;n #38; #60;c#62;"]):::input',
        '    n1[["#96;Ω#95;1#96; #35;1; #42;x#42; #126; #36;"]]:::output',
        '    n0 -->|"#34;n#34;,K<br/>2×3"| n1',
    ]


def test_names_of_the_notation():
    program = es.Program("Z^(2)[i] = Σ_1[i] 2\nend = Z^(2)[I] 1[I < 3]")
    assert '"Z^(2)" -> "end" [label=" I "];' in dot(graph_of(program))
    assert 'n2[["end = Z^(2)[I] 1[I #60; 3]"]]:::output' in mermaid(graph_of(program))


# ---- what is a vertex, and what an edge ------------------------------------------------------------------------------


def kinds(graph):
    return {vertex.name: vertex.kind for vertex in graph.vertices}


def pairs(graph):
    return [(edge.source, edge.target) for edge in graph.edges]


def test_without_a_network_nothing_is_a_parameter():
    assert kinds(graph_of(two_layers().program)) == {
        "X": "input", "W": "input", "b": "input", "H": "equation", "A": "equation", "Y": "input", "L": "output",
    }  # fmt: skip


def test_an_equation_and_several_can_be_drawn():
    equation = es.parse("y[i] = A[i,J] x[J]")
    assert dot(graph_of(equation)) == dot(graph_of([equation])) == dot(graph_of(equation.program))


def test_every_access_is_named_and_inner_letters_are_not():
    program = es.Program("T[i] = X[i,i] + X[0,i]\nA[n,m] = softmax[m](T[n] Q[m])\nY[i] = T[2i+R] W[R]")
    lines = {(edge.source, edge.target): edge.lines for edge in graph_of(program, extents={"W.0": 3}).edges}
    assert lines == {
        ("X", "T"): ("i,i", "0,i"),
        ("T", "A"): ("n",),
        ("Q", "A"): ("m",),
        ("T", "Y"): ("2i+R",),
        ("W", "Y"): ("R", "3"),
    }


def test_partial_derivatives_are_read_too():
    equation = es.parse("A[i,j] = dL/dZ[N] dZ[N]/dX[i,j]", known=["L", "Z", "X"])
    assert [(edge.source, edge.lines) for edge in graph_of(equation).edges] == [
        ("dL/dZ", ("dL/dZ[N]",)),
        ("dZ/dX", ("dZ[N]/dX[i,j]",)),
    ]


def test_extents_that_follow_are_told_and_nothing_is_guessed():
    program = es.Program("Y[n,i] = X[n,i+R] W[R]\nP[n] = Y[n,0]\nF[n] = T[n,0]")
    lines = {(edge.source, edge.target): edge.lines for edge in graph_of(program, extents={"X": (4, 9), "R": 3}).edges}
    assert lines == {
        ("X", "Y"): ("n,i+R", "4×9"),
        ("W", "Y"): ("R", "3"),
        ("Y", "P"): ("n,0", "4×7"),
        ("T", "F"): ("n,0",),
    }


def test_a_parameter_that_the_scalar_does_not_read_has_no_cotangent():
    net = es.Network(dense("H", X="X", W="W", b="b"), "L = X[N,K]^2 V[K]", parameters={"V": "ones"})
    found = kinds(graph_of(net, "L"))
    assert [name for name, kind in found.items() if kind == "cotangent"] == ["dV"]


def test_a_cotangent_comes_from_those_that_it_reads():
    """The penalty's cotangent is a number, so its part of dW reads no cotangent."""
    program = es.Program("H[i] = W[i,J] x[J]\nP = 0.5 W[I,J]^2\nM = H[I]^2\nL = M + P")
    edges = [(edge.source, edge.target) for edge in graph_of(program, "L").edges if edge.backward]
    assert edges == [("L", "dH"), ("dH", "dW"), ("dH", "dx")]


COMPONENTS = [  # program, extents, edges
    ("y[i] = A[i,J] x[J]", {"A": (1, 2)}, "A[0,0]>y[0] A[0,1]>y[0] x[0]>y[0] x[1]>y[0]"),
    ("t = A[I,I]", {"A": (2, 2)}, "A[0,0]>t A[1,1]>t"),
    ("y[i] = x[2i+1]", {"x": (4,)}, "x[1]>y[0] x[3]>y[1]"),
    ("y[i] = pad(x[i+J-1]) w[J] where |i| = |x.0|", {"x": (2,), "w": (2,)},
     "x[0]>y[0] w[1]>y[0] x[0]>y[1] x[1]>y[1] w[0]>y[1] w[1]>y[1]"),
    ("y[i] = sum[J](1[J < i] x[J])", {"x": (2,), "i": 2}, "x[0]>y[1]"),
    ("D[i,j] = δ[i,j] x[i]", {"x": (2,)}, "x[0]>D[0,0] x[1]>D[1,1]"),
    ("y[n] = E[T[n]]", {"E": (2,), "T": (1,)}, "E[0]>y[0] E[1]>y[0] T[0]>y[0]"),
    ("y[i] = 1[x[i] > 0] z", {"x": (1,)}, "x[0]>y[0] z>y[0]"),
    ("y[i] = mean[J](x[i,J])", {"x": (1, 2)}, "x[0,0]>y[0] x[0,1]>y[0]"),
    ("y[i] = x[i] / |i|", {"x": (1,)}, "x[0]>y[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "extents", "edges"), COMPONENTS)
def test_a_component_is_joined_to_those_that_its_loop_reads(text, extents, edges):
    found = pairs(graph_of(es.Program(text), extents=extents, scalars=True))
    assert sorted(">".join(pair) for pair in found) == sorted(edges.split())


@pytest.mark.parametrize(("text", "extents"), [row[:2] for row in COMPONENTS if "T[n]" not in row[0]])
def test_components_that_are_not_joined_do_not_matter(text, extents):
    """The loops themselves: a component that is not joined to another can change without changing it."""
    program = es.Program(text)
    graph = graph_of(program, extents=extents, scalars=True)
    entries = [vertex.name for vertex in graph.vertices if vertex.kind == "input"]
    shapes = {}
    for entry in entries:
        name, _, position = entry.partition("[")
        where = tuple(int(k) for k in position[:-1].split(",")) if position else ()
        shapes[name] = tuple(max(a, b + 1) for a, b in zip(shapes.get(name, (0,) * len(where)), where, strict=True))
    arrays = {name: np.ones(shape) for name, shape in shapes.items()}
    sizes = {key: size for key, size in extents.items() if isinstance(size, int)}
    equation = next(iter(program))
    before = np.array(es.Equation.of(equation).loops(sizes, **arrays).tolist(), dtype=float)
    for entry in entries:
        name, _, position = entry.partition("[")
        changed = {**arrays, name: arrays[name].copy()}
        changed[name][tuple(int(k) for k in position[:-1].split(",")) if position else ()] = -3.0
        after = np.array(es.Equation.of(equation).loops(sizes, **changed).tolist(), dtype=float)
        joined = {target for source, target in pairs(graph) if source == entry}
        for where in np.ndindex(before.shape):
            target = f"{equation.name}[{','.join(map(str, where))}]" if where else str(equation.name)
            assert (before[where] != after[where]) == (target in joined), (entry, target)


def test_the_backward_pass_of_components():
    """The chain rule on the graph: z reaches t backwards through every component of x (Zhao, equation 9)."""
    graph = graph_of(composed(), "z", {"i": 2}, scalars=True)
    backward = [(edge.source, edge.target) for edge in graph.edges if edge.backward]
    assert [pair for pair in backward if pair[1] in ("dx[0]", "dx[1]", "dt")] == [
        ("z", "dx[0]"), ("z", "dx[1]"), ("dx[0]", "dt"), ("dx[1]", "dt"),
    ]  # fmt: skip


# ---- refusals --------------------------------------------------------------------------------------------------------

REFUSED = [  # path, options, message
    (
        "net.jpeg",
        {},
        """
net.jpeg has no ending that says how to draw it
  inferred: the ending is .jpeg
  repair:   end it in .svg, .png, .dot or .mmd""",
    ),
    (
        "net",
        {},
        """
net has no ending that says how to draw it
  inferred: there is no ending
  repair:   end it in .svg, .png, .dot or .mmd""",
    ),
    (
        "net.dot",
        {"scalars": True, "extents": {"X": (40, 20)}},
        """
the graph would have 1224 components; more than 200 cannot be read
  inferred: X has 40×20, W has 20×3, b has 3, H has 40×3, A has 40×3, Y has 40×3
  repair:   give smaller extents
            or draw whole tensors, without scalars=True""",
    ),
    (
        "net.dot",
        {"extents": {"q": 2}},
        """
there is no index q
  inferred: the indices are n, j, k
  repair:   name an index, or an axis such as X.0""",
    ),
    (
        "net.dot",
        {"backward": "M"},
        """
no equation defines M
  inferred: defined are H, A, L
  repair:   differentiate one of these""",
    ),
    (
        "net.dot",
        {"extents": {"V": (40, 20)}},
        """
V is not a tensor that the program reads
  inferred: it reads X, W, b, Y
  repair:   leave V out""",
    ),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED)
def test_refusals(tmp_path, name, options, message):
    with pytest.raises(EinstanError) as caught:
        two_layers().draw(tmp_path / name, **options)
    assert str(caught.value) == message.removeprefix("\n")
    assert list(tmp_path.iterdir()) == []


def test_components_need_every_extent(tmp_path):
    with pytest.raises(EinstanError) as caught:
        two_layers().draw(tmp_path / "net.dot", scalars=True)
    assert caught.value.problem == "the extent of n is not known"


def test_a_shape_has_as_many_axes_as_its_tensor():
    with pytest.raises(DataError) as caught:
        graph_of(two_layers(), extents={"X": (40,)})
    assert caught.value.problem == "X has 1 axis (40,), but the equation reads 2 axes"


@pytest.mark.usefixtures("without_extra")
@pytest.mark.parametrize("ending", ["svg", "png"])
def test_pictures_without_the_extra(tmp_path, ending):
    with pytest.raises(DataError) as caught:
        two_layers().draw(tmp_path / f"net.{ending}")
    assert str(caught.value).splitlines() == [
        f"drawing {ending.upper()} needs pygraphviz, which is not installed",
        "  repair:   pip install 'einstan[draw]'",
        "            or write .dot or .mmd, which need nothing",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_extra")
def test_text_needs_nothing(tmp_path):
    assert two_layers().draw(tmp_path / "net.dot").stat().st_size > 0
    assert two_layers().draw(tmp_path / "net.mmd").stat().st_size > 0
    shown = two_layers()._repr_mimebundle_()
    assert shown == {"text/markdown": f"```mermaid\n{mermaid(graph_of(two_layers()))}```\n"}


# ---- pictures --------------------------------------------------------------------------------------------------------


@NEEDS_EXTRA
def test_pictures(tmp_path):
    """SVG is well-formed XML that says what the graph says; a notebook is shown it; PNG is PNG."""
    net = two_layers()
    for options in ({}, {"backward": "L"}, {"extents": {"X": (2, 2)}, "scalars": True, "backward": "L"}):
        graph = graph_of(net, **options)
        path = net.draw(tmp_path / "net.svg", **options)
        titles = [node.text for node in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}title")]
        assert {vertex.name for vertex in graph.vertices} <= set(titles)
        written = [node.text for node in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
        assert {vertex.text for vertex in graph.vertices} <= set(written)
    awkward = tmp_path / "awkward.svg"
    es.Program("Z^(2)[i] = Σ_1[i] 1[Σ_1[i] < 2]").draw(awkward)
    written = [node.text for node in ElementTree.parse(awkward).iter("{http://www.w3.org/2000/svg}text")]
    assert "Z^(2)[i] = Σ_1[i] 1[Σ_1[i] < 2]" in written
    assert net.draw(tmp_path / "net.png").read_bytes().startswith(b"\x89PNG\r\n")
    (kind, svg), = mimebundle(net).items()  # fmt: skip
    assert kind == "image/svg+xml"
    assert ElementTree.fromstring(svg.encode()).tag == "{http://www.w3.org/2000/svg}svg"
