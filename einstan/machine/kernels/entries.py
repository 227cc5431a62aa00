"""Which operations become loops, and each of them as an expression of single entries."""

from __future__ import annotations

import math
from collections.abc import Sequence

from einstan.language.term import ONE, Const
from einstan.machine.kernels.looping import Looping
from einstan.machine.kernels.nest import Part
from einstan.machine.meaning.numbers import number_of
from einstan.machine.schedule.calls import Array
from einstan.machine.sizes.lower import as_matrices
from einstan.machine.sizes.operations import COMPARISONS, Operation, Ref

SHORT, MANY = 32, 4096  # loops of which LLVM may make no vectors; NumPy is faster where there are so many entries
VECTORS = ("exp", "log", "tanh", "sigmoid", "softplus")
LIBM = ("exp", "log")  # faster for an entry alone
FUNCTIONS = {
    **{name: f"fast_{name}({{0}})" for name in VECTORS},
    "sqrt": "sqrt({0})",
    "relu": "({0} if {0} > F(0) or {0} != {0} else F(0))",
    "abs": "abs({0})",
    "maximum": "({0} if {0} >= {1} or {0} != {0} else {1})",
    "minimum": "({0} if {0} <= {1} or {0} != {0} else {1})",
}
POWERS = {2: "({0} * {0})", 3: "({0} * {0} * {0})", -1: "(F(1) / {0})"}


def has_rule(s: Looping, value: int, operation: Operation) -> bool:
    """Whether an operation becomes a loop, or a product of matrices between loops."""
    if any(s.extents[dim] == 0 for dim in operation.dims):
        return False
    if not all(_can_be_read(s, ref) for ref in operation.operands):
        return False
    if operation.kind == "map":
        function, *details = operation.detail
        if function in COMPARISONS:
            return function != "and" and value not in s.kept and _only_masks(s, value)
        if function == "pow":
            exponent = details[0].value if details and isinstance(details[0], Const) else None
            return exponent in POWERS or exponent in (0.5, -0.5)
        if function in VECTORS:
            shape = s.plan.shape(value)
            return math.prod(shape) <= MANY or shape[-1] >= SHORT
        return function in FUNCTIONS or function in ("add", "scale", "select")
    if operation.kind == "reduce":
        (ref,) = operation.operands
        return operation.detail == "max of all" and operation.out == ref.labels[: len(operation.out)] != ()
    if operation.kind != "contract" or (operation.summed and any(ref.value in s.masks for ref in operation.operands)):
        return False
    if len(operation.operands) == 1:
        (ref,) = operation.operands
        kept = len(operation.out)
        return operation.out in (ref.labels[:kept], ref.labels[len(ref.labels) - kept :])
    if not operation.summed:
        return True
    left, right = operation.operands
    if not operation.out and left.labels == right.labels:
        return True
    return s.gemm and as_matrices(operation, s.extents) is not None


def _can_be_read(s: Looping, ref: Ref) -> bool:
    if ref.value in s.masks:
        return True
    if s.is_number(ref):
        return math.isfinite(number_of(s.graph.operations[ref.value].detail, s.extents))
    array = s.values[ref.value]
    whole = array.home is not None or ref.value in s.filled or s.is_input(ref.value) or not ref.labels
    return array.type == "float" and array.precision == s.precision and whole


def _only_masks(s: Looping, value: int) -> bool:
    """Whether what reads a comparison multiplies by it, or selects."""
    readers = [s.graph.operations[reader] for reader in s.readers.get(value, ())]
    return bool(readers) and all(
        (r.kind == "contract" and not r.summed and len(r.operands) == 2 and r.detail == 2)
        or (r.kind == "map" and r.detail[0] == "select")
        for r in readers
    )


# ---- entries ---------------------------------------------------------------------------------------------------------


def entry(s: Looping, ref: Ref, at: dict[int, str]) -> str:
    """An entry of a value, where each label has an index."""
    value = ref.value
    if value in s.masks:
        operation = s.graph.operations[value]
        inner = {own: at[label] for own, label in zip(operation.out, ref.labels, strict=True)}
        texts = [entry(s, operand, inner) for operand in operation.operands]
        return f"(F(1) if {texts[0]} {operation.detail[0]} {texts[1]} else F(0))"
    if s.is_number(ref):
        return f"F({s.text_of(s.graph.operations[value].detail)})"
    array = s.values[value]
    if s.part is not None and value in s.part.local:
        return f"v{value}"
    if not ref.labels:
        memory = bool(array.buffers)  # a view of it, which this function may be what writes there
        if value not in s.inside:
            known = memory or array.scalar or s.is_input(value)
            s.passed[array.text] = None if known else alone(array)
        return f"{array.text}[()]" if memory else array.text
    s.loaded.add(value)
    index = [at[label] for label in ref.labels]
    text = place(s, value, index)
    return text if s.part is None or not one_number(s.part, index) else s.part.read_as(f"r{value}", text)


def one_number(part: Part, index: Sequence[str]) -> bool:
    """Whether an entry is one number in the innermost loop."""
    return bool(part.shape) and f"i{len(part.shape)}" not in index


def alone(array: Array) -> str:
    """A number as such: numba tells an array without axes from one, and lets no branch give either."""
    return f"F({array.text})" if array.type == "float" else f"{array.text}[()]"


def place(s: Looping, value: int, index: list[str]) -> str:
    array, shape = s.values[value], s.plan.shape(value)
    home = s.in_block(array)
    if home is None:
        s.passed[array.text] = None
        return f"{array.text}[{', '.join(index)}]"
    terms = [
        f"{text} * {stride}" if stride != 1 else text
        for k, text in enumerate(index)
        if (stride := math.prod(shape[k + 1 :])) and text != "0"
    ]
    if index[:1] == ["i0"]:
        terms[0] = row(home.names[0], math.prod(shape[1:]))
    return f"m[{' + '.join([start(home.names[0]), *terms])}]"


def start(name: str) -> str:
    """Where an array begins in the block, once that is laid out."""
    return f"@{name}@"


def row(name: str, length: int) -> str:
    """Where its row i0 begins in it."""
    return f"@row:{name}:{length}@"


def row_start(s: Looping, value: int) -> str:
    home = s.in_block(s.values[value])
    assert home is not None
    return f"{start(home.names[0])} + {row(home.names[0], math.prod(s.plan.shape(value)[1:]))}"


def row_array(s: Looping, value: int) -> str:
    """One row of a value as an array."""
    array, shape = s.values[value], s.plan.shape(value)
    s.loaded.add(value)
    if s.in_block(array) is None:
        s.passed[array.text] = None
        return f"{array.text}[i0]"
    begin = row_start(s, value)
    return f"m[{begin} : {begin} + {math.prod(shape[1:])}].reshape({shape[1:]})"


def expression(s: Looping, operation: Operation, at: dict[int, str]) -> str:
    texts = [entry(s, ref, at) for ref in operation.operands]
    if operation.kind == "reduce":
        return texts[0]
    if operation.kind == "contract":
        if len(texts) == 1:
            return texts[0]
        return f"{texts[0]} {'*' if operation.detail == 2 else '/'} {texts[1]}"
    function, *details = operation.detail
    if function == "add":
        return " + ".join(
            text if scale is ONE else f"F({s.text_of(scale)}) * {text}"
            for scale, text in zip(details[0], texts, strict=True)
        )
    if function == "scale":
        return f"F({s.text_of(details[0])}) * {texts[0]}"
    if function == "select":
        return f"({texts[1]} if {texts[0]} != F(0) else F(0))"
    if function == "pow":
        exponent = details[0].value
        if exponent in POWERS:
            return POWERS[int(exponent)].format(*texts)
        return f"sqrt({texts[0]})" if exponent == 0.5 else f"F(1) / sqrt({texts[0]})"
    if function in LIBM and not _in_vectors(s):
        return f"{function}({texts[0]})"
    return FUNCTIONS[function].format(*texts)


def _in_vectors(s: Looping) -> bool:
    """Whether the innermost loop is long enough, and has no other within it."""
    if s.rows is None or s.part is None:
        return False
    shape = s.part.shape or (() if any(part.shape for part in s.rows.parts) else (s.rows.size,))
    return shape[-1:] >= (SHORT,)
