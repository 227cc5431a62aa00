"""JAX: a row for each verb, in functions that ``jit``, ``vmap`` and ``grad`` take."""

from __future__ import annotations

from einstan.machine.schedule.sizes import tuple_of
from einstan.machine.sizes.operations import COMPARISONS
from einstan.machine.targets.shared import SHARED, looker
from einstan.machine.targets.target import Verb, Written
from einstan.machine.targets.torch import VERBS as TORCH
from einstan.machine.targets.torch import embed

INFINITE = {"inf": "jnp.inf", "-inf": "-jnp.inf"}


def along(name: str) -> Verb:
    def text(call: Written) -> str:
        axes, cast, lowest, _ = call.detail
        if lowest:
            return f"largest({call.reads[0]}, {axes})"
        return f"jnp.{name}({call.reads[0]}, axis={axes}{', dtype=dtype' if cast else ''})"

    return text


def arange(call: Written) -> str:
    size, precision = call.detail
    return f"jnp.arange({size}{', dtype=dtype' if precision else ''})"


def gather_part(call: Written) -> str:
    (entries, *at), (axes, axis, count) = call.reads, call.detail
    return f"taken_part({entries}, {tuple_of(at)}, {axes}, {axis}, {count})"


def take(call: Written) -> str:
    (entries, at), (axis, _) = call.reads, call.detail
    return f"along({entries}, {at}, {axis})"


def running(call: Written) -> str:
    kind, axis, size, start, strict, backwards = call.detail
    return f'running("{kind}", {call.reads[0]}, {axis}, {size}, {INFINITE.get(start, start)}, {strict}, {backwards})'


FUNCTIONS = (
    *("exp", "expm1", "log", "log1p", "sqrt", "cbrt", "sin", "cos", "tan", "arctan", "arcsin", "arccos", "sinh"),
    *("cosh", "tanh", "arcsinh", "arccosh", "arctanh", "abs", "sign", "floor", "square"),
)
SPECIAL = {"erf": "erf", "erfc": "erfc", "lgamma": "gammaln"}
VERBS: dict[str, Verb] = {
    **{verb: row for verb, row in TORCH.items() if isinstance(row, str) and "torch" not in row},
    **SHARED,
    **{name: f"jnp.{name}({{0}})" for name in FUNCTIONS},
    **{name: f"jax.scipy.special.{found}({{0}})" for name, found in SPECIAL.items()},
    **{name: f"jnp.{name}({{0}}, {{1}})" for name in ("arctan2", "maximum", "minimum", "mod")},
    **{name: f"jax.nn.{found}({{0}})" for name, found in
       {"sigmoid": "sigmoid", "silu": "silu", "elu": "elu", "softsign": "soft_sign"}.items()},
    **{verb: f"{{0}} {sign} {{1}}" for sign, verb in COMPARISONS.items() if verb != "logical_and"},
    **{f"{verb} along": along(name)
       for verb, name in {"add": "sum", "maximum": "max", "minimum": "min", "multiply": "prod"}.items()},
    "relu": "jnp.maximum({0}, 0)",
    "softplus": "jnp.logaddexp({0}, 0)",
    "digamma": "digamma({0})",
    "trigamma": "trigamma({0})",
    "clip": "jnp.clip({0}, {1}, {2})",
    "pow": "jnp.power({0}, {1})",
    "log of mask": "log_of_mask({0}, jnp.zeros((), dtype))",
    "select": "jnp.where({0}, {1}, jnp.zeros_like({1}))",
    "number": "jnp.asarray({0}, dtype)",
    "dot": "jnp.dot({0}, {1})",
    "vdot": "jnp.vdot({0}, {1})",
    "matmul": "jnp.matmul({0}, {1})",
    "einsum": 'jnp.einsum("{d0}", {0}, {1})',
    "gram": 'jnp.einsum("rk,rl->kl", {0}, {0})',
    "weighted gram": 'jnp.einsum("rk,r,rl->kl", {0}, {1}, {0})',
    "grams": "grams({0}, {1})",
    "running": running,
    "arange": arange,
    "gather": lambda call: f"taken({call.reads[0]}, {tuple_of(call.reads[1:])})",
    "take": take,
    "embed": embed,
    "zeros": lambda call: f"jnp.zeros({tuple_of(call.detail[0])}, dtype)",
    "all-reduce": "jax.lax.psum({0}, {d0})",
    "all-reduce max": "jax.lax.pmax({0}, {d0})",
    "all-reduce min": "jax.lax.pmin({0}, {d0})",
    "all-gather": "jax.lax.all_gather({0}, {d0}, axis={d1}, tiled=True)",
    "reduce-scatter": "jax.lax.psum_scatter({0}, {d0}, scatter_dimension={d1}, tiled=True)",
    "all-to-all": "jax.lax.all_to_all({0}, {d0}, {d2}, {d1}, tiled=True)",
    "gather part": gather_part,
    "scatter part": "scatter_part({0}, {1}, {d0}, {d1})",
    "own part": "own_part({0}, {d0}, {d1}, {d3})",
}  # fmt: skip
NEEDS = {
    "reach": ("padded", "window"),
    "window": ("places",),
    "overlap": ("places", "outside_last"),
    "taken": ("outside_last",),
    "along": ("taken",),
    "taken_part": ("taken",),
    "scatter_part": ("scatter_add",),
    "others": ("running",),
}


look = looker("jnp", ".T", lambda kind: f"astype({'int' if kind == 'int64' else 'dtype'})")
HEAD = ("import jax", "import jax.numpy as jnp", "import numpy as np")
BEGIN = {
    "dtype": (
        "jnp.result_type(jnp.{1})",
        "{0}.dtype",
        "{0}.dtype if jnp.issubdtype({0}.dtype, jnp.floating) else jnp.result_type(jnp.{1})",
    )
}
FULL = "jnp.full({sizes}, {number}, dtype)"
FREES = False  # what is compiled has memory laid out, and names hold none
COPY = "{0}"
