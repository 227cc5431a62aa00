"""How many digits do gradients and Hessians keep, where data are shifted far from zero or scaled?

Every formula is derived, run in float64, and compared with the same derivative evaluated by the loops to 50 digits at
the same data.  An answer may be off by 100 times what it must be off by in any case: inputs are rounded, so how far the
exact answer moves when they move by half a unit in the last place is counted as unavoidable.  A row that is off by more
is printed as lost, and the exit status is 1.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

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
    ("largest of products", "L = max[I]((x[I] - s) (x[I] + s))", "x", {"x": (3,), "s": ()}),
    ("cosine similarity", "L = x[I] t[I] / (sqrt(sum[J](x[J]^2)) sqrt(sum[K](t[K]^2)))", "x", {"x": (3,), "t": (3,)}),
    ("tanh", "L = sum[I](t[I] tanh(x[I]))", "x", {"x": (3,), "t": (3,)}),
)  # fmt: skip


def exact(program: Any, name: Any, arrays: dict[str, Any]) -> list[Any]:
    """One tensor of a program by the loops, to 50 digits."""
    from einstan.calculus.program import Program
    from einstan.machine.loops import evaluate
    from einstan.machine.numbers import EXACT

    def fractions(data: Any) -> Any:
        return [fractions(entry) for entry in data] if isinstance(data, list) else Fraction(data)

    plain = Program({e.name: e for e in program.equations}.values())
    given = {str(n): arrays[str(n)] for n in plain.inputs}
    made = {n: a if isinstance(a, list | Fraction) else fractions(a.tolist()) for n, a in given.items()}
    found: Any = evaluate(plain, made, numbers=EXACT)
    return [Fraction(v) for v in found[name].flat]


def moved(arrays: dict[str, Any], seed: int) -> dict[str, Any]:
    """The arrays with every entry half a unit in the last place off, one way or the other."""
    import numpy as np

    generator = np.random.default_rng(seed)

    def step(entry: Any) -> Any:
        if isinstance(entry, list):
            return [step(e) for e in entry]
        return Fraction(entry) * (1 + int(generator.choice([-1, 1])) * Fraction(1, 2**53))

    return {name: step(array.tolist()) for name, array in arrays.items()}


def lost(whole: Any, name: Any, arrays: dict[str, Any], found: Any) -> float:
    """The largest error over what cannot be avoided."""
    truth = exact(whole, name, arrays)
    size = max(map(abs, truth), default=Fraction(0))
    unavoidable = size / 2**53
    for seed in range(3):
        other = exact(whole, name, moved(arrays, seed))
        unavoidable = max(unavoidable, *(abs(a - b) for a, b in zip(truth, other, strict=True)))
    values = [float(v) for v in found.ravel()]
    if not all(v == v and abs(v) != float("inf") for v in values):
        return float("inf")
    error = max(abs(Fraction(v) - t) for v, t in zip(values, truth, strict=True))
    floor = Fraction(1, 10**300)  # below, numbers have fewer digits
    return float(error / max(unavoidable, floor))


def measured(row: Any, seed: int = 0) -> list[dict[str, Any]]:
    """The gradient and the Hessian of one row, at every shift and scale."""
    import numpy as np

    import einstan as es
    from einstan.machine.numbers import DomainError

    name, text, wrt, shapes = row
    program = es.Program(text)
    gradient, hessian = program.partial("L", wrt), program.hessian("L", wrt)
    compiled = gradient.compile(fast=False)
    of = gradient.equations[0].name
    curved = es.Program({e.name: e for e in (*program.equations, *hessian.program.equations)}.values())
    found = []
    scales = SCALES_OF_EXPONENTIALS if "exp" in text or "softmax" in text else SCALES
    for shift, scale in [(s, 1.0) for s in SHIFTS] + [(0.0, s) for s in scales]:
        generator = np.random.default_rng(seed)
        arrays = {n: np.asarray(generator.normal(size=shape)) for n, shape in shapes.items()}
        arrays[wrt] = arrays[wrt] * scale + shift
        whole = es.Program((*program.equations, *gradient.equations))
        with np.errstate(all="ignore"):
            slopes = compiled({str(n): arrays[str(n)] for n in compiled.inputs})[str(of)]
            second = np.asarray(hessian({n: a for n, a in arrays.items() if n in map(str, program.inputs)}).dense())
        try:
            errors = lost(whole, of, arrays, slopes), lost(curved, hessian.equation.name, arrays, second)
        except DomainError:  # log(1 - p) has no value where 60 digits round p to one: nothing to compare with
            continue
        found.append({
            "row": name, "shift": shift, "scale": scale, "gradient": errors[0], "hessian": errors[1],
        })  # fmt: skip
    return found


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_digits.py --json digits.json")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    record = common.machine()
    print(common.one_line(record))
    rows = [row for row in ROWS if not options.quick or row[0] in QUICK]
    found = []
    with common.progress(len(rows), "digits") as done:
        for row in rows:
            found += measured(row)
            done(row[0])
    columns = ("formula", "shift", "scale", "gradient", "Hessian")
    common.table("error over what rounded inputs make unavoidable", columns, [
        (each["row"], f"{each['shift']:g}", f"{each['scale']:g}", f"{each['gradient']:.2g}", f"{each['hessian']:.2g}")
        for each in found
    ])  # fmt: skip
    bad = [each for each in found if max(each["gradient"], each["hessian"]) > FACTOR]
    for each in bad:
        print(f"lost: {each['row']} at shift {each['shift']:g}, scale {each['scale']:g}")
    common.write_json(options.json, "digits", record, {"rows": found, "factor": FACTOR})
    return int(bool(bad))


if __name__ == "__main__":
    common.main_guard(run)
