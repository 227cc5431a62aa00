"""How many digits do gradients and Hessians keep, where data are shifted far from zero or scaled?

Every formula of the table below, every layer, every row of docs/breadth.md and random programs are derived, run in
float64, by the partial and by the backward pass, by the Hessian and by its product with a vector, and compared with the
same derivative evaluated by the loops to 50 digits at the same data.  An answer may be off by 100 times what it must be
off by in any case: inputs are rounded, so how far the exact answer moves when they move by half a unit in the last
place is counted as unavoidable.  A row that is off by more is printed as lost, and the exit status is 1.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import common

FACTOR = 100.0
SHIFTS, SCALES = (0.0, 1e3, 1e6), (1e-4, 1e4)
SCALES_OF_EXPONENTIALS = (1e-4, 10.0)  # the loops take minutes for the exponential of a hundred million
QUICK = ("variance", "softmax, named in three lines", "standardised")

# name, program with the scalar L, what it is differentiated by (that is shifted and scaled), other inputs
LAYER_NORM = (
    "m[n] = mean[J](X[n,J])\nv[n] = mean[J]((X[n,J] - m[n])^2)\nH[n,j] = (X[n,j] - m[n]) / sqrt(v[n] + 1e-5)\n"
    "L = H[N,J] T[N,J]"
)
LINE = "m = mean[I](x[I])\nq = mean[I](t[I])\nb = mean[I]((x[I] - m) (t[I] - q)) / mean[I]((x[I] - m)^2)\na = q - b m\n"
LEFT = "t[N] - a - b x[N]"  # what a line leaves of its targets
PLANE = (
    "m = mean[I](x[I])\np = mean[I](z[I])\nq = mean[I](t[I])\nA = mean[I]((x[I] - m)^2)\n"
    "B = mean[I]((x[I] - m) (z[I] - p))\nC = mean[I]((z[I] - p)^2)\nF = mean[I]((x[I] - m) (t[I] - q))\n"
    "G = mean[I]((z[I] - p) (t[I] - q))\nD = A C - B^2\n"
)
ROWS: tuple[tuple[str, str, str, dict[str, tuple[int, ...]]], ...] = (
    ("variance", "L = mean[I]((x[I] - mean[J](x[J]))^2)", "x", {"x": (4,)}),
    ("logarithm of a variance", "L = log(mean[I]((x[I] - mean[J](x[J]))^2))", "x", {"x": (4,)}),
    ("standardised", "m = mean[I](x[I])\nv = mean[I]((x[I] - m)^2)\nL = sum[I](t[I] (x[I] - m) / sqrt(v))", "x",
     {"x": (4,), "t": (4,)}),
    ("covariance", "L = mean[I]((x[I] - mean[J](x[J])) (y[I] - mean[J](y[J])))^2", "x", {"x": (4,), "y": (4,)}),
    ("layer norm", LAYER_NORM, "X", {"X": (2, 3), "T": (2, 3)}),
    ("batch norm", LAYER_NORM.replace("mean[J](X[n,J])", "mean[J](X[J,n])").replace("X[n,J]", "X[J,n]")
     .replace("X[n,j]", "X[j,n]"), "X", {"X": (3, 2), "T": (2, 3)}),
    ("distances", "L = sum[I,J](t[I,J] sqrt(1 + (x[I] - x[J])^2))", "x", {"x": (3,), "t": (3, 3)}),
    ("radial basis functions", "k[i,j] = exp(-(x[i] - x[j])^2 / 2)\nL = k[I,J] t[I,J]", "x", {"x": (3,), "t": (3, 3)}),
    ("squared errors", "L = mean[N]((y[N] - X[N,K] w[K])^2)", "y", {"y": (3,), "X": (3, 2), "w": (2,)}),
    ("its logarithm, in the weights", "L = log(mean[N]((y[N] - X[N,K] w[K])^2))", "w",
     {"y": (3,), "X": (3, 2), "w": (2,)}),
    ("a power of a difference", "L = sum[I]((x[I] - x[0])^4)^2", "x", {"x": (3,)}),
    ("softmax, named in three lines", "E[k] = exp(z[k])\ns = sum[K](E[K])\nS[k] = E[k] / s\nL = S[K] t[K]", "z",
     {"z": (3,), "t": (3,)}),
    ("cross-entropy", "S[k] = softmax[k](z[k])\nL = -sum[K](t[K]^2 log(S[K]))", "z", {"z": (3,), "t": (3,)}),
    ("log-sum-exp, weighted", "L = log(sum[K](t[K]^2 exp(z[K])))", "z", {"z": (3,), "t": (3,)}),
    ("binary cross-entropy", "p[k] = 1 / (1 + exp(-z[k]))\nL = -sum[K](t[K]^2 log(p[K]) + log(1 - p[K]))", "z",
     {"z": (3,), "t": (3,)}),
    ("softplus, written out", "L = sum[K](t[K] log(1 + exp(z[K])))", "z", {"z": (3,), "t": (3,)}),
    ("softmax of many lines, attention", "E[k] = exp(z[k])\nU = E[K] t[K]\ns = sum[K](E[K])\nL = U / s", "z",
     {"z": (3,), "t": (3,)}),
    ("mixture of normals", "L = log(sum[K](t[K]^2 exp(-(x - m[K])^2 / 2)))", "m", {"x": (), "m": (3,), "t": (3,)}),
    ("a product of data", "L = prod[I](x[I])", "x", {"x": (4,)}),
    ("a product of differences", "L = prod[I](x[I] - t[I])^2", "x", {"x": (4,), "t": (4,)}),
    ("largest of products", "L = max[I]((x[I] - s) (x[I] + s))", "x", {"x": (3,), "s": ()}),
    ("cosine similarity", "L = x[I] t[I] / (sqrt(sum[J](x[J]^2)) sqrt(sum[K](t[K]^2)))", "x", {"x": (3,), "t": (3,)}),
    ("tanh", "L = sum[I](t[I] tanh(x[I]))", "x", {"x": (3,), "t": (3,)}),
    ("a line, mean of squares", f"{LINE}L = mean[N](({LEFT})^2)", "x", {"x": (4,), "t": (4,)}),
    ("a line, sum of squares", f"{LINE}L = sum[N](({LEFT})^2)", "x", {"x": (4,), "t": (4,)}),
    ("a line in brackets", f"{LINE}L = mean[N]((t[N] - (a + b x[N]))^2)", "x", {"x": (4,), "t": (4,)}),
    ("a line, in its targets", f"{LINE}L = mean[N](({LEFT})^2)", "t", {"x": (4,), "t": (4,)}),
    ("a weighted line",
     "w[i] = s[i]^2\nW = sum[I](w[I])\nm = sum[I](w[I] x[I]) / W\nq = sum[I](w[I] t[I]) / W\n"
     "b = sum[I](w[I] (x[I] - m) (t[I] - q)) / sum[I](w[I] (x[I] - m)^2)\na = q - b m\n"
     f"L = sum[N](w[N] ({LEFT})^2) / W", "x", {"x": (4,), "t": (4,), "s": (4,)}),
    ("a ridge line", f"{LINE.replace('/ mean', '/ (1 + mean').replace('m)^2)', 'm)^2))')}L = mean[N](({LEFT})^2) + b^2",
     "x", {"x": (4,), "t": (4,)}),
    ("two regressors", f"{PLANE}b = (C F - B G) / D\nc = (A G - B F) / D\na = q - b m - c p\n"
     "L = mean[N]((t[N] - a - b x[N] - c z[N])^2)", "x", {"x": (4,), "z": (4,), "t": (4,)}),
    ("explained share of a line", f"{LINE}L = 1 - mean[N](({LEFT})^2) / mean[N]((t[N] - q)^2)", "x",
     {"x": (4,), "t": (4,)}),
    ("likelihood of a line", f"{LINE}v = mean[N](({LEFT})^2)\nL = -log(v) / 2 - mean[N](({LEFT})^2) / (2 v + 1)", "x",
     {"x": (4,), "t": (4,)}),
    ("a line through a point", "b = sum[I]((x[I] - x[0]) (t[I] - t[0])) / sum[I]((x[I] - x[0])^2)\na = t[0] - b x[0]\n"
     f"L = mean[N](({LEFT})^2)", "x", {"x": (4,), "t": (4,)}),
    ("robust line", f"{LINE}L = sum[N](log(1 + ({LEFT})^2))", "x", {"x": (4,), "t": (4,)}),
    ("autocorrelation", "m = mean[I](x[I])\nL = sum[I]((x[I+1] - m) (x[I] - m)) / sum[J]((x[J] - m)^2)", "x",
     {"x": (5,)}),
    ("what the one before does not tell",
     "m = mean[I](x[I])\nf = sum[I]((x[I+1] - m) (x[I] - m)) / sum[J]((x[J] - m)^2)\nc = m - f m\n"
     "L = sum[N]((x[N+1] - c - f x[N])^2)", "x", {"x": (4,)}),
    ("Mahalanobis distances",
     f"{PLANE}L = sum[N](t[N] (C (x[N] - m)^2 - 2 B (x[N] - m) (z[N] - p) + A (z[N] - p)^2) / D)", "x",
     {"x": (4,), "z": (4,), "t": (4,)}),
    ("circle of least squares", "m = mean[I](x[I])\np = mean[I](z[I])\nd[i] = sqrt((x[i] - m)^2 + (z[i] - p)^2)\n"
     "L = mean[I]((d[I] - mean[J](d[J]))^2)", "x", {"x": (4,), "z": (4,)}),
    ("skewness", "m = mean[I](x[I])\nv = mean[I]((x[I] - m)^2)\nL = mean[I]((x[I] - m)^3) / v^1.5", "x", {"x": (4,)}),
    ("two ways of variance", "m = mean[N,J](X[N,J])\nr[n] = mean[J](X[n,J])\nc[j] = mean[N](X[N,j])\n"
     "L = log(mean[N,J]((X[N,J] - r[N] - c[J] + m)^2))", "X", {"X": (2, 3)}),
)  # fmt: skip


def exact(program: Any, name: Any, arrays: dict[str, Any]) -> list[Any]:
    """One tensor of a program by the loops, to 50 digits."""
    from einstan.calculus.program import Program
    from einstan.machine.meaning.loops import evaluate
    from einstan.machine.meaning.numbers import EXACT

    def fractions(data: Any) -> Any:
        return [fractions(entry) for entry in data] if isinstance(data, list) else Fraction(data)

    plain = Program({e.name: e for e in program.equations}.values())
    given = {str(n): arrays[str(n)] for n in plain.inputs}
    made = {n: a if isinstance(a, list | Fraction) else fractions(a.tolist()) for n, a in given.items()}
    found: Any = evaluate(plain, made, numbers=EXACT)
    return [rational(v) for v in found[name].flat]


def rational(value: Any) -> Fraction:
    """A number as a fraction; one of 50 digits that is far beyond all floats is as far as is of interest."""
    if isinstance(value, Decimal) and value and value.is_finite() and abs(value.adjusted()) > 1000:
        value = value.scaleb((1000 if value.adjusted() > 0 else -1000) - value.adjusted())
    return Fraction(value)


def moved(arrays: dict[str, Any], seed: int) -> dict[str, Any]:
    """The arrays with every entry half a unit in the last place off, one way or the other."""
    import numpy as np

    generator = np.random.default_rng(seed)

    def step(entry: Any) -> Any:
        if isinstance(entry, list):
            return [step(e) for e in entry]
        return Fraction(entry) * (1 + int(generator.choice([-1, 1])) * Fraction(1, 2**53))

    return {name: step(array.tolist()) for name, array in arrays.items()}


Entries = list[Fraction]


class Truth(NamedTuple):
    """The exact entries of a derivative, those where all inputs are rounded otherwise, and what is nothing."""

    entries: Entries
    others: tuple[Entries, ...]
    nothing: Fraction

    def times(self, direction: Entries) -> Truth:
        """The same of a Hessian's product with a vector."""

        def product(entries: Entries) -> Entries:
            rows = range(0, len(entries), len(direction))
            return [sum((a * b for a, b in zip(entries[k:], direction, strict=False)), Fraction(0)) for k in rows]

        return Truth(product(self.entries), tuple(map(product, self.others)), self.nothing)

    def lost(self, found: Any, size: Fraction | None = None) -> float:
        """The largest error over what cannot be avoided; ``size`` is that of what was added up, if it was larger."""
        whole = max(map(abs, self.entries), default=Fraction(0)) if size is None else size
        gaps = [abs(a - b) for other in self.others for a, b in zip(self.entries, other, strict=True)]
        values = [float(v) for v in found.ravel()]
        if not all(v == v and abs(v) != float("inf") for v in values):
            return float("inf")
        error = max(abs(Fraction(v) - t) for v, t in zip(values, self.entries, strict=True))
        # Below the last of these 50 digits may not tell a number from one that is subtracted from it.
        floor = max(whole / 2**53, *gaps, Fraction(1, 10**45))
        return float(error / (floor if floor > Fraction(1, 10**40) else max(floor, self.nothing)))


def truth(whole: Any, name: Any, arrays: dict[str, Any], nothing: Fraction = Fraction(0)) -> Truth:
    entries = exact(whole, name, arrays)
    if any(abs(t) > sys.float_info.max for t in entries):
        raise OverflowError("the derivative itself is no float")
    return Truth(entries, tuple(exact(whole, name, moved(arrays, seed)) for seed in range(3)), nothing)


def by_hand() -> dict[str, tuple[str, Any]]:
    """What a person writes for the rows that lose digits, in NumPy and in a good order: gradients, and a Hessian."""
    import numpy as np

    def shares(z: Any, mask: Any = 1.0) -> Any:
        e = np.exp(z) * mask
        return e / e.sum(-1, keepdims=True)

    def squares_of_shares(mask: Any) -> Any:
        def gradient(z: Any, scale: float) -> Any:
            s = shares(z, mask(z))
            return scale * s * (s - (s * s).sum(-1, keepdims=True))

        return gradient

    def below(z: Any) -> Any:
        return np.tri(*z.shape)

    masked, whole = squares_of_shares(below), squares_of_shares(np.ones_like)

    def curvature(a: Any, b: Any, w: Any, **_: Any) -> Any:  # of sum[m](U[l,m] g[l,m]) for each l
        u, g = shares(a, below(a)), w @ b.T
        apart, own = g - (u * g).sum(-1, keepdims=True), np.eye(a.shape[-1])
        block = (own * (u * apart)[:, :, None]) - np.einsum("lm,lp,lmp->lmp", u, u, apart[:, :, None] + apart[:, None])
        return np.einsum("lk,lmp->lmkp", np.eye(len(a)), block)

    def left_of_itself(x: Any, c: Any, **_: Any) -> Any:
        return x**2 / (1 + x**2) * (1 / (1 + np.exp(np.arctan(x) - x)) - c)

    def of_a_mean_of_shares(x: Any, **_: Any) -> Any:
        e = 1 / (1 + np.exp(-x))
        return e * (1 - e) * (1 - (e / e.sum()).sum()) / e.sum() / (2 * len(x))

    def in_its_exponent(x: Any, p: Any, **_: Any) -> Any:
        logs = np.log(abs(x)) - np.log(abs(x)).max()
        powers = np.exp(p * logs)
        rest = powers.sum() - 1  # one of them is the largest
        total = np.log1p(rest) / p
        return np.asarray(abs(x).max() * np.exp(total) * ((powers * logs).sum() / (1 + rest) - total) / p)

    return {
        "program digits 7": ("gradient", lambda w, **_: masked(w, 2 / w.shape[0])),
        "program digits 24": ("hessian", curvature),
        "program digits 127": ("gradient", of_a_mean_of_shares),
        "program digits 131": ("gradient", left_of_itself),
        "program digits 132": ("gradient", lambda x, **_: whole(x, 4 / x.shape[0])),
        "breadth p-norm, p": ("gradient", in_its_exponent),
    }


class Case(NamedTuple):
    """A program with a scalar, what it is differentiated by (that is shifted and scaled), and arrays for all inputs."""

    group: str
    name: str
    program: Any
    loss: str
    wrt: str
    arrays: dict[str, Any]


def formulas(quick: bool) -> Iterator[Case]:
    """The table above."""
    import numpy as np

    import einstan as es

    for name, text, wrt, shapes in ROWS:
        if not quick or name in QUICK:
            generator = np.random.default_rng(0)
            arrays = {n: np.asarray(generator.normal(size=shape)) for n, shape in shapes.items()}
            yield Case("formula", name, es.Program(text), "L", wrt, arrays)


def layers(quick: bool) -> Iterator[Case]:
    """The layers of the library, each with a weighted sum of what it computes, in each of its inputs."""
    import einstan as es

    for row in tests("tests.layers.rows").ROWS:
        arrays = {**row.arrays(), "C": row.cotangent()}
        total = f"total = C[{row.slots}] {row.output}[{row.slots}]" if row.slots else f"total = C {row.output}"
        network = es.Network(row.layer()(), total)
        for wrt in row.wrt if not quick or row.name == "layer_norm" else ():
            yield Case("layer", f"{row.name}, {wrt}", es.Program(network.program.equations), "total", wrt, arrays)


def breadth(quick: bool) -> Iterator[Case]:
    """The formulas of docs/breadth.md, with a weighted sum of what they compute, in each of their inputs."""
    import numpy as np

    import einstan as es

    for row in tests("tests.breadth.rows").ROWS:
        program = es.Program(row.text)
        rank = program.known.ranks[row.of]
        slots = ",".join(f"I{k}" for k in range(rank))
        total = f"total = C[{slots}] {row.of}[{slots}]" if rank else f"total = {row.of}"
        arrays = {**row.arrays(), **row.integers}
        if rank:
            shape = program.compile(outputs=[row.of])(arrays)[row.of].shape
            arrays["C"] = np.asarray(np.random.default_rng(1).normal(size=shape))
        for wrt in row.wrt if not quick or row.name == "layer norm" else ():
            yield Case("breadth", f"{row.name}, {wrt}", es.Program(f"{row.text}\n{total}"), "total", wrt, arrays)


def programs(quick: bool, count: int, seed: str) -> Iterator[Case]:
    """Random programs as they are made for the comparison of routes, in the first of their inputs."""
    import numpy as np

    import einstan as es

    made = tests("tests.routes.generator").made
    for number in range(2 if quick else count):
        case = made(f"{seed} {number}")
        if not case.wrt or 0 in case.sizes.values():
            continue
        arrays = {n: np.asarray(a, dtype=a.dtype if n in case.integers else float) for n, a in case.data.items()}
        yield Case("program", f"{seed} {number}", es.Program(case.text), case.loss, case.wrt[0], arrays)


def tests(module: str) -> Any:
    """A module of the tests, which hold the tables."""
    root = str(Path(__file__).resolve().parent.parent)
    if root not in sys.path:
        sys.path.append(root)
    return importlib.import_module(module)


class TooLongError(Exception):
    """The loops would take longer than a row is worth."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    def end(*_: Any) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 0.5)  # again: Python ignores what is raised while memory is freed
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def settings(text: str) -> list[tuple[float, float]]:
    scales = SCALES_OF_EXPONENTIALS if "exp" in text or "softmax" in text else SCALES
    return [(shift, 1.0) for shift in SHIFTS] + [(0.0, scale) for scale in scales]


def measured(case: Case, limit: float) -> list[dict[str, Any]]:
    """The gradient and the Hessian of one case, at every shift and scale, each the worse of two routes: the partial and
    the backward pass, the Hessian and its product with a vector.  None where there is nothing to compare."""
    import numpy as np

    import einstan as es

    program, gradient = case.program, case.program.partial(case.loss, case.wrt)
    back = program.backward(case.loss, wrt=[case.wrt])
    whole = es.Program({e.name: e for e in (*program.equations, *gradient.equations)}.values())
    of, compiled, passed = gradient.equations[0].name, gradient.compile(fast=False), back.compile(fast=False)
    given = [str(n) for n in program.inputs]
    direction = np.random.default_rng(2).normal(size=case.arrays[case.wrt].shape)
    along = [Fraction(float(v)) for v in np.ravel(direction)]
    try:
        hessian = program.hessian(case.loss, case.wrt)
        curved = es.Program({e.name: e for e in (*program.equations, *hessian.program.equations)}.values())
        product = program.hvp(case.loss, {case.wrt: "DIRECTION"}).compile(fast=False)
    except es.EinstanError:  # no second derivative: it does not depend on that, or an integer is read
        hessian = None

    kind, hand = by_hand().get(f"{case.group} {case.name}", ("", None))

    def nothing(arrays: dict[str, Any], order: int) -> Fraction:
        """What a derivative that is zero is compared with: what half a unit in the last place of the scalar would be,
        if it came of moving the largest entry by itself."""
        (value,), largest = exact(whole, case.loss, arrays), Fraction(float(np.abs(arrays[case.wrt]).max()))
        return abs(value) / 2**53 / largest**order if largest else Fraction(0)

    def slopes(arrays: dict[str, Any]) -> float:
        exactly = truth(whole, of, arrays, nothing(arrays, 1))
        if kind == "gradient":
            row["by_hand"] = exactly.lost(hand(**arrays))
        named = {n: arrays[n] for n in given}
        return max(exactly.lost(compiled(named)[str(of)]), exactly.lost(passed(named)[f"d{case.wrt}"]))

    def curvature(arrays: dict[str, Any]) -> float:
        exactly = truth(curved, hessian.equation.name, arrays, nothing(arrays, 2))
        if kind == "hessian":
            row["by_hand"] = exactly.lost(hand(**arrays))
        named = {n: arrays[n] for n in given}
        dense = exactly.lost(np.asarray(hessian(named).dense()))
        added_up = Truth(list(map(abs, exactly.entries)), (), Fraction(0)).times(list(map(abs, along))).entries
        found = product({**named, "DIRECTION": direction})[f"td{case.wrt}"]
        return max(dense, exactly.times(along).lost(found, max(added_up, default=Fraction(0))))

    found = []
    for shift, scale in settings(str(program)):
        arrays = dict(case.arrays)
        arrays[case.wrt] = arrays[case.wrt] * scale + shift
        row: dict[str, Any] = {"group": case.group, "row": case.name, "shift": shift, "scale": scale}
        for way, run in (("gradient", slopes), *((("hessian", curvature),) if hessian is not None else ())):
            try:
                with np.errstate(all="ignore"), within(limit):
                    row[way] = run(arrays)
            except (ArithmeticError, es.EinstanError, TooLongError) as error:  # no value there, or none in that time
                row[way], row["why"] = None, type(error).__name__
        found.append(row)
    return found


def all_measured(options: Any) -> list[dict[str, Any]]:
    groups = {
        "formula": formulas(options.quick), "layer": layers(options.quick), "breadth": breadth(options.quick),
        "program": programs(options.quick, options.programs, options.seed),
    }  # fmt: skip
    cases = [case for group, made in groups.items() if group in (options.only or groups) for case in made]
    found = []
    with common.progress(len(cases), "digits") as done:
        for case in cases:
            try:
                found += measured(case, options.limit)
            except Exception as error:  # a derivative that is refused says so elsewhere
                print(f"left out: {case.group} {case.name}: {type(error).__name__}: {error}".splitlines()[0])
            done(case.name)
    return found


def worst(rows: list[dict[str, Any]], way: str) -> float | None:
    return max((row[way] for row in rows if row.get(way) is not None), default=None)


def shown(number: float | None) -> str:
    return "–" if number is None else f"{number:.2g}"


def is_large(row: dict[str, Any]) -> bool:
    return any((row.get(way) or 0) > FACTOR for way in ("gradient", "hessian"))


def is_lost(row: dict[str, Any]) -> bool:
    """Whether a row is off by more than it should be, and a person does better by more than that."""
    hand = max(1.0, row.get("by_hand", 1.0))
    return is_large(row) and any((row.get(way) or 0) > FACTOR * hand for way in ("gradient", "hessian"))


PAGE = """\
# Digits of derivatives

How many digits are left of a gradient and of a Hessian where data are shifted far from zero, or scaled? Every formula
of three tables (`benchmarks/bench_digits.py`, the layers, [breadth.md](breadth.md)) and random programs of
`tests/routes` are derived, run in float64, and compared with the same derivative in 50 digits, at data shifted by 0,
1e3 and 1e6 and scaled by 1e-4 and 1e4 (10 where exponentials are taken). A gradient is run as a partial and as a
backward pass, a Hessian as a whole and as a product with a vector, and the worse of the two is shown. The number is the
largest error over the *floor*: how far the exact answer moves where every input moves by half a unit in the last place
(the largest of three such moves, one way or the other for each entry), and not less than half a unit in the last place
of the largest entry, or of the largest sum without its signs in a product. Nobody can do better than about 1, since
inputs are rounded; these should stay below 100. A derivative that is zero wherever the inputs are has no size, and is
compared with half a unit in the last place of the scalar over the largest entry, or over its square for a Hessian.
Points at which the derivative has no value or is larger than a float can be, or where 50 digits take more than some
seconds, are left out.

{counts}

| | what | shift | scale | gradient | Hessian | by hand | |
|---|---|---:|---:|---:|---:|---:|---|
{rows}

A point above 100 is *lost* where it is also more than 100 times what a person loses who writes the same derivative in
NumPy, in a good order (`by_hand` in the benchmark; no number where nothing was written by hand, and then it is lost).

What loses more:

- *p-norm in p at large p*: the derivative is what a logarithm and a weighted mean of logarithms leave of each other,
  next to nothing. By hand the largest entry is taken out of both first; that is not done.
- *Squares of shares that are nearly equal* (7 and 132, with `Z[M,P]^2` of a softmax, at scale 1e-4): the gradient is a
  difference of nearly equal shares, and so it is by hand, `S[k] (S[k] - S[K]^2)`. The Hessian of two shares (24)
  changes its sign where they are equal.
- *A derivative that is zero* (183, at scale 10): of shares of one entry is left what rounds in `1 / s - e / s^2`.
- *Shares over two axes at once* (79): what the largest lacks of the whole is taken apart along one axis alone.

What was run is counted above. Of each formula and layer the worst point is shown, and all points above 100.

*Written by `python benchmarks/bench_digits.py --page docs/digits.md`.*
"""


def page(found: list[dict[str, Any]]) -> str:
    groups = list(dict.fromkeys(row["group"] for row in found))
    counts, rows = [], []
    for group in groups:
        own = [row for row in found if row["group"] == group]
        count = sum(row.get(way) is not None for row in own for way in ("gradient", "hessian"))
        large, bad = sum(map(is_large, own)), sum(map(is_lost, own))
        names = len({row["row"] for row in own})
        counts.append(f"- {group}: {names} rows, {count} comparisons, {large} points above 100, {bad} of them lost")
        for name in dict.fromkeys(row["row"] for row in own):
            of = [row for row in own if row["row"] == name]
            top = max(of, key=lambda row: max(row.get("gradient") or 0, row.get("hessian") or 0))
            chosen = [row for row in of if is_large(row)] or ([top] if group != "program" else [])
            rows += [
                f"| {group} | {name} | {row['shift']:g} | {row['scale']:g} | {shown(row.get('gradient'))}"
                f" | {shown(row.get('hessian'))} | {shown(row['by_hand']) if 'by_hand' in row else ''}"
                f" | {'**lost**' if is_lost(row) else ''} |"
                for row in chosen
            ]
    return PAGE.format(counts="\n".join(counts), rows="\n".join(rows))


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_digits.py --json digits.json")
    parser.add_argument("--programs", type=int, default=200, help="how many random programs")
    parser.add_argument("--seed", default="digits", help="of the random programs")
    parser.add_argument("--only", action="append", help="formula, layer, breadth or program; may be repeated")
    parser.add_argument(
        "--limit", type=float, default=10.0, help="seconds of the processor for the loops of one comparison"
    )
    parser.add_argument("--page", type=Path, help="write the table as a page")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    record = common.machine()
    print(common.one_line(record))
    found = all_measured(options)
    columns = ("of", "formula", "shift", "scale", "gradient", "Hessian")
    common.table("error over what rounded inputs make unavoidable", columns, [
        (each["group"], each["row"], f"{each['shift']:g}", f"{each['scale']:g}", shown(each.get("gradient")),
         shown(each.get("hessian")))
        for each in found
    ])  # fmt: skip
    bad = [each for each in found if is_lost(each)]
    for each in bad:
        print(f"lost: {each['group']} {each['row']} at shift {each['shift']:g}, scale {each['scale']:g}")
    for group in dict.fromkeys(each["group"] for each in found):
        own = [each for each in found if each["group"] == group]
        largest = ", ".join(f"{way} {shown(worst(own, way))}" for way in ("gradient", "hessian"))
        print(f"{group}: {len(own)} points, {largest}")
    if options.page:
        options.page.write_text(page(found), "utf-8")
    common.write_json(options.json, "digits", record, {"rows": found, "factor": FACTOR})
    return int(bool(bad))


if __name__ == "__main__":
    common.main_guard(run)
