"""What a step costs and what computes it: FLOPs, bytes, the einsum string, the kind of call."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from einstan.machine.sizes.lower import classified
from einstan.machine.sizes.operations import COMPARISONS, OTHERS, Graph, Operation

NAMES = {**COMPARISONS, "select": "multiply"}  # of maps, where NumPy has another
FREE = ("input", "number", "iota")  # kinds that are no step of a plan


@dataclass(frozen=True)
class Step:
    """One row of the table."""

    result: str
    equation: str
    einsum: str
    call: str
    flops: int
    bytes_read: int
    bytes_written: int
    scaling: int  # how many indices the loops of this step run over
    shape: tuple[int, ...]
    buffer: str = ""
    layout: str = ""  # on a mesh: along which of its axes each axis of the result is cut, "·" where it is whole, and
    # behind a Σ those along which each device has a part of the sum
    exchanged: int = 0  # bytes of the whole array that is exchanged
    sent: int = 0  # bytes that each device sends

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def flops_of(graph: Graph, operation: Operation, known: Mapping[str, int]) -> int:
    """Multiplications and additions, as opt_einsum counts them: two per term of a sum of products."""

    def size(dims: Iterable[str]) -> int:
        return math.prod(known[dim] for dim in dims)

    if operation.kind == "contract":
        return size(operation.dims) * (2 if operation.summed and len(operation.operands) > 1 else 1)
    if operation.kind == "gram":  # half of the products, and both halves of each
        return size(operation.dims) + size(operation.out_dims) // 2
    if operation.kind == "grams":  # every two columns once, and then a product with the weights
        half, _, weights = operation.operands
        columns = size(operation.dims[x] for x in half.labels if x not in weights.labels)
        rows = size(operation.dims[x] for x in half.labels if x in weights.labels)
        return (2 * size(operation.dims[x] for x in weights.labels) + rows) * (columns * (columns + 1) // 2)
    if operation.kind == "map":
        return size(operation.out_dims) * max(len(operation.operands) - 1, 1)
    if operation.kind in ("reduce", "overlap"):
        return size(operation.dims)
    if operation.kind == "scan":
        return size(operation.out_dims) * (3 if operation.detail == OTHERS else 1)
    if operation.kind == "sliced":
        return int(operation.detail.flops)
    if operation.kind == "scatter":
        return size(graph.dims(operation.operands[1].value))
    return 0


def total_flops(graph: Graph, values: Iterable[int], known: Mapping[str, int]) -> int:
    return sum(flops_of(graph, graph.operations[value], known) for value in values)


def einsum_of(operation: Operation) -> str:
    """``nk,kj->nj``, in the user's letters where they are single and tell the labels apart."""
    if operation.kind not in ("contract", "gram", "grams", "map", "reduce"):
        return ""
    letters = operation.letters
    if any(len(letter) != 1 for letter in letters) or len(set(letters)) < len(letters):
        letters = tuple(symbol(label) for label in range(len(letters)))
    inputs = ",".join("".join(letters[label] for label in operand.labels) for operand in operation.operands)
    return f"{inputs}->{''.join(letters[label] for label in operation.out)}"


def symbol(label: int) -> str:
    return chr(ord("a") + label) if label < 26 else chr(ord("A") + label - 26) if label < 52 else chr(140 + label)


def call_of(operation: Operation) -> str:
    """What computes it: a matrix product, a ufunc by name, a reduction, a view, or what else the operation is."""
    kind = operation.kind
    if kind == "map":
        return f"ufunc {NAMES.get(operation.detail[0], operation.detail[0])}"
    if kind == "reduce":
        return f"reduction {'max' if operation.detail == 'max of all' else operation.detail}"
    if kind == "scan":
        return "products of all others" if operation.detail == OTHERS else f"running {operation.detail.ufunc}"
    if kind == "read":
        return "gather" if any(form.values for form in operation.detail.slots) else "strided view"
    if kind in ("diagonal", "expand"):
        return "strided view"
    if kind == "sliced":
        return f"blocks of {operation.detail.size:,}"
    if kind in ("gram", "grams"):
        return "syrk" if kind == "gram" else "matmul, half"
    if kind == "exchange":
        return str(operation.detail)
    if kind != "contract":
        return kind
    if len(operation.operands) == 1:
        return "reduction sum"
    if not operation.summed:
        return "ufunc multiply" if operation.detail == 2 else "ufunc divide"
    groups = classified(operation)
    if groups.batch:
        return "batched matmul" if groups.left or groups.right else "batched dot"
    if max(len(groups.left), len(groups.right), len(groups.contracted)) > 1:
        return "tensordot"
    return "matmul" if groups.left and groups.right else "matvec" if groups.left or groups.right else "dot"
