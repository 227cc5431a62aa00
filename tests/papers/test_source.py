r"""What is displayed, on which line, and what comments say."""

import random
from pathlib import Path

import pytest

from einstan.papers import read_paper
from einstan.papers.rows import formulas_of
from einstan.papers.source import Display, displayed
from einstan.papers.tex import written

PAPER = (Path(__file__).parents[2] / "docs" / "papers" / "written" / "norms.tex").read_text(encoding="utf-8")
TEX = r"""\documentclass{article}
\newcommand{\vx}{\mathbf{x}}   % a macro without arguments
\newcommand{\two}[2]{#1 #2}
\DeclareMathOperator{\relu}{relu}
\begin{document}
A formula in a line, $a = 1$, and in a comment: % $$ a = 2 $$
% einstan: given x[i], y[i] | layout rows
\begin{equation}\label{eq:one}
  E = \vx^T y  % the end
\end{equation}
\begin{verbatim}
$$ a = 3 $$
\end{verbatim}
\begin{align*}
  F &= E, \nonumber \\
  G &= F \\[2pt]
    &= E \tag{4}.
\end{align*}
\[ H = G \] costs 5\% and
$$
K = \relu(H)
$$
\begin{gather} M = K \\ N = M \end{gather}
\end{document}
"""

MARKDOWN = r"""# Notes

<!-- einstan: given x[i], y[i] -->
<!-- a remark -->

The loss $L$ is

$$
E = x^T y
$$

$F = E$

```math
G = F
```

```python
"$$ a = 1 $$"
```

and `$$ a = 2 $$`, but

\begin{align}
H &= G
\end{align}
"""


def formulas(text, kind):
    found = [each for each in displayed(text, kind) if isinstance(each, Display)]
    return [(f.line, f.label, " = ".join(map(written, f.sides))) for each in found for f in formulas_of(each)]


def test_a_latex_file():
    assert formulas(TEX, "tex") == [
        (9, "", r"E = \mathbf{x}^T y"),
        (15, "", "F = E"),
        (16, "", "G = F = E"),
        (19, "", "H = G"),
        (21, "", r"K = \operatorname{relu}(H)"),
        (23, "", "M = K"),
        (23, "", "N = M"),
    ]


def test_a_markdown_file():
    assert formulas(MARKDOWN, "md") == [(9, "", "E = x^T y"), (12, "", "F = E"), (15, "", "G = F"), (25, "", "H = G")]


def test_steps_have_their_own_lines():
    items = [item for item in read_paper(TEX).items if item.formula]
    assert [(item.line, item.code) for item in items] == [
        (9, "E = sum[I](x[I] * y[I])"),
        (15, "F = E"),
        (16, "G = F"),
        (17, "claim F = E"),
        (19, "H = G"),
        (21, "K = relu(H)"),
        (23, "M = K"),
        (23, "N = M"),
    ]


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        (r"(3) \quad a = b", [["a", "b"]]),
        (r"1) \quad a = b", [["a", "b"]]),
        (r"a = b \quad (3)", [["a", "b"]]),
        (r"a = b, \qquad c = d.", [["a", "b"], ["c", "d"]]),
        (r"a = b \quad \text{and} \quad c = d", [["a", "b"], ["c", "d"]]),
        (r"\Rightarrow a = b", [["a", "b"]]),
        (r"a := b", [["a", "b"]]),
        (r"a = f(x, y)", [["a", "f(x, y)"]]),
        (r"\begin{split} a &= b \\ &\quad + c \end{split}", [["a", "b + c"]]),
        (r"a = b \in \mathbb{R}", [["a", "b"]]),
        (r"a &= b \\ -c &= d", [["a", "b"], ["-c", "d"]]),
        (r"a &= b \\ &- c = d", [["a", "b - c", "d"]]),
        (r"a = b \\ - c", [["a", "b - c"]]),
        (r"< a, b > = c", [[r"\langle a, b \rangle", "c"]]),
        (r"a \tag{7} = b \label{x}", [["a", "b"]]),
        (
            r"a = \begin{cases} b & c = d \\ e & c \neq d \end{cases}",
            [["a", r"\begin{cases} b & c = d \\ e & c \neq d\end{cases}"]],
        ),
    ],
)  # fmt: skip
def test_rows_and_pieces(text, sides):
    found = [f for each in displayed(f"$$ {text} $$", "tex") for f in formulas_of(each)]
    assert [[written(side) for side in f.sides] for f in found] == sides


def test_macros_are_put_in():
    text = (
        "\\newcommand{\\two}[2]{#1 #2}\n\\newcommand{\\some}[2][b]{#1 + #2}\n\\def\\half{\\frac12}\n\\def\\sq#1{#1^2}\n"
        "$$ a = \\half b $$ $$ d = \\two{b}{c} $$ $$ e = \\some{c} $$ $$ f = \\some[c]{\\half} $$ $$ g = \\sq b $$"
        "$$ h = \\other{b} $$"
    )
    items = read_paper("% einstan: given b, c\n" + text).items
    codes = ["a = (1 / 2) * b", "d = b * c", "e = b + c", "f = c + (1 / 2)", "g = (b^2)"]
    assert [item.code for item in items[:5]] == codes
    assert items[5].problem.reason == r"\other is not read"


def test_a_macro_that_calls_itself_ends():
    assert read_paper("\\newcommand{\\x}{\\x \\x}\n$$ a = \\x $$").unread
    doubled = "\n".join(f"\\newcommand{{\\m{chr(98 + k)}}}{{\\m{chr(97 + k)}\\m{chr(97 + k)}}}" for k in range(20))
    assert read_paper(f"{doubled}\n$$ a = \\mu $$").items


def test_another_file_is_named():
    (item,) = read_paper("\\input{sections/one}\n").items
    assert (item.line, item.problem.reason) == (1, "the file sections/one is not read")


def test_what_comments_say():
    first = "% einstan: given x[i] | assume x[i] > 0 | convention relu'(x) = 1[x >= 0]\n"
    text = first + "% einstan: define y[i] = x[i]^2\n% einstan: ---"
    assert [item.code for item in read_paper(text).items] == [
        "assume x[i] > 0", "convention relu'(x) = 1[x >= 0]", "y[i] = x[i]^2", "---",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("gibven x[i]", "gibven is no word"),
        ("given x[i", "parted by commas"),
        ("given x[i,]", "an axis has no letter"),
        ("layout up", "a row or a column"),
        ("function f = gamma2", "no function of the notation"),
        ("name x y = z", "one sign of the text"),
        ("extent N = 3", "that of an axis"),
        ("first 2", "from 0 or from 1"),
        ("operator + = a[i] b[i]", "a sign and what it means"),
        ("gradients", "those of a number"),
        ("define x", "an equation"),
    ],
)
def test_comments_that_are_not_understood(said, reason):
    (item,) = read_paper(f"% einstan: {said}\n").items
    assert reason in item.problem.reason


def test_what_is_skipped_is_listed_and_nothing_vanishes():
    text = "% einstan: skip a sketch\n$$ a = b $$\n$$ \\text{words} $$\n$$ x \\leq y $$"
    items = read_paper(text).items
    assert [(item.line, item.skipped, bool(item.problem)) for item in items] == [
        (2, True, False), (3, False, True), (4, False, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "{" * 3000, "a = " + "(" * 3000, "a = " + "\\frac{1}{" * 2000, "\\begin{cases}", "a = b^{^^}_{__}",
        "a = " + "\\log" * 3000,
        "a = " + "\\begin{cases}" * 2000, "= = =", "a = \\frac", "a = \\sum", "a = |", "a = \\left(", "_", "a_ = b",
    ],
)  # fmt: skip
def test_hostile_texts_end(text):
    assert read_paper(f"$$ {text} $$").unread


SIGNS = (
    "{", "}", "^", "_", "\\\\", "$$", "(", ")", "|", "&", "=", "-", "\\frac", "\\sum_", "\\begin{cases}", "'",
    "\\nabla", "d", "1", "\\text{if}", "\\quad", "\\log", "T", "%", "\n", "<", "\\forall", "\\mapsto", "\\ell", "\x00",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_a_text_with_slips_of_the_pen_is_read_or_refused(seed):
    """Letters and signs put in, left out and exchanged: nothing is raised."""
    generator = random.Random(seed)
    text = generator.choice((TEX, MARKDOWN, PAPER))
    for _ in range(generator.randint(1, 6)):
        place, length = generator.randrange(len(text)), generator.randint(0, 6)
        text = text[:place] + generator.choice(("", *SIGNS)) + text[place + length :]
    read_paper(text, generator.choice(("tex", "md")))
