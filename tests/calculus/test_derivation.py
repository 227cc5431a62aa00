"""Derivations: the steps as on paper, each of which the checker accepts, and a corrupted one it does not."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest

import einstan as es
from einstan import calculus
from einstan.calculus.collect import size
from einstan.calculus.derivation import Derivation, Step
from einstan.calculus.deriving import derivation
from einstan.calculus.program import Program
from einstan.language import parse_document
from einstan.language.effort import EffortError
from einstan.language.node import Node, postorder, rewrite
from einstan.language.term import Add, Equation, Indexed, Mul, add, mul, neg
from einstan.machine.evidence.verify import compare

CLASSIFIER = """
H[n,j] = X[n,K] W1[K,j] + b1[j]
A[n,j] = relu(H[n,j])
Z[n,j] = A[n,K] W2[K,j] + b2[j]
S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))
L = -1/|N| Y[N,C] log(S[N,C])
assume sum[C](Y[n,C]) = 1
"""
LAYER_NORM = """
m[n] = mean[J](X[n,J])
v[n] = mean[J]((X[n,J] - m[n])^2)
s[n] = sqrt(v[n] + 1e-5)
H[n,j] = (X[n,j] - m[n]) / s[n]
Y[n,j] = g[j] H[n,j] + b[j]
"""
ATTENTION = """
S[q,k] = Q[q,E] M[k,E] / sqrt(|E|)
P[q,k] = softmax[k](S[q,k])
O[q,d] = P[q,K] V[K,d]
"""
COSINE = """
a = sqrt(sum[K](x[K]^2))
b = sqrt(sum[K](y[K]^2))
c = x[K] y[K] / (a b)
"""
THREE_LAYERS = """
A[n,j] = tanh(X[n,K] U[K,j])
B[n,j] = tanh(A[n,K] V[K,j])
C[n,j] = B[n,K] W[K,j]
L = 1/2 (C[N,J] - Y[N,J])^2
"""


def program(text: str) -> Program:
    document = parse_document(text.strip())
    return Program(document.equations, document.assumptions)


def narrow(made: Derivation) -> str:
    """What is printed, with two blanks between its columns."""
    return "\n".join(re.sub(r" {2,}", "  ", line).strip() for line in str(made).splitlines())


def reasons(made: Derivation) -> list[str]:
    return [step.reason for step in made.steps]


# ---- what is printed -------------------------------------------------------------------------------------------------


def test_the_steps_of_a_partial() -> None:
    (made,) = derivation(program("Z[n,j] = X[n,K] W[K,j] + b[j]"), "Z", "X")
    assert str(made) == (
        "Z[n,j]          = X[n,K] W[K,j] + b[j]    # definition\n"
        "dZ[n,j]/dX[m,k] = dX[n,K]/dX[m,k] W[K,j]  # linear in X\n"
        "                = δ[n,m] δ[K,k] W[K,j]    # the partial of an entry is a delta\n"
        "                = δ[n,m] W[k,j]           # deltas used up"
    )


def test_the_steps_of_a_gradient() -> None:
    first, second, *_ = derivation(program(CLASSIFIER), "L", "W1")
    assert (
        narrow(first)
        == """\
L  = -1/|N| Y[N,C] log(S[N,C])  # definition
= -Y[N,C] (Z[N,C] - logsumexp[K](Z[N,K])) / |N|  # S put in, logarithm taken
dZ[n,c] = dL/dZ[n,c]  # gradient of L
= -Y[N,C] dZ[N,C]/dZ[n,c] / |n| + Y[N,C] softmax[K](Z[N,K]) dZ[N,K]/dZ[n,c] / |n|  # partial of logsumexp
= -Y[N,C] δ[N,n] δ[C,c] / |n| + Y[N,C] softmax[K](Z[N,K]) δ[N,n] δ[K,c] / |n|  # the partial of an entry is a delta
= -Y[n,c] / |n| + Y[n,C] softmax[c](Z[n,c]) / |n|  # deltas used up
= -Y[n,c] / |n| + Y[n,C] S[n,c] / |n|  # S named again
= -Y[n,c] / |n| + S[n,c] / |n|  # the assumption used
= (S[n,c] - Y[n,c]) / |n|  # collected"""
    )
    assert reasons(second) == ["chain rule", "linear in A", "the partial of an entry is a delta", "deltas used up"]


def test_a_tensor_between_is_derived_first_and_put_in() -> None:
    mean, variance, deviation, normal, result = derivation(program(LAYER_NORM), "Y", "X")
    assert [step.reason for chain in variance.chains for step in chain] == [
        "definition",
        "definition",
        "power rule",
        "the partial of an entry is a delta",
        "dm/dX put in",
        "deltas used up",
        "m put in, cancelled",
    ]
    assert [str(step.equation).split(" = ")[1] for step in variance.steps[2:]] == [
        "2 (X[n,J] - m[n]) δ[n,m] δ[J,j] / |j| - 2 δ[n,m] sum[J](X[n,J] - m[n]) / (|j| |j|)",
        "2 (X[n,j] - m[n]) δ[n,m] / |j| - 2 δ[n,m] sum[J](X[n,J] - m[n]) / |j|^2",
        "2 (X[n,j] - m[n]) δ[n,m] / |j|",
    ]
    assert [str(made.steps[0].equation.name) for made in (mean, deviation, normal, result)] == [
        "dm/dX",
        "ds/dX",
        "dH/dX",
        "dY/dX",
    ]
    assert str(result.result) == "dY[n,j]/dX[m,q] = g[j] δ[n,m] (δ[j,q] - (H[n,j] H[n,q] + 1) / |j|) / s[n]"


def test_a_delta_that_is_solved_says_where_it_holds() -> None:
    (made,) = derivation(program("Y[i] = X[i+J] W[J]"), "Y", "X")
    assert reasons(made) == [
        "linear in X",
        "the partial of an entry is a delta",
        "deltas used up, zero outside the range",
    ]


def test_scalars_have_no_deltas() -> None:
    first, second = derivation(program("y = sin(x)^2\nz = exp(y)"), "z", "x")
    assert str(second) == (
        "y  = sin(x)^2                  # definition\n"
        "dx = dy ∂y/∂x                  # chain rule\n"
        "   = 2 sin(x) cos(x) dy ∂x/∂x  # power rule, partial of sin\n"
        "   = 2 sin(x) cos(x) dy        # the derivative of x by itself is 1"
    )
    assert reasons(first)[-1] == "the derivative of y by itself is 1"


# Where the same tensor is reached directly and through others, and where a cotangent is a number.
GRAPHS = [
    ("y[i] = sin(x[i])\nL = y[I]^2 + x[I]^3", "x"),
    ("a[i] = x[i]^2\nb[i] = a[i] x[i]\nc[i] = a[i] b[i]\nL = c[I] a[I]", "x"),
    ("L1 = x[I]^2\nL2 = x[I]^3\nL = L1 + 0.5 L2", "x"),
    ("Z[i] = W[i,J] x[J]\nM = Z[I]^2\nL = M + 0.1 W[I,J]^2", "W"),
    (LAYER_NORM + "L = Y[N,J] T[N,J]", "X"),
]


@pytest.mark.parametrize(("text", "wrt"), GRAPHS)
def test_every_path_counts(text: str, wrt: str) -> None:
    """The last line is the gradient that the contractor gives, and the total derivative."""
    whole = es.Program(text)
    made = whole.derivation("L", wrt)
    assert all(made.check())
    found = es.check(f"{text}\nclaim {made.result}\n")
    assert found.counts["proved"] == 1
    assert str(made.result) == str(whole.backward("L", [wrt]).equations[-1])


# ---- every step follows, and a corrupted one does not ----------------------------------------------------------------

ROWS = [
    ("Z[n,j] = X[n,K] W[K,j] + b[j]", "Z", "W"),
    ("S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))", "S", "Z"),
    ("A[n] = X[n] sigmoid(1.702 X[n])", "A", "X"),
    ("q = x[I] A[I,J] x[J]", "q", "x"),
    ("q = T[I,J,K] x[I] x[J] x[K]", "q", "x"),
    ("l = log(sum[K](exp(x[K])))", "l", "x"),
    ("Y[i] = X[i+J] W[J]", "Y", "W"),
    ("Y[i] = X[i+J] W[J]", "Y", "X"),
    ("m[i] = mean[K](X[i,K]^2)", "m", "X"),
    ("m[i] = max[K](X[i,K])", "m", "X"),
    ("H[n,d] = E[T[n],d]", "H", "E"),
    ("a[i] = relu(x[i])\nb[i] = relu(2 a[i] - 1)\nL = b[I]^2", "L", "x"),
    ("O[q,d] = softmax[K](Q[q,E] M[K,E] / sqrt(|E|)) V[K,d]", "O", "Q"),
    ("p = exp(-1/2 (x - m)^2 / s^2) / s", "p", "s"),
    (COSINE, "c", "x"),
    (ATTENTION, "O", "M"),
    (ATTENTION + "L = G[Q,D] O[Q,D]", "L", "M"),
    (LAYER_NORM, "Y", "X"),
    (LAYER_NORM + "L = 1/2 Y[N,J]^2", "L", "X"),
    (THREE_LAYERS, "L", "U"),
    (CLASSIFIER, "L", "W1"),
    (CLASSIFIER, "S", "W2"),
    ("b = mean[N]((x[N] - p) (y[N] - q)) / mean[N]((x[N] - p)^2)", "b", "x"),
    ("k = mean[N]((x[N] - m)^4) / mean[N]((x[N] - m)^2)^2 - 3", "k", "x"),
]
IDS = [f"d{of}/d{wrt} {text.strip().splitlines()[-1]}" for text, of, wrt in ROWS]


@pytest.mark.parametrize(("text", "of", "wrt"), ROWS, ids=IDS)
def test_every_step_follows_and_changes_something(text: str, of: str, wrt: str) -> None:
    for made in derivation(program(text), of, wrt):
        assert all(made.check())
        for chain in made.chains:
            shown = [str(step.equation).split(" = ", 1)[1] for step in chain]
            assert len(set(shown)) == len(shown)
        assert len(made.steps) <= 7, "longer than a person would write it"


@pytest.mark.parametrize(("text", "of", "wrt"), ROWS, ids=IDS)
def test_the_result_is_the_derivative(text: str, of: str, wrt: str) -> None:
    whole = es.Program(text)
    made = whole.derivation(of, wrt)
    if str(made.result.name) == f"d{wrt}":
        assert str(made.result) == str(whole.backward(of, [wrt]).equations[-1])
    else:
        assert str(made.result) == str(whole.partial(of, wrt).equations[0])


def corrupted(equation: Equation) -> list[Equation]:
    """Slips of the pen: a sign flipped, a term or a factor left out, the two indices of an entry exchanged."""
    rhs = equation.rhs
    found: list[Node] = [neg(rhs), mul((rhs, rhs)) if size(rhs) < 3 else add((rhs, rhs))]
    for node in dict.fromkeys(postorder(rhs)):
        parts: list[Node] = []
        if isinstance(node, Mul):
            parts = [
                mul(f for f in node.factors if f is not gone) for gone in node.factors if isinstance(gone, Indexed)
            ]
        elif isinstance(node, Add):
            parts = [add(t for t in node.terms if t is not gone) for gone in node.terms]
        elif isinstance(node, Indexed) and len(node.slots) == 2 and isinstance(node.tensor, str):
            parts = [Indexed(node.tensor, node.slots[::-1])]
        found += [rewrite(rhs, lambda n, old=node, new=part: new if n is old else n) for part in parts]
    return [Equation(equation.name, equation.indices, other, equation.where) for other in found if other is not rhs]


SLIPS = {
    "softmax": ROWS[1],
    "quadratic form": ROWS[3],
    "correlation": ROWS[7],
    "maximum": ROWS[9],
    "relu chain": ROWS[11],
    "cosine": ROWS[14],
    "attention": ROWS[15],
    "layer norm": ROWS[17],
    "classifier": ROWS[20],
}


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("case", SLIPS)
def test_a_corrupted_step_is_refused(case: str) -> None:
    """Every slip in every step, put in place of the step, is refused; the few that are not are true by numbers too."""
    text, of, wrt = SLIPS[case]
    refused, true = 0, 0
    for made in derivation(program(text), of, wrt):
        for before, step in pairwise(made.steps):
            for wrong in corrupted(step.equation):
                slipped = replace(made, steps=(before, Step(wrong, "a slip")), definitions=())
                if all(slipped.check()):
                    true += 1
                    known = [e for e in made.program if not str(e.name).startswith("d")]
                    meanings = Program([*known, *made.named(before.equation, wrong)], made.assumptions)
                    assert compare(before.equation, wrong, meanings, points=4).verdict == "agree", str(wrong)
                else:
                    refused += 1
    assert refused >= max(6, 4 * true)


CANCELS = [
    ("L = sum[P](softmax[P](a[P])) b", "L", "a"),
    ("H[k] = c[k] sum[P](softmax[P](a[P]))\nL = H[K]^2", "L", "a"),
    ("H[i] = a[i] / a[i]\nL = sum[I](H[I] c[I])", "L", "a"),
    ("H[i] = 0 a[i] + c[i]\nL = sum[I](H[I])", "L", "a"),
    ("Y[n] = a[n] - a[n] + c[n]", "Y", "a"),
    ("L = sum[I](floor(a[I]) c[I])", "L", "a"),
]


@pytest.mark.parametrize(("text", "of", "wrt"), CANCELS)
def test_what_cancels_is_derived_to_be_zero(text: str, of: str, wrt: str) -> None:
    made = es.Program(text).derivation(of, wrt)
    assert all(made.check())
    assert str(made.result).partition(" = ")[2].split(" where ")[0] == "0"


def test_a_corrupted_definition_is_refused() -> None:
    first = derivation(program(CLASSIFIER), "L", "W2")[0]
    (given, rewritten), *_ = first.definitions
    wrong = replace(rewritten, equation=Equation("L", (), neg(rewritten.equation.rhs)))
    assert not all(replace(first, definitions=((given, wrong),)).check())


def test_second_derivatives() -> None:
    classifier = es.Program(CLASSIFIER)
    gradient = classifier.partial("L", "W2")
    made = gradient.derivation("dL/dW2", "W2")
    assert all(made.check())
    assert str(made.result) == str(gradient.partial("dL/dW2", "W2").equations[0])
    assert [str(part.result.name) for part in made] == ["dZ/dW2", "dS/dW2", "dL/dW2dW2"]
    quadratic = es.Program("q = x[I] A[I,J] x[J]").partial("q", "x").derivation("dq/dx", "x")
    assert str(quadratic.result) == "dq/dx[i]dx[j] = A[i,j] + A[j,i]"


def test_what_has_no_derivation() -> None:
    whole = es.Program(CLASSIFIER)
    with pytest.raises(es.EinstanError) as caught:
        whole.derivation("Q", "W1")
    assert str(caught.value).startswith("no equation defines Q")
    with pytest.raises(es.EinstanError) as caught:
        whole.derivation("H", "W2")
    assert str(caught.value).startswith("H does not depend on W2")


# ---- LaTeX and HTML --------------------------------------------------------------------------------------------------


def test_latex_and_html_have_every_line() -> None:
    made = es.Program(CLASSIFIER).derivation("L", "W2")
    lines = sum(len(chain) for part in made for chain in part.chains)
    assert made.latex().count("&& \\text{") == lines
    assert made.html().count("<tr>") == lines == made.html(page=True).count("<tr>")
    assert made.html(page=True).startswith("<!doctype html>")
    assert "//" not in made.html(page=True).replace("<!doctype", "")
    assert made[0].latex().splitlines()[-2] == (r" &= \frac{S_{n,c} - Y_{n,c}}{\left|n\right|} && \text{collected}")
    assert made._repr_latex_().startswith("$\\displaystyle \\begin{array}")


@pytest.mark.parametrize("text", ["L = x[I] x[I+1]", "L = x[I] x[I+1] x[I+2]", "L = (x[I+1] - x[I])^2"])
def test_the_steps_of_shifted_products_are_proved(text):
    assert all(es.Program(text).derivation("L", "x").check())


@pytest.mark.parametrize(
    ("text", "wrt"),
    [
        ("S[q,k] = 1[k <= q] exp(Z[q,k]) / sum[J](1[J <= q] exp(Z[q,J]))\nL = S[Q,K] G[Q,K]", "Z"),
        ("f[j] = 1/(|N| h) sum[N](exp(-(y[j] - x[N])^2 / (2 h^2)))\nL = -sum[J](log(f[J]))", "h"),
        ("y[i] = x[|i|-1-i] x[i]\nL = y[I] a[I]", "x"),
        ("y[i] = x[i+1] where |i| = |x.0| - 2\nL = y[I] a[I]", "x"),
        ("u1[i] = u[i+1] + r (u[i+2] - 2 u[i+1] + u[i])\nL = (u1[I] - g[I])^2", "u"),
    ],
)
def test_what_is_right_in_a_derivation_is_not_called_wrong(text, wrt):
    steps = es.Program(text).derivation("L", wrt)
    proofs = steps.check()
    assert all(proofs)
    assert all(proof.proved or "agrees at" in str(proof) for proof in proofs)


def test_a_wrong_step_that_is_looked_at_with_numbers_is_wrong():
    text = "S[q,k] = 1[k <= q] exp(Z[q,k]) / sum[J](1[J <= q] exp(Z[q,J]))\nL = S[Q,K] G[Q,K]"
    steps = es.Program(text).derivation("L", "Z")
    end = steps[-1].steps[-1].equation
    twice = Step(Equation(end.name, end.indices, add([end.rhs, end.rhs]), end.where), "a slip")
    slipped = type(steps)((*steps[:-1], replace(steps[-1], steps=(*steps[-1].steps, twice))))
    assert not slipped.check()[-1]
    assert str(slipped.check()[-1]) == "not proved"


def test_a_step_that_takes_too_long_to_prove_is_not_proved_and_the_others_are(monkeypatch):
    """Numbers are looked at, as for any step that no rule proves."""
    program = es.Program("e = sum[P](U[P]^2 U[P+1])\nL = e^2")
    real, asked = calculus.derivation.prove, []

    def prove(*given):
        asked.append(given)
        if len(asked) == 3:
            raise EffortError("given up: it takes too many steps to work this out")
        return real(*given)

    monkeypatch.setattr(calculus.derivation, "prove", prove)
    proofs = program.derivation("L", "U").check()
    assert all(proofs)
    assert [proof.proved for proof in proofs].count(False) == 1
