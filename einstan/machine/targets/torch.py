"""PyTorch: a row for each verb.  Nothing is written over: autograd, ``torch.func`` and the compiler can read it."""

from __future__ import annotations

from einstan.machine.backends.numpy import EXTENDED
from einstan.machine.schedule.sizes import tuple_of
from einstan.machine.sizes.operations import COMPARISONS
from einstan.machine.sizes.spelling import bracketed, plain_text
from einstan.machine.targets.shared import SHARED, looker
from einstan.machine.targets.spell import is_atom
from einstan.machine.targets.target import Verb, Written

INFINITE = {"inf": "float('inf')", "-inf": "-float('inf')"}
LIKE = "dtype=dtype, device=device"  # of what is made anew, as the head of the function has them


def along(name: str) -> Verb:
    def text(call: Written) -> str:
        axes, cast, lowest, _ = call.detail
        (text,) = call.reads
        if name == "prod":
            return f"product({text}, {axes})"
        if lowest:
            return f"largest({text}, {axes})"
        return f"torch.{name}({text}, dim={axes}{', dtype=dtype' if cast else ''})"

    return text


def arange(call: Written) -> str:
    size, precision = call.detail
    return f"torch.arange({size}, {'dtype=dtype, ' if precision else ''}device=device)"


def take(call: Written) -> str:
    (entries, at), (axis, where) = call.reads, call.detail
    return f"{entries}[{':, ' * axis}inside({at}, {entries}.shape[{axis}], {plain_text(where)})]"


def running(call: Written) -> str:
    kind, axis, size, start, strict, backwards = call.detail
    return f'running("{kind}", {call.reads[0]}, {axis}, {size}, {INFINITE.get(start, start)}, {strict}, {backwards})'


def einsum(call: Written) -> str:
    """An einsum of two.  Where single entries are multiplied and summed PyTorch would make small matrices of them."""
    inputs, out = call.detail[0].split("->")
    left, right = inputs.split(",")
    first, second = (text if is_atom(text) else f"({text})" for text in call.reads)
    if sorted(left) != sorted(right) or len(set(left)) < len(left) or len(out) in (0, len(left)):
        return f'torch.einsum("{call.detail[0]}", {call.reads[0]}, {call.reads[1]})'
    if left != right:
        second = f"{second}.permute({', '.join(str(right.index(letter)) for letter in left)})"
    kept = "".join(letter for letter in left if letter in out)
    axes = tuple(left.index(letter) for letter in left if letter not in out)
    total = f"torch.sum({first} * {second}, dim={axes})"
    return total if kept == out else f"{total}.permute({', '.join(str(kept.index(letter)) for letter in out)})"


def embed(call: Written) -> str:
    sizes, _, names, kept = call.detail
    return f'embed({call.reads[0]}, {tuple_of(sizes)}, "{names}->{kept}")'


def softmax_backward(call: Written) -> str:
    axis, scale = call.detail
    text = f"softmax_backward({call.reads[0]}, {call.reads[1]}, {axis}, plain)"
    return text if scale == "1" else f"{text} * {bracketed(scale)}"


def layer_norm(call: Written) -> str:
    x, gain, bias = (*call.reads, "None", "None")[:3]
    return f"layer_norm({x}, {gain}, {bias}, {call.detail[0]!r}, plain)"


def layer_norm_backward(call: Written) -> str:
    (mask,), (dy, x, made, gain) = call.detail, (*call.reads, "None")[:4]
    return f"layer_norm_backward({dy}, {x}, {made}, {gain}, {list(mask)}, plain)"


FUNCTIONS = (
    *("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "arctan", "arcsin", "arccos", "sinh", "cosh"),
    *("tanh", "arcsinh", "arccosh", "arctanh", "sigmoid", "erf", "erfc", "lgamma", "digamma", "relu", "abs", "floor"),
    *("square",),
)
VERBS: dict[str, Verb] = {
    **EXTENDED,
    **SHARED,
    **{name: f"torch.{name}({{0}})" for name in FUNCTIONS},
    **{name: f"torch.nn.functional.{name}({{0}})" for name in ("silu", "elu", "softsign")},
    **{name: f"torch.{name}({{0}}, {{1}})" for name in ("arctan2", "maximum", "minimum")},
    **{verb: f"{{0}} {sign} {{1}}" for sign, verb in COMPARISONS.items() if verb != "logical_and"},
    **{f"{verb} along": along(name)
       for verb, name in {"add": "sum", "maximum": "amax", "minimum": "amin", "multiply": "prod"}.items()},
    "logical_and": "{0} & {1}",
    "cbrt": "cbrt({0})",
    "sign": "sign({0})",
    "softplus": "torch.logaddexp({0}, torch.zeros_like({0}))",
    "trigamma": "trigamma({0})",
    "clip": "torch.clamp({0}, {1}, {2})",
    "mod": "torch.remainder({0}, {1})",
    "pow": "torch.pow({0}, {1})",
    "log of mask": "log_of_mask({0}, torch.zeros((), dtype=dtype, device=device))",
    "select": "torch.where({0}, {1}, torch.zeros_like({1}))",
    "number": f"torch.tensor({{0}}, {LIKE})",
    "dot": "torch.matmul({0}, {1})",
    "vdot": "torch.sum({0} * {1})",
    "matmul": "torch.matmul({0}, {1})",
    "einsum": einsum,
    "gram": "torch.matmul({0}.permute(1, 0), {0})",
    # an einsum of three looks for a path at every call
    "weighted gram": "torch.matmul({0}.permute(1, 0) * {1}, {0})",
    "grams": "grams({0}, {1})",
    "running": running,
    "arange": arange,
    "take": take,
    "embed": embed,
    "zeros": lambda call: f"torch.zeros({tuple_of(call.detail[0])}, {LIKE})",
    "copy": "{0}",
    "part": "{0}[{d0}]",
    "softmax": "torch.softmax({0}, {d0})",
    "log_softmax": "torch.log_softmax({0}, {d0})",
    "logsumexp": "torch.logsumexp({0}, {d0})",
    "gelu": "torch.nn.functional.gelu({0})",
    "gelu_tanh": 'torch.nn.functional.gelu({0}, approximate="tanh")',
    "silu_kernel": "torch.nn.functional.silu({0})",
    "gelu_backward": 'gelu_backward({0}, {1}, "none", plain)',
    "gelu_tanh_backward": 'gelu_backward({0}, {1}, "tanh", plain)',
    "relu_backward": "relu_backward({0}, {1}, plain)",
    "silu_backward": "silu_backward({0}, {1}, plain)",
    "softmax_backward": softmax_backward,
    "labelled": "labelled({0}, {1}, {d0})",
    "attention": "attention({0}, {1}, {2}, {d0}, {d1}, {d2}, plain)",
    "attention_backward": "attention_backward({0}, {1}, {2}, {3}, {4}, {d0}, {d1}, {d2}, plain)",
    "layer_norm": layer_norm,
    "layer_norm_backward": layer_norm_backward,
}  # fmt: skip
NEEDS = {
    "reach": ("padded", "window"),
    "window": ("places",),
    "overlap": ("places",),
    "others": ("running",),
    "inside": ("found",),
    "guarded": ("found",),
    "positions": ("found",),
    "attention": ("is_flash",),
    "attention_backward": ("softmax_backward",),
}


look = looker("torch", "", lambda kind: f"to({'torch.int64' if kind == 'int64' else 'dtype'})", "permute")
HEAD = ("import numpy as np", "import torch")
BEGIN = {
    "dtype": ("torch.{1}", "{0}.dtype", "{0}.dtype if {0}.is_floating_point() else torch.{1}"),
    "device": ("None", "{0}.device"),
    "plain": ("False", "differentiated({all})"),
}
FULL = f"torch.full({{sizes}}, {{number}}, {LIKE})"
COPY = "{0}.clone()"
FREES = True
