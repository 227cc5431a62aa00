"""Writes notation.md and functions.md beside it, from the rules below and the tables that read them:
``python docs/notation.py``.

What an example is read as, and what a refusal says to write, is asked of the library.
"""

from __future__ import annotations

from pathlib import Path

from einstan.language.document import parse_document
from einstan.language.errors import EinstanError
from einstan.language.show import reading, sums_inside
from einstan.language.statement import Claim
from einstan.language.tables import definitions_table, functions_table, instead_table, reductions_table
from einstan.language.term import Equation

PAGE = Path(__file__).with_name("notation.md")
FUNCTIONS = Path(__file__).with_name("functions.md")

# A heading, what is to say, texts that are read, texts that are refused.
RULES: list[tuple[str, str, list[str], list[str]]] = [
    (
        "Tensors, indices, numbers",
        """An equation defines a tensor by an expression of others. A tensor is a name with slots in brackets;
without slots it is a number. An index is a name in a slot; one that begins with a capital is summed. A
lower-case index of the right side stands on the left too; a term may lack an index, and is constant along
it. Products are written side by side or with `*`, powers with `^` or `**`. Letters that stand together are one
name; where they may be a product, a Greek letter and another one or names that the text has, it is asked which, and
so are a function glued to its argument, `sinx`, a unit behind a number and `r × F`. The power of two letters, `mc^2`,
is asked about; `(mc)^2` is that of both. `Δx`, `dθ` and `λmax` are names, and so is what a line defines.""",
        [
            "Z[n,j] = X[n,K] W[K,j] + b[j]",
            "A[n,j] = relu(Z[n,j])",
            "D[i] = A[i,i]",
            "T = A[I,I]",
            "y[i] = -x[i]^2 + 1/2 c",
        ],
        [
            "Z[n,k] = X[n,k] W[k,j]",
            "Z[n,n] = X[n]",
            "Z[n,j] = b[n]",
            "y[i] = a[i] / b[i] c[i]",
            "y[i] = 1/2s x[i]",
            "y[n] = 1/1+exp(-x[n])",
            "y[n] = x[n] / a+b",
            "y[n] = -1^n x[n]",
            "E = hν",
            "p = m v - mv",
            "E = mc^2",
            "y = sinx",
            "v = 5 m/s",
            "F = q v × B",
        ],
    ),
    (
        "Where a capital is summed",
        """Where a person sees the contraction. In a product, a capital that stands in two or more of its factors, or
in a square, is summed over the product. The argument of a function, a root, an exponent and the bracket
of a denominator are walls: what is contracted inside stays inside, and what stands there once goes out to
the product around, where it needs company. In a bracket of several terms, a capital that one of them
leaves open is one index for all of them. A capital that stands alone in a term is summed over the term.
`reading()` writes every sum out; brackets that are not needed never change a value.""",
        [
            "H[n,j] = tanh(X[n,K] W[K,j] + S[n,K] U[K,j])",
            "y[n] = X[n,K] w[K] / sum[K](w[K])",
            "F[t] = 1/|N| 1[x[N] <= z[t]]",
            "A[q,k] = exp(Q[q,D] M[k,D]) / sum[J](exp(Q[q,D] M[J,D]))",
            "L = -1/|N| Y[N,C] log(S[N,C])",
            "L = (Y[N,J] - X[N,K] W[K,J])^2",
            "d[i,j] = sqrt((x[i,D] - x[j,D])^2)",
            "Y[n,j] = (X[n,K] W[K,j]) sigmoid(X[n,K] W[K,j])",
            "f[n] = w[K] exp(-(x[n] - c[K])^2)",
            "db[j] = dZ[N,j]",
        ],
        [
            "L = log(P[N])",
            "P[i] = E[i] / E[I]",
            "L = 2 (c + x[N] - z[N])",
            "Y[n,j] = X[n,K] W[K,j] sigmoid(X[n,K] W[K,j])",
            "L = log(1 + exp(-y[N] f[N]))",
            "B = sqrt(P[C] Q[C])",
        ],
    ),
    (
        "Sums and reductions that are written out",
        """`sum[K](...)` says where a sum stands, and so do `mean`, `max`, `min`, `prod`, `logsumexp`, `var`, `std`
and `norm`. `softmax[k](...)` is a tensor with the index k. A call runs over its own brackets, and the signs
`∑`, `\\sum`, `∏`, `\\prod` over the product behind them. What is spelled like both, `sum[N] (...)^2`, `sum_n(...)^2`,
`∑[N](...)^2`, is refused, and so is a factor without n at the end of a `\\prod_n`. What a reduction runs over has its
letter; one that it lacks counts in `sum[K](1)`, of a number, or where `where` says how far it runs.""",
        [
            "S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))",
            "m[d] = mean[N](X[N,d])",
            "P[n,c] = softmax[c](Z[n,c])",
            r"L = \sum_n (y_n - z_n)^2",
            "k = sum[K](1)",
        ],
        [
            "S[n] = softmax[K](Z[n,K])",
            "y[i] = sum[i](x[i])",
            "L = sum[N] (y[N] - z[N])^2",
            "L = ∑[N](y[N] - z[N])^2",
            r"q = \prod_n p_n a",
            r"k = \sum_i u_I v_I",
            "k[i] = sum[I](u[i])",
        ],
    ),
    (
        "Extents",
        """`|n|` is how many values the index n (or N) takes, `|X.0|` the length of an axis. An extent that an
equation determines is inferred, the largest for which every read is inside; `where` states others. Each sum has
an extent of its own, also where several sums have one letter; where they are not written out and one reads its axis
further than another, it is asked which is meant.""",
        [
            "m = 1/|N| x[N]",
            "d[i] = x[i+1] - x[i]",
            "L = sum[I]((x[I+1] - x[I])^2) + sum[I]((x[I+2] - x[I])^2)",
            "y[i] = pad(x[i-2]) where |i| = |x.0| + 2",
        ],
        [
            "m[i] = abs(|x[i]|)",
            "m = 1/|I| (sum[I](x[I+1]) + sum[I](x[I+2]))",
            "E = -J s[I] s[I+1] - h s[I]",
        ],
    ),
    (
        "Index arithmetic, padding and gather",
        """A slot holds a sum of indices with whole coefficients, `floor(k/4)` and `mod(k,4)` of them, and products of
extents. Reading outside of a tensor is an error, unless `pad` says that it is zero there. A slot may hold an
integer tensor. `|d|/2` has to be whole.""",
        [
            "Y[i] = X[i+J] W[J]",
            "Y[i] = X[2i+R-1] W[R] where |i| = 4",
            "Y[p] = pad(X[p-J]) W[J] where |p| = |X.0|",
            "F[n,d] = E[T[n],d]",
            "c[i] = pad(a[i]) + pad(b[i-|a.0|]) where |i| = |a.0| + |b.0|",
            "y[i] = x[floor(i/2)]",
            "y[k] = x[floor(k/|x.1|), mod(k,|x.1|)] where |k| = |x.0| |x.1|",
            "y[i] = x[mod(i+1, |x.0|)]",
        ],
        ["Y[i] = X[i J]", "Y[i] = X[i/2]", "Y[2i] = X[i]"],
    ),
    (
        "Deltas and brackets",
        """`δ[i,p]` (or `delta`) is the Kronecker delta. `1[...]` is 1 where what stands in it holds and 0 elsewhere,
of indices or of values; `1[K]` is a tensor of ones, and a value alone in a bracket is refused. So is a bracket or a
delta below the line with a capital: nobody divides by what is 0 or 1 entry by entry. A bracket guards: `1[c]
u` is 0 where c is false, whatever u is there. An index beside an entry is a position, `1[T[n] + k < |x.0|]`,
and T holds integers; in brackets of its own the sum is a value of real numbers. Values are compared as they
were computed, to the last digit: `1[f[i,j] == h[i]]` finds an extreme again among the f that it is one of.""",
        [
            "D[i,j] = δ[i,j] x[i]",
            "M[q,k] = 1[k <= q] S[q,k]",
            "R[n] = 1[x[n] > 0] x[n]",
            "L = 1[N] log(P[N])",
            "y[i] = 1[(t[i] + i) > s[i]] x[i]",
        ],
        ["D[i] = δ[i] x[i]", "y[i] = 1[b[i]] x[i]", "m = 1[x[N] > 0] x[N] / 1[x[N] > 0]", "y[i] = x[i] if x[i] > 0"],
    ),
    (
        "Indices as numbers",
        """Where an index stands alone it is its value, 0 to n - 1. Its capital counts as a factor that has it, and
is not summed by itself. An index does not divide: it is zero at first.""",
        ["y[k] = cos(2 pi k I / |I|) x[I]", "L = g^T r[T]", "L = (y[T] - a - b T)^2"],
        ["m = 1/N x[N]", "y[n] = x[n,T] - T", "y[p] = p x[p] + p[p]"],
    ),
    (
        "Derivatives",
        """A derivative is a tensor: first the slots of the numerator, then those of the denominator. On the left of
a line of a document it is a claim. `dW[p,q]` is the gradient of the program's scalar with respect to W, and a line
`dW[p,q] = ...` of a document a claim too, where it has that scalar. What is differentiated has a name: a line of its
own gives it one. `df/dx dy` may be a second derivative and is refused, as `df/(dx dy)` is. `dt/dx` is a quotient
where the text has dt or dx as a number, a step; where it may be either, it is refused. Of `∂`, with its order,
`∂²u/∂t²` is read. A line `dz = 2 x dx` that as a total differential holds, and not as a gradient, is led to the
partials that it claims.""",
        ["dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]", "dL/dx[i]dx[j] = 2 A[i,j]", "∂f/∂t∂x[i] = g[i]", "∂²u/∂t² = c^2 ∂²u/∂x²"],
        [
            "dZ[n,j]/dX[m,p] dW[q,r] = 0",
            "d log(f)/dx = 2/x",
            "d/dx f = a",
            r"\frac{d \sin(x)}{dx} = \cos(x)",
            r"\frac{d^2 g}{dx^2} = 2 x",
            "a = df/dx dy",
            "C = c dt / dx",
            "r = a dt / dx^2",
        ],
    ),
    (
        "Documents",
        """A document has a statement a line. `claim` and `refute` are judged, `assume` says what may be used, an
equation or a comparison, `given` names a function without a formula, `convention` chooses a derivative at a
kink, `---` begins a new part, `#` a comment. A chain `a = b = c` claims each of its steps, of which
only the first may define, and a claim defines nothing. A claim may
state extents, as an equation does. An indented line goes on with the one before; of LaTeX a row that begins with a
sign does, however far it is indented. The label of a statement and the number of an equation are comments: in front
of a line or behind it they would be factors.""",
        [
            "claim A[i,K] B[K,j] = C[i,j]",
            "claim x[mod(I+1, |x.0|)] = x[I] where |I| = |x.0|",
            "assume sum[C](Y[n,C]) = 1",
            "assume x[i] > 0",
            "given S(Z[N,J])",
            "convention relu'(x) = 1[x >= 0]",
        ],
        [
            "assume x[i]",
            "y = z = x^2 + x",
            "Claim 2. y = 2 x",
            "claim y[i] = x[i]  (2)",
            "claim y = abs(x) for x > 0",
        ],
    ),
    (
        "LaTeX and paper",
        """What a paper has is read: subscripts as slots, `\\sum`, `\\frac`, `\\sqrt`, Greek letters, `\\delta`,
labels `^{(l)}` and `^{[l-1]}`, and `a^(1)[i]`; `l^(1) + l^(2)` may be labels or powers. `e^{...}`
is the exponential unless e is defined. What would be read as something
else is refused; `(e)^2`, `x^(T)` and `1 / (N)` are numbers of these names. Slots in a subscript have commas.
What only sets a formula apart is passed over: `$`, `\\[`, `\\tag{1}`, a last point or comma; `{a + b}` and
`\\left[ a + b \\right]` are brackets, `\\lfloor a \\rfloor` is a floor. A condition below a sum is a factor:
`sum[i,j](1[i < j] ...)`. A sum with limits is led to what it means here, where an index begins at 0:
`\\sum_{k=1}^{n} x_k` to `1[k <= n] x_k`. Labels belong to names, `kB` and `V_max`.
`σ(x)` is the sigmoid where the text and the program have no number σ; `σ (x)` with a blank is a product where they
have one, and refused where they do not.""",
        [
            r"Z_{n,j} = \sum_K X_{n,K} W_{K,j} + b_j",
            r"a_i^{(l)} = W_{i,J}^{(l)} a_J^{(l-1)}",
            r"p_i = \frac{e^{x_i}}{\sum_K e^{x_K}}",
            r"$k_c = \dfrac{1}{2} \left[ a_c + b_c \right] \lvert c \rvert.$",
        ],
        [
            "y = x^T A x",
            r"\mathbf{Z} = \mathbf{X} \mathbf{W}",
            "Z_nj = X_nk W_kj",
            "C_{i,j} = (A B)_{i,j}",
            "g_{μν} = η_{μν} + h_{μν}",
            "x_{k|k-1} = F x_{k-1|k-1}",
            "Z_{nj} = X_{nK} W_{Kj}",
            r"e = \sum_{i<j} q_i q_j",
            r"y_n = \sum_{k=1}^{n} x_k",
            r"E = k_B T",
            r"x_i = A^{-1}_{i,J} b_J",
            r"x_i = A_{i,J}^{-1} b_J",
            r"E = k \left[ a + b \right]",
            "Z^n_j = X_{n,K} W_{K,j}",
            "D = A_{11} A_{22} - A_{12} A_{21}",
            "y[n] = μ + σ (z[n] - a)",
            "y[i] = e^2 x[i]",
            "x^{k+1} = x^k - a g^k",
            r"r = \alpha \frac{\Delta t}{\Delta x^2}",
            r"k_{i,j} = \| x_i - y_j \|",
            "X[k] = x[N] exp(-2 pi i k N / |N|)",
        ],
    ),
    (
        "Calls",
        """A name glued to a round bracket, or to slots and then to one, is a call; one that is unknown is refused. So
is an operator without brackets, `tr A`, unless it is a number of the text.""",
        ["y[i] = a (x[i] + 1)", "y[i] = maximum(x[i], 0)"],
        ["y[i] = sofmax[k](x[k])", "y = trace(A)", "y[n] = logit p[n]", "y[i] = np.exp(x[i])", "y[i] = x[i](x[i] + 1)"],
    ),
    (
        "What has no sign here",
        """An integral is a sum over a grid, a limit a value close by or a derivative, a set a tensor that is 1 inside
and 0 outside, and where something is largest is a position or such a tensor. A concentration has no brackets, and a
label below a name is part of it.""",
        ["F[i] = S[i] x[i]", "c[k] = 1[p[k] == max[K](p[K])]"],
        [
            "y = \\int_0^1 x^2 \\, dx",
            "y = \\lim_{h \\to 0} (f(x + h) - f(x)) / h",
            "c = \\arg\\max_k p_k",
            "L_i = \\sum_{j \\in N(i)} x_j",
            "J = |A ∩ B| / |A ∪ B|",
            "y_i = x_i'β + e_i",
            "r = k[A]^m[B]^n",
            "ω_n = sqrt(k / m)",
            "F_D = 1/2 ρ v^2 C_D A",
        ],
    ),
]

TEXT = """\
# The notation

*This page is written by `python docs/notation.py`; a test keeps it true.*

## In short

| written | means |
| --- | --- |
| `Z[n,j] = X[n,K] W[K,j] + b[j]` | a capital that stands in two factors of a product is summed over it, also inside a \
function; `b[j]` is constant along `n` |
| `sum[K](u)`, `mean max min prod logsumexp` | explicit reductions; `softmax[k](u)` |
| `T = A[I,I]`, `D[i] = A[i,i]` | trace, diagonal |
| `Y[i] = X[i+J] W[J]`, `X[2i+R]`, `W[p-i]` | index arithmetic; an extent that the equation determines is inferred |
| `pad(X[i+J-1])` | zero outside, as everywhere else reading outside is an error |
| `E[T[n],d]` | gather: the slot holds an integer tensor |
| `δ[i,p]`, `1[i <= j]`, `1[Z[i,j] > 0]`, `1[K]` | Kronecker delta, Iverson brackets, ones |
| `\\|n\\|`, `\\|X.0\\|` | the extent of an index, of an axis |
| `dZ[n,j]/dX[m,p]`, `dW[p,q]` | a partial-derivative tensor; the gradient of the program's scalar |
| `Z_{{n,j}} = \\sum_K X_{{n,K}} W_{{K,j}}`, `\\frac{{a}}{{b}}` | the LaTeX spelling; it gives the same object |

A name is letters and digits, Greek ones too, in the normal form in which Python reads identifiers (NFKC): the Kelvin
sign is `K`. Letters that look the same and are not (a Greek `Κ` beside a Latin `K`) are refused in one text, and so are
words of Python as names (`X[i] if 1 else 0`): a condition is a factor, `1[x > 0] y`.

What cannot be read in one way only is refused, with the place and the repair. Below are the rules, each with texts that
are read and texts that are refused; [functions.md](functions.md) has all functions and reductions.

{rules}"""

LISTS = """\
# Functions and reductions

*This page is written by `python docs/notation.py`; a test keeps it true.*

## Elementwise functions

Each is one row of a table: its partial derivatives in this notation, where it has a real value, and what its derivative
is by convention where it has none. Outside of its domain a function is NaN in floats, as NumPy has it, and a claim is
not tested there. A derivative that a row does not have is an error, never zero.

{functions}

These are others put together, and written out where they are called:

{definitions}
`mod(x, y)` has the sign of y, as in Python. `clip(x, a, b)` is b where a > b, as in NumPy. `lgamma` and `digamma` are
differentiated as far as `trigamma`.

## Reductions

{reductions}
`var`, `std` and `norm` are written out where they are called, and so printed. Tensors may have these three names:
`var[n](...)` is the reduction, `var[n] * (...)` a product, and `var[n] (...)` is refused. Tensors may have the names of
functions that are written out; all other names of this page are reserved.

## A function of one's own

```python
import einstan as es

es.function("squareplus(x) = 1/2 (x + sqrt(x^2 + 4))")  # for every thread of the process, from here on
es.parse("Y[n,j] = squareplus(X[n,K] W[K,j])")  # written out: Y[n,j] = 1/2 (X[n,K] W[K,j] + sqrt(...))

with es.functions("gate(x, y) = sigmoid(x) y"):  # in this block of this thread alone
    es.parse("Y[n] = gate(a[n], b[n])")

es.function("ash(x)", partials="1 / sqrt(1 + x^2)", numpy="np.arcsinh(x)")
```

An equation holds what a function meant when the equation was read. A function of which only the partials are declared
is kept by its name, for good; its NumPy text stands in what `source()` gives; its partials are compared with
differences of its values when it is declared. It is known in floats alone, so a claim about its values stays undecided,
and one about its derivatives does not.

## What other libraries call otherwise

A name glued to a round bracket, `name(...)`, or to slots and then to one, `name[K](...)`, is a call. One of a function
that does not exist is refused, with the name that is near, or with what is written instead:

{instead}"""


def code(text: str) -> str:
    return f"`{text}`".replace("|", r"\|")


def read(text: str) -> str:
    """What a text is read as, where that is not the text."""
    (statement,) = parse_document(text).statements
    content = statement.content
    if isinstance(content, Equation) and sums_inside(content):
        return code(reading(content))
    if isinstance(content, Claim):
        word = "" if text[0] in "d∂" else f"{statement.kind} "
        shown = f"{word}{content.written(reading)}"
        return code(shown) if shown != text else "as it stands"
    shown = str(statement)
    return code(shown) if shown != text else "as it stands"


def refused(text: str) -> tuple[str, str]:
    """What is wrong with a text, and what to write."""
    try:
        parse_document(text)
    except EinstanError as error:
        because = error.problem.removeprefix("line 1: ")
        if because.endswith("more than one place"):
            because = error.inferred[0]
        return because, "<br>".join(code(line) for repair in error.repair[:3] for line in repair.splitlines())
    raise AssertionError(f"{text} is read")


def rules() -> str:
    parts = []
    for title, says, good, bad in RULES:
        rows = ["| written | read as |", "| --- | --- |", *(f"| {code(text)} | {read(text)} |" for text in good)]
        wrong = ["| refused | because | write |", "| --- | --- | --- |"]
        for text in bad:
            problem, repair = refused(text)
            wrong.append(f"| {code(text)} | {problem.replace('|', chr(92) + '|')} | {repair} |")
        parts.append("\n".join([f"## {title}", "", says, "", *rows, "", *wrong, ""]))
    return "\n".join(parts)


def page() -> str:
    return TEXT.format(rules=rules())


def lists() -> str:
    return LISTS.format(
        functions=functions_table(),
        definitions=definitions_table(),
        reductions=reductions_table(),
        instead=instead_table(),
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    FUNCTIONS.write_text(lists(), encoding="utf-8")
