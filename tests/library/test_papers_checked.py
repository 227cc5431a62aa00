r"""``es.check_paper`` and ``einstan check paper.tex``: a paper as it is typed, judged formula by formula."""

import json

import pytest

import einstan as es
from einstan.language.arguments import ArgumentError
from einstan.library.cli import main

PAPER = r"""% einstan: given X[n,k], W[k,j], b[j], Y[n,j] | layout rows
\begin{align}
Z_{nj} &= \sum_{k=1}^{K} X_{nk} W_{kj} + b_j \\
L &= \frac{1}{N} \sum_{n=1}^{N} \sum_{j} (Z_{nj} - Y_{nj})^2
\end{align}
\begin{equation} \frac{\partial L}{\partial Z_{nj}} = \frac{2}{N} (Z_{nj} - Y_{nj}) \tag{3} \end{equation}
\[ \nabla_W L = X^T \nabla_Z L \]
\[ \nabla_W L = \nabla_Z L\, X^T \]
\[ \frac{\partial L}{\partial W_{kj}} = 2 \sum_n X_{nk} (Z_{nj} - Y_{nj}) \]
\[ E = \int_0^1 f \]
\[ \frac{\partial E}{\partial a_i} = 0 \]
% einstan: skip an expectation over the data
\[ R = \mathbb{E}[L] \]
"""


@pytest.fixture(scope="module")
def report():
    return es.check_paper(PAPER, name="paper.tex")


def verdicts(report):
    return [(line.number, line.outcome.verdict) for line in report.lines if line.outcome is not None]


def test_definitions_claims_and_what_is_not_read(report):
    assert verdicts(report) == [
        (6, "proved"), (7, "proved"), (8, "unreadable"), (9, "refuted"), (10, "unreadable"), (11, "unreadable"),
    ]  # fmt: skip
    assert report.definitions == 2
    assert report.displays == {"read": 4, "partly": 0, "unread": 3}
    assert report.not_expressible == (r"R = \mathbb{E}[L] | an expectation over the data",)
    assert not report


def test_a_transposed_gradient_is_no_product(report):
    """Columns of X beside rows of the gradient: the extents do not fit, whatever they are."""
    (line,) = [line for line in report.lines if line.number == 8]
    assert line.problem == "a product over axes of two extents: Z (j) and X (k)"


def test_the_lost_factor_is_found(report):
    (line,) = [line for line in report.lines if line.number == 9]
    assert "left is |n| times right" in str(line) or "right is |n| times left" in str(line)
    assert line.outcome.counterexample is not None
    assert r"as typed:      \frac{\partial L}{\partial W_{kj}} = 2 \sum_n" in str(line)


def test_what_rests_on_a_formula_that_is_not_read_is_not_judged():
    text = "$$ E = \\int f $$ $$ e_i = 2 x_i $$ $$ E_i = e_i $$\n% einstan: claim"
    report = es.check_paper("% einstan: given x[i]\n$$ E_i = \\int f $$\n$$ E_i = 2 x_i $$", "md")
    assert not any(line.outcome and line.outcome.verdict == "proved" for line in report.lines)
    assert es.check_paper(text).displays["unread"] == 1


def test_the_printed_report(report):
    text = str(report)
    assert text.startswith("paper.tex\n   3    defined   Z[n,j] = X[n,K] W[K,j] + b[j]\n")
    assert "   6  ✓ proved    dL/dZ[n,j] = 2/|Z.0| (Z[n,j] - Y[n,j])  # (3)\n" in text
    assert "7 displays: 4 read, 0 in part, 3 not" in text


# The schema of the report as JSON: what a line may have, and of which type.
FIELDS = {
    "line": int, "kind": str, "text": str, "comment": str, "formula": str, "display": int, "reading": str,
    "problem": str, "repair": list, "verdict": str, "holds": bool, "evidence": str, "left": str, "right": str,
    "how": str, "reason": str, "points": int, "arithmetic": str, "judged_without_lines": list, "slip": str,
    "holds_if": list, "difference": list, "counterexample": dict,
}  # fmt: skip


def test_the_schema_of_the_json(report):
    found = json.loads(json.dumps(report.json()))
    assert list(found) == ["schema", "name", "ok", "counts", "displays", "lines", "not_expressible"]
    assert found["schema"] == 1
    assert found["displays"] == {"read": 4, "partly": 0, "unread": 3}
    for line in found["lines"]:
        assert {name: type(value) for name, value in line.items()} == {name: FIELDS[name] for name in line}
    by_line = {line["line"]: line for line in found["lines"]}
    assert by_line[6]["evidence"] == "proof"
    assert by_line[6]["reading"] == "dL/dZ[n,j] = 2/|Z.0| (Z[n,j] - Y[n,j])"
    assert by_line[9]["evidence"] == "counterexample"
    assert list(by_line[9]["counterexample"]) == ["sizes", "arrays", "at", "left", "right"]
    assert by_line[9]["difference"]
    assert by_line[10]["verdict"] == "unreadable"
    assert by_line[10]["problem"] == "an integral: the notation has sums alone"


def test_documents_and_papers_have_one_schema(report):
    document = es.check("Z[n,j] = X[n,K] W[K,j]\ndZ[n,j]/dX[m,p] = δ[n,m] W[j,p]\nclaim a = a a", "a.ein").json()
    assert list(document) == list(report.json())
    assert document["displays"] == {}
    for line in document["lines"]:
        assert {name: type(value) for name, value in line.items()} == {name: FIELDS[name] for name in line}


def test_the_command_tells_papers_by_their_names(tmp_path, capsys):
    good = "% einstan: given x[i]\n\\[ L = \\sum_i x_i^2 \\]\n\\[ \\frac{\\partial L}{\\partial x_j} = 2 x_j \\]\n"
    (tmp_path / "paper.tex").write_text(good)
    (tmp_path / "notes.md").write_text(good.replace("% einstan: given x[i]", "<!-- einstan: given x[i] -->"))
    (tmp_path / "lines.ein").write_text("L = x[I]^2\nclaim dL/dx[j] = 2 x[j]\n")
    names = [str(tmp_path / name) for name in ("paper.tex", "notes.md", "lines.ein")]
    assert main(["check", *names]) == 0
    assert capsys.readouterr().out.count("✓ proved") == 3
    assert main(["check", "--json", *names]) == 0
    assert [each["displays"] for each in json.loads(capsys.readouterr().out)] == [
        {"read": 2, "partly": 0, "unread": 0}, {"read": 2, "partly": 0, "unread": 0}, {},
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "comment"), [("tex", "% einstan: given x"), ("md", "<!-- einstan: given x -->")])
def test_every_refusal_says_what_to_write(kind, comment):
    report = es.check_paper("$$ E = \\int f $$\n\n$$ F = x $$", kind)
    repairs = [line["repair"] for line in report.json()["lines"]]
    assert all(repairs)
    assert comment in repairs[1]


@pytest.mark.parametrize("given", [{"kind": "pdf"}, {"seconds": 0}])
def test_arguments(given):
    with pytest.raises(ArgumentError):
        es.check_paper("", **given)


def test_reports_of_papers_are_typeset(report):
    assert "<math" in report.html()
    assert "\\begin{document}" in report.latex()
