"""What is printed is read again: the text of every derived program is a program, which gives the same numbers where
it is given the forward values that it reads."""

import re

import numpy as np
import pytest

import einstan as es
from einstan.language import parse
from einstan.language.errors import EinstanError
from einstan.language.latex import latex
from einstan.library.network import Network
from tests.breadth.rows import ROWS as BREADTH
from tests.layers.rows import ROWS as LAYERS


def of_layer(row):
    slots = row.slots
    total = f"total = C[{slots}] {row.output}[{slots}]" if slots else f"total = C {row.output}"
    program = Network(row.layer()(), total).program
    return program, "total", list(row.wrt), {**row.arrays(), "C": row.cotangent()}


def of_formula(row):
    return es.Program(row.text), row.of, list(row.wrt), {**row.arrays(), **row.integers}


CASES = [pytest.param(of_layer, row, id=row.name) for row in LAYERS]
SCALARS = [row for row in BREADTH if not es.Program(row.text)[row.of].indices]
CASES += [pytest.param(of_formula, row, id=row.name) for row in SCALARS]


NAMED = [  # what a program defines is one name, and its lines alone would be asked about it
    ("logZ = logsumexp[K](x[K])\nL = a - logZ", "L = a - \\mathrm{logZ}"),
    ("mv = 2 a^2\nL = m v^2 - mv + a v m", "L = m v^2 - \\mathrm{mv} + a v m"),
    ("hν = 2 a\nL = hν^2 + b", "L = \\mathrm{hν}^2 + b"),
    ("ax[n] = 2 b[n]\nL = ax[N]^2 + a + x[N]^2", "L = \\mathrm{ax}[N]^2 + a + x[N]^2"),
]


@pytest.mark.parametrize(("text", "alone"), NAMED)
def test_a_line_of_a_program_is_read_alone_and_its_passes_are(text, alone):
    program = es.Program(text)
    assert str(program["L"]) == alone
    assert es.parse(alone) is program["L"]
    assert es.parse(program["L"].latex()) is program["L"]
    assert str(es.Program(str(program))) == str(program)
    for derived in (program.backward("L"), program.partial("L", "b" if "b" in text else "a")):
        assert str(es.Program(str(derived))) == str(derived)


VALUED = [  # a summed index that stands for its value is not called as a number or a tensor beside it
    ("P = sum[l](exp(c y[l] l))\nL = P^2", "dc = P softmax[I](c y[I] I) dP y[I] I"),
    ("P[l] = softmax[l](c y[l] l)\nL = a[K] P[K]", "dc = sum[J](P[J] (y[J] J - P[I] y[I] I) dP[J])"),
    ("P[l] = y[l] c^l L2\nL = P[K] b[K]", "dc = y[I] 1[I != 0] I c^(I - 1) dP[I] L2"),
    ("P = sum[i](exp(c I[i] i))\nL = P^2", "dc = P softmax[I2](c I[I2] I2) dP I[I2] I2"),
]


@pytest.mark.parametrize(("text", "line"), VALUED)
def test_a_summed_index_has_a_letter_of_its_own(text, line):
    derived = es.Program(text).backward("L")
    assert line in str(derived).splitlines()
    assert str(es.Program(str(derived.whole))) == str(derived.whole)


def values(program, outputs, arrays, alone=False):
    """What a program computes from the arrays that it reads, and, unless it is ``alone``, those that only tell it
    sizes."""
    compiled = program.compile(outputs=outputs, fast=False)
    names = compiled.texts if alone else (*compiled.texts, *compiled.unread)
    return compiled({name: arrays[name] for name in names if name in arrays})


def agree(found, expected):
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        np.testing.assert_allclose(found[name], one, rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(("made", "row"), CASES)
def test_a_backward_pass_that_is_printed_is_a_program(made, row):
    program, loss, wrt, arrays = made(row)
    arrays = {**arrays, **program.compile(fast=False)({k: v for k, v in arrays.items() if k in program.inputs})}
    derived = program.backward(loss, wrt)
    outputs = [f"d{name}" for name in wrt]
    expected = values(derived, outputs, arrays)
    for text, alone in ((str(derived), True), (str(derived.whole), False)):
        again = es.Program(text)
        assert str(again) == text
        agree(values(again, outputs, arrays, alone), expected)


@pytest.mark.parametrize(("made", "row"), CASES)
def test_a_partial_and_a_tangent_pass_that_are_printed_are_programs(made, row):
    program, loss, wrt, arrays = made(row)
    arrays = {**arrays, **program.compile(fast=False)({k: v for k, v in arrays.items() if k in program.inputs})}
    partial = program.partial(loss, wrt[0])
    agree(values(es.Program(str(partial)), None, arrays), values(partial, None, arrays))
    arrays[f"t{wrt[0]}"] = np.ones_like(arrays[wrt[0]])
    tangent = program.jvp(loss, [wrt[0]])
    agree(values(es.Program(str(tangent)), None, arrays), values(tangent, None, arrays))


@pytest.mark.parametrize(("made", "row"), CASES)
def test_a_product_with_the_hessian_that_is_printed_is_a_program(made, row):
    program, loss, wrt, arrays = made(row)
    arrays |= {f"t{name}": np.cos(np.arange(np.size(arrays[name]))).reshape(np.shape(arrays[name])) for name in wrt}
    derived = program.hvp(loss, wrt)
    outputs = [f"td{name}" for name in wrt]
    agree(values(es.Program(str(derived.whole)), outputs, arrays), values(derived, outputs, arrays))


@pytest.mark.parametrize(("made", "row"), CASES)
def test_a_derivation_that_is_printed_is_a_program(made, row):
    program, loss, wrt, arrays = made(row)
    arrays = {**arrays, **program.compile(fast=False)({k: v for k, v in arrays.items() if k in program.inputs})}
    derivation = program.derivation(loss, wrt[-1])
    name = str(derivation.result.name)
    derived = program.backward(loss, wrt) if name == f"d{wrt[-1]}" else program.partial(loss, wrt[-1])
    agree(values(es.Program(str(derivation)), [name], arrays), values(derived, [name], arrays))


# a program, the end of its backward pass, an array that this reads, the sizes that it is to be told when it is alone,
# and the gradient
ALONE = {
    "a sum": ("h[i] = a x[i]\nL = h[I]", "dx[i] = a where |i| = |x.0|", {"a": 3.0}, {"i": 2}, [3, 3]),
    "a gather": ("y[n] = x[T[n]]\nL = y[N]", "dx[p] = δ[T[N],p] where |p| = |x.0|", {"T": [1, 1]}, {"p": 2}, [0, 2]),
}


@pytest.mark.parametrize(("text", "end", "given", "sizes", "gradient"), ALONE.values(), ids=ALONE)
def test_a_pass_alone_asks_for_no_size_that_what_it_reads_tells(text, end, given, sizes, gradient):
    derived = str(es.Program(text).backward("L", "x"))
    assert derived.endswith(end)
    alone = es.Program(derived)
    if sizes:
        with pytest.raises(EinstanError, match=r"x is not given(.|\n)*give x=... or sizes={'x\.\d': ...}"):
            alone.compile(fast=False)(given)
    np.testing.assert_allclose(alone.compile(outputs=["dx"], fast=False, sizes=sizes)(given)["dx"], gradient)


@pytest.mark.parametrize("forward", ["", "Z[n,j] = X[n,K] W[K,j]\nL = 1/|N| Z[N,J]^2\n"], ids=["alone", "below"])
@pytest.mark.parametrize("slip", ["", "2 "], ids=["right", "wrong"])
def test_a_derivation_and_a_pass_in_a_document_are_claims(forward, slip):
    program = es.Program("Z[n,j] = X[n,K] W[K,j]\nL = 1/|N| Z[N,J]^2")
    derived = str(program.derivation("L", "W")), str(program.backward("L", "W"))
    for text in derived if forward else derived[:1]:
        report = es.check(forward + text.replace("= X[N,k] dZ[N,j]", f"= {slip}X[N,k] dZ[N,j]"))
        assert [line.holds for line in report.claims] == [True] * (len(report.claims) - 1) + [not slip]
        assert not [line.problem for line in report.lines if line.problem]


# text, and whether the gradient that it defines is that of its scalar
DEFINED = {
    "the gradient itself": ("L = x[I]^2\ndx[i] = 2 x[i]", True),
    "a wrong gradient": ("L = x[I]^2\ndx[i] = 3 x[i]", False),
    "a step that is called dx": ("dx[i] = x[i] - m[i]\nL = dx[I]^2", False),
    "a pass by itself": ("dh[i] = 2 h[i]\ndx[i] = 2 x[i] dh[i]", True),
    "a wrong one beside a tangent": ("L = x[I]^2\ndx[i] = 3 x[i]\ntL = dx[I] tx[I]", False),
    "a right one beside a tangent": ("L = x[I]^2\ndx[i] = 2 x[i]\ntL = dx[I] tx[I]", True),
    "a pass by itself that sums": ("dS[j] = S[j]\ndv = dS[I]\ndx[j,i] = -dS[i]", True),
    "a step of a scalar that is called dv": ("S[i] = v x[i]\nL = S[I]^2\ndx[i] = x[i] - m[i]", False),
    "one of two ends": ("h = x[I]\nL = h\ndx[i] = 1 where |i| = |x.0|", True),
    "neither of two ends": ("h = x[I]\nL = h\ndx[i] = 2 where |i| = |x.0|", False),
    "the tangent of a scalar's gradient": (
        "S[i] = u[i]\ndS[i] = c B[i]\ndu[i] = dS[i]\ntS[i] = tu[i]\ntdc = tS[I] B[I]",
        True,
    ),
    "the whole": ("h[i] = x[i]^2\nL = h[I]^2\ndh[i] = 2 h[i]\ndx[i] = 2 x[i] dh[i]", True),
}


@pytest.mark.parametrize(("text", "right"), DEFINED.values(), ids=DEFINED)
def test_a_line_that_defines_a_gradient_defines_the_gradient(text, right):
    if right:
        assert str(es.Program(text)) == text
        return
    with pytest.raises(EinstanError, match="dx is the gradient with respect to x and cannot be defined"):
        es.Program(text)


@pytest.mark.parametrize(
    "text",
    [  # what is not printed says more of sizes: that u has no more entries than f, that a is square
        "h = v - u[R[P]] x[P]\nV = a + cos(a)\nf[n,l] = u[n] W[l] floor(b[0] V)\nL = softsign(f[0,0])",
        "h[k,i] = a[k,i] - y[k,i]\nS[n,l] = w[l,n] w[n,l] + h[n,l]\nZ = erfc(S[0,0])\nM = mean[P,J](a[P,J]^2)\nL = M^2",
    ],
)
def test_a_pass_is_pasted_without_lines_that_say_sizes(text):
    whole = str(es.Program(text).backward("L").whole)
    assert str(es.Program(whole)) == whole
    with pytest.raises(EinstanError, match=r"is the gradient with respect to . and cannot be defined"):
        es.Program(re.sub(r"^(d[Wa]\[.*?\]) = ", r"\1 = 3 ", whole, flags=re.MULTILINE))


CLAIMS = {
    "a size of an axis": ("L = sum[N](y[N])\nclaim dy[n] = 1 where |n| = |y.0|", True),
    "a wrong one": ("L = sum[N](y[N])\nclaim dy[n] = 2 where |n| = |y.0|", False),
    "a stated range": (
        "h[i] = max[J](y[2i+J]) where |J| = 2\nL = h[I]\n"
        "claim dy[p] = 1[y[p] == h[I]] 1[0 <= p-2I < 2] / sum[J](1[y[2I+J] == h[I]]) where |J| = 2",
        True,
    ),
    "a stride": ("f[j] = v[2j+K] Q[K]\nL = f[J] c[J]\nclaim dQ[k] = v[2J+k] c[J] where |k| = |Q.0|", True),
    "a gradient without the word": ("L = sum[N](y[N])\ndy[n] = 1 where |n| = |y.0|", True),
    "a wrong one without it": ("L = sum[N](y[N])\ndy[n] = 2 where |n| = |y.0|", False),
    "a partial": ("y[i] = x[i]^2\ndy[n]/dx[m] = 2 x[n] δ[n,m] where |n| = |x.0|", True),
}


@pytest.mark.parametrize(("text", "holds"), CLAIMS.values(), ids=CLAIMS)
def test_a_derived_line_that_states_extents_is_a_claim(text, holds):
    report = es.check(text)
    assert report.ok is holds
    assert report.counts["undecided"] == 0
    assert str(es.check(text).lines[-1].statement).split("where")[1:] == text.split("where")[-1:]


@pytest.mark.parametrize(("made", "row"), CASES)
def test_a_program_that_is_typeset_is_that_program(made, row):
    program, loss, wrt, _ = made(row)
    for each in (program, program.backward(loss, wrt)):
        assert str(es.Program(each.latex())) == str(each)


def test_rows_of_an_environment_are_lines():
    text = r"""\begin{align*}
    Z_{n} &= X_{n,K} w_{K} \\[2pt] L &= \frac{1}{2} Z_{N}^2
    \end{align*}"""
    assert str(es.Program(text)) == "Z[n] = X[n,K] w[K]\nL = 1/2 Z[N]^2"


def test_a_product_with_the_hessian_by_itself_says_its_sizes():
    """``df`` has the axes of f, which no line reads; ``tx`` is an input of its own here, and no direction of x."""
    whole = es.Program("f[i,j] = a[i,j]\nL = sum[I,K](f[I,K] w[I])").hvp("L", ["a", "w"]).whole
    assert "df[i,k] = w[i] where |k| = |ta.1|" in str(whole).splitlines()
    assert str(es.Program(str(whole))) == str(whole)
    own = es.Program("f[i] = x[i]\nL = sum[I](f[I] u) + tx[J]^2").hvp("L", {"x": "V", "u": "U", "tx": "D"}).whole
    assert not any("|tx.0|" in line for line in str(own).splitlines() if line.startswith(("df", "tdf")))


def test_a_guard_of_a_cotangent_is_a_zero_padding():
    program = es.Program("d[i] = x[i+1] - x[i]\nL = d[I]^2")
    assert str(program.backward("L", wrt=["x"])).endswith("dx[p] = pad(dd[p-1]) - pad(dd[p]) where |p| = |x.0|")
    program = es.Program("c[i] = pad(a[i]) + pad(b[i-|a.0|]) where |i| = |a.0| + |b.0|\nL = c[I]^2")
    assert str(program.backward("L", wrt=["a"])).endswith("da[i] = pad(dc[i]) where |i| = |a.0|")
    assert str(program.backward("L", wrt=["b"])).endswith("db[p] = pad(dc[|a.0|+p])")


# The loss reads S in a logarithm too, which is taken early: what is left of S is not dL/dS.  Like factors that become
# one take nothing away, and neither does a quotient on which no loss rests.
THROUGH_SOME = {
    "a softmax": (
        "S[n,c] = softmax[c](z[n,c])\nL = -sum[N,C](Y[N,C] log(S[N,C])) + sum[N,C](S[N,C]^2)", "S",
        "dS2[n,c] = 2 S[n,c]"),
    "beside what is behind it": ("S[n] = exp(z[n])\nL = sum[N](S[N] log(S[N]) + z[N])", "S", "dS2[n] = z[n]"),
    "a square": (
        "f[i,j] = exp(z[i,j])\nh[i] = sum[I](f[i,I])\nH[i,j] = f[i,j] / h[i]\nL = sum[I](h[I] h[I])", "h",
        "dh[i] = 2 h[i]"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "name", "first"), THROUGH_SOME.values(), ids=THROUGH_SOME)
def test_a_gradient_through_some_readers_is_not_called_the_gradient(text, name, first):
    made = str(es.Program(text).backward("L", wrt=["z"]))
    assert made.startswith(f"{first}\n")
    assert str(es.Program(f"{text}\n{made}")).endswith(made)
    whole = str(es.Program(text).backward("L", wrt=["z", name]))
    report = es.check("\n".join([text, *(f"claim {line}" for line in whole.splitlines())]))
    assert all(line.holds for line in report.claims), report
    # A name that is no gradient's is a definition.
    lines = [line if re.match(r"d\w+2\[", line) else f"claim {line}" for line in made.splitlines()]
    report = es.check("\n".join([text, *lines]))
    assert all(line.holds for line in report.claims), report


@pytest.mark.parametrize(
    "text",
    [
        "y = 1/sum[K](K^2 x[K])",
        "y = s / sum[K](K x[K]) + t / sum[K](K^2 x[K])",
        "y = s / sqrt(sum[K](K^2 x[K]))",
        "y = sum[K](K x[K]) / sum[K](x[K])",
        "y = s / (sum[J](J z[J]) sum[K](K x[K]))",
        "y = log(s / sum[K](K x[K]))",
        "y = x[I] / sum[K](-K x[K])",
    ],
)
def test_an_index_that_counts_below_the_line_is_read_back_in_what_is_derived(text):
    program = es.Program(text)
    backward = program.backward("y")
    for derived in (*map(es.Equation.of, backward.equations), *(program["y"].partial(name) for name in program.inputs)):
        assert es.parse(str(derived), known=["y", *program.inputs]) is derived
    assert str(es.Program(str(backward))) == str(backward)
    assert str(es.Program(f"{text}\n{backward}")) == f"{program}\n{backward}"


@pytest.mark.parametrize(
    "text",
    [
        "dc = 1/w\ndw = -S/w",
        "dw = -c / w\ndS = 1 / w\ndx[i] = 2 x[i] dS",
        "dc = 1\ndw = -c / w\ndS = 1 / w",
        "dW1 = x dz\ndz = 2 z",
    ],
)
def test_a_backward_pass_without_the_lines_before_it_is_a_program(text):
    assert str(es.Program(text)).count("\n") == text.count("\n")


@pytest.mark.parametrize("text", ["L = w^2\ndw = 3 w", "dist = w^2\ndw = 3 w", "d0 = w^2\ndw = 3 w"])
def test_what_is_called_a_gradient_and_is_none_is_refused(text):
    with pytest.raises(EinstanError, match="dw is the gradient with respect to w"):
        es.Program(text)


@pytest.mark.parametrize("wrt", ["x", "w"])
def test_a_derivation_by_an_input_is_read_beside_its_program(wrt):
    text = "S = x[I]^2\nc = S / w\nL = c + 1"
    derived = str(es.Program(text).derivation("L", wrt))
    assert f"d{wrt}" in [str(name) for name in es.Program(f"{text}\n{derived}").defined]
    assert es.check(f"{text}\n{derived}").ok


@pytest.mark.parametrize("text", ["df/dx[0] = 2 x[0]", "df[i]/dx[i] = 2 x[i]", "y = 1\ndf/dx[0] = 2 x[0]"])
def test_no_line_of_a_program_is_lost_in_silence(text):
    with pytest.raises(EinstanError, match="does not define it"):
        es.Program(text)


def test_labels_end_no_name_inside_another():
    """The Hessian of a network whose layers are numbered above the line is a program as it is printed, and LaTeX."""
    program = es.Program("""
        a^(1)[i] = tanh(W^(1)[i,J] x[J])
        a^(2)[i] = W^(2)[i,J] a^(1)[J]
        L = 1/2 (a^(2)[I] - y[I])^2
    """)
    printed = program.hessian("L", "W^(1)").program
    assert es.Program(str(printed)).equations == printed.equations
    for equation in printed.equations:
        written = latex(equation)
        assert "}^{2}" not in written.replace(r"\right)^{2}", "")  # a label and a power: TeX sets one of them
        assert parse(written) == equation


WINDOWS = [
    ("M[i] = max[J](x[2i+J]) where |J| = 2\nL = M[I]^2", "x"),
    ("y[i] = sum[R](w[R] x[2i+R])\nL = y[I]^2", "w"),
    ("y[i] = x[i+1] - x[i]\nL = y[I]^2", "x"),
    ("y[i] = mean[R](x[3i+R]) where |R| = 3\nL = y[I]^2", "x"),
    ("y[i] = pad(x[i-1]) where |i| = |x.0|\nL = y[I]^2", "x"),
    ("y[i] = max[R](x[2i+2R]) where |R| = 3\nL = y[I]^2", "x"),  # 2R is R
]


@pytest.mark.parametrize(("text", "wrt"), WINDOWS)
def test_a_derivation_holds_as_it_is_printed(text, wrt):
    """The last line says how far the letters of every step run."""
    printed = str(es.Program(text).derivation("L", wrt=wrt))
    assert {claim.outcome.verdict for claim in es.check(printed, seconds=30).claims} <= {"proved", "verified"}
    es.Program(printed)


def test_letters_change_places_around_a_softmax():
    """The calculus sums over j, m and J, which are spelled J, M and J2."""
    steps = es.Program("h[m,j] = softmax[j](c[j,m]) + c[m,j]\nL = sum[M,N](h[M,N])").derivation("L", wrt="c")
    assert "softmax[J](c[J,M]) softmax[J2](c[J2,M]) dh[M,J] dc[J2,M]/dc[j,m]" in str(steps)
    assert all(steps.check())
    es.Program(str(steps))
