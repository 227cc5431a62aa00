"""NumPy: a row for each verb, which writes to memory where it can, and the helpers that generated code may call."""

from __future__ import annotations

from collections import ChainMap

from einstan.machine.backends.arrays import Absent, np
from einstan.machine.backends.numpy import CALLS, HELPERS
from einstan.machine.schedule.sizes import tuple_of
from einstan.machine.sizes.operations import COMPARISONS
from einstan.machine.sizes.spelling import plain_text
from einstan.machine.targets.shared import SHARED, looker
from einstan.machine.targets.target import Target, Verb, Written

INFINITE = {"inf": "np.inf", "-inf": "-np.inf"}


def dtype(name: str) -> str:
    return f"np.{name}"


# ---- verbs that are more than a template -----------------------------------------------------------------------------


def along(ufunc: str) -> Verb:
    def text(call: Written) -> str:
        axes, cast, lowest, rank = call.detail
        axis = "None" if len(axes) == rank else axes[0] if len(axes) == 1 else axes
        cast = f", dtype={dtype(cast)}" if cast else ""
        lowest = f", initial=LOWEST_{lowest[5:]}" if lowest else ""
        return f"np.{ufunc}.reduce({call.reads[0]}, axis={axis}{cast}{lowest}{call.out})"

    return text


def running(call: Written) -> str:
    ufunc, axis, size, start, strict, backwards = call.detail
    start = INFINITE.get(start, start)
    return f"running(np.{ufunc}, {call.reads[0]}, {axis}, {size}, {start}, {int(strict)}{', True' * backwards})"


def arange(call: Written) -> str:
    size, precision = call.detail
    return f"np.arange({size}{f', dtype={dtype(precision)}' if precision else ''})"


def take(call: Written) -> str:
    (entries, at), (axis, where) = call.reads, call.detail
    index = f"inside({at}, {entries}.shape[{axis}], {plain_text(where)})"
    return f"{entries}[{index}]" if axis == 0 else f"np.take({entries}, {index}, axis={axis})"


def embed(call: Written) -> str:
    sizes, precision, names, kept = call.detail
    return f'embed({call.reads[0]}, {tuple_of(sizes)}, {dtype(precision)}, "{names}->{kept}")'


def made_of(verb: str) -> Verb:
    def text(call: Written) -> str:
        sizes, *precision = call.detail
        return f"np.{verb}({tuple_of(sizes)}, {dtype(precision[0] if precision else call.precision)})"

    return text


def gram(call: Written) -> str:
    return f"gram({call.reads[0]}, {call.reads[1] if len(call.reads) > 1 else 'None'})"


def grams(call: Written) -> str:
    pairs = call.reads[2] if len(call.reads) > 2 else f"column_pairs({call.detail[0]})"
    return f"grams({call.reads[0]}, {call.reads[1]}, *{pairs})"


VERBS: dict[str, Verb] = {
    **SHARED,
    **{verb: f"np.{verb}({{0}}, {{1}}{{out}})" for verb in ("add", "subtract", "multiply", "divide", "vecdot")},
    **{verb: f"np.{verb}({{0}}, {{1}}{{out}})" for verb in COMPARISONS.values()},
    **{verb: f"np.{verb}({{0}}{{out}})" for verb in ("negative", "square")},
    **{f"{verb} along": along(verb) for verb in ("add", "maximum", "minimum", "multiply")},
    "log of mask": "np.where({0}, np.{d0}(0), np.{d0}(-np.inf))",
    "select bits": "np.multiply({0}, {1}).view(np.{d0})",
    "sigmoid_into": "sigmoid_into({0}, {1}, {2}, {3}, {place})",
    "softplus_into": "softplus_into({0}, {1}, {2}, {place})",
    "number": "np.{d0}({0})",
    "scalar": "{0}[()]",
    "dot": "np.dot({0}, {1}{out})",
    "vdot": "np.vdot({0}, {1})",
    "matmul": "np.matmul({0}, {1}{out})",
    "einsum": 'np.einsum("{d0}", {0}, {1}{out})',
    "gram": gram,
    "weighted gram": gram,
    "grams": grams,
    "running": running,
    "arange": arange,
    "take": take,
    "embed": embed,
    "overlap_add": "overlap_add({0}, {d0}, {d1}, {d2}, {d3})",
    "zeros": made_of("zeros"),
    "empty": made_of("empty"),
    "filled": lambda call: f"np.full({tuple_of(call.detail[0])}, {call.detail[1]}, {dtype(call.precision)})",
    "copy": "{0}.copy()",
    "copyto": "np.copyto({place}, {0})",
    "fill": "{place}.fill({d0})",
    "set": "{place}[...] = {0}",
    "increase": "{place} += {0}",
    "ones": "np.ones({d0}, np.{d1})",
    "column pairs": "column_pairs({d0})",
}
if isinstance(np, Absent) or not hasattr(np, "vecdot"):  # of NumPy 2
    del VERBS["vecdot"]


look = looker("np", ".T", lambda kind: f"astype(np.{kind})")
WRITES = frozenset(
    verb
    for verb, row in (*VERBS.items(), *CALLS.items())
    if verb.endswith(" along") or (isinstance(row, str) and "{out}" in row)
)
NEEDS = {
    "reach": ("padded", "window"),
    "overlap_add": ("window",),
    "grams": ("column_pairs",),
    "erf": ("cody",),
    "erfc": ("cody",),
}
NUMPY = Target(ChainMap(VERBS, CALLS), look, WRITES, HELPERS, NEEDS)  # type: ignore[arg-type]
