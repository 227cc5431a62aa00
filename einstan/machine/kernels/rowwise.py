"""Windows, overlaps and products over a batch as parts of a loop over rows.

    K[n,k,p] = X[n,p+k]               a copy of one row of the window
    D[n,p+k] += K[n,k,p]              what overlaps in one row
    Y[n,j,p] = W[j,K] X[n,K,p]        one call of the BLAS for each n
    G[j,k] = D[N,j,P] X[N,k,P]        one call for each N, each of which adds to what is there

What is made and read in one loop alone has memory for one row, which is still in the cache when it is read.
"""

from __future__ import annotations

import math

from einstan.machine.kernels.adding import Order, overlap_lines, overlap_order, range_of_run, taken_over
from einstan.machine.kernels.blas import batched, matrix_at, pointer, product_lines
from einstan.machine.kernels.entries import has_rule, row_array, start
from einstan.machine.kernels.looping import Looping
from einstan.machine.schedule.calls import Array
from einstan.machine.sizes.lower import as_matrices, bounds, constant_of
from einstan.machine.sizes.operations import Form, Operation, Ref


def has_rule_by_rows(s: Looping, value: int, operation: Operation) -> bool:
    if has_rule(s, value, operation):
        return True
    if any(s.extents[dim] == 0 for dim in operation.dims):
        return False
    if operation.kind == "copy":
        return operation.operands[0].value in s.views_read
    if operation.kind == "overlap":
        return s.lies_whole(operation.operands[0].value) and overlap_by_rows(s, operation) is not None
    made = batched(s, operation) if operation.kind == "contract" and s.gemm else None
    return made is not None and all(s.lies_whole(ref.value) for ref in made.operands)


def by_rows(s: Looping, value: int, operation: Operation) -> bool:
    """A part of a loop for one of these operations; False where it is none of them."""
    if operation.kind == "copy":
        copy_rows(s, value, operation)
    elif operation.kind == "overlap":
        add_rows(s, value, operation)
    elif operation.kind == "contract" and len(operation.operands) == 1:
        return sums_batch(s, value, operation)
    else:
        made = batched(s, operation)
        if made is None or as_matrices(operation, s.extents) is not None:
            return False
        s.values[value] = s.storage(value)
        part = s.parts_of[value] = s.rows_of(value, operation, made.batch)
        target = matrix_at(s, Ref(value, operation.out), made.batch)
        part.first += product_lines(s, operation, made, target, "0")
    return True


def sums_batch(s: Looping, value: int, operation: Operation) -> bool:
    """The sum over the batch of a product that nothing else reads: each entry of the batch is added to it."""
    (ref,) = operation.operands
    last, part, made = s.rows, s.parts_of.get(ref.value), s.graph.operations[ref.value]
    if part is None or last is None or ref.value in s.kept or len(s.readers[ref.value]) > 1:
        return False
    found = batched(s, made)
    if found is None or not any(part is other for other in last.parts):
        return False
    if operation.out != ref.labels[len(found.batch) :] or not operation.out:
        return False
    s.values[value] = s.storage(value)
    part.first = [f"# {s.comment_of(operation)}", *product_lines(s, made, found, pointer(s, value), "1")]
    last.before.append(set_to(s, value, "F(0)"))
    last.made.discard(ref.value)
    last.made.add(value)
    last.closed.add(value)
    return True


def set_to(s: Looping, value: int, number: str) -> str:
    """The lines that fill a value with one number."""
    array = s.values[value]
    home = s.in_block(array)
    if home is None:
        return f"{array.text}[...] = {number}"
    count = math.prod(s.plan.shape(value))
    return f"for k in range({count}):\n            m[{start(home.names[0])} + k] = {number}"


# ---- what is read where it is used -----------------------------------------------------------------------------------


def is_view_read(s: Looping, value: int, operation: Operation) -> bool:
    """Whether all that reads a window or a repetition reads its operand instead."""
    if operation.kind not in ("read", "expand") or len(operation.operands) != 1 or value in s.kept:
        return False
    (ref,) = operation.operands
    if not s.lies_whole(ref.value) or any(s.extents[dim] == 0 for dim in operation.dims):
        return False
    readers = [s.graph.operations[reader] for reader in s.readers.get(value, ())]
    if operation.kind == "read":
        return bool(readers) and all(r.kind == "copy" and window_of(s, r) is not None for r in readers)
    return bool(readers) and s.gemm and all(batched(s, r) is not None for r in readers)


def view_read(s: Looping, value: int, operation: Operation) -> None:
    (ref,) = operation.operands
    base = s.values[ref.value]
    base.owned = False
    s.views_read.add(value)
    s.uses[ref.value] += len(s.readers[value])
    s.values[value] = Array("", "float", s.precision, len(operation.out), buffers=base.buffers)


# ---- windows ---------------------------------------------------------------------------------------------------------


def window_of(s: Looping, operation: Operation) -> Operation | None:
    """The window that a copy reads, if it goes along the rows of what it looks at."""
    (ref,) = operation.operands
    window = s.graph.operations[ref.value]
    if window.kind != "read" or len(window.operands) != 1 or len(operation.out) < 2:
        return None
    names = dict(zip(window.out, ref.labels, strict=True))
    first, *others = window.detail.slots
    if first.values or any(form.values for form in others) or first.label is None:
        return None
    alone = all(first.label not in dict(form.labels) for form in others)
    return window if alone and names[first.label] == operation.out[0] else None


def copy_rows(s: Looping, value: int, operation: Operation) -> None:
    """A window, row by row: zero outside, or what else stands there."""
    window = window_of(s, operation)
    assert window is not None
    (ref,), (base,) = operation.operands, window.operands
    s.values[value] = s.storage(value)
    part = s.rows_of(value, operation, operation.out)
    names = dict(zip(window.out, ref.labels, strict=True))
    forms = [form.renamed(names) for form in window.detail.slots]
    sizes = tuple(s.extents[dim] for dim in operation.dims)
    extents = s.plan.shape(base.value)
    reach = [bounds(form, sizes, s.extents) for form in forms]
    outside = [low < 0 or high >= n for (low, high), n in zip(reach, extents, strict=True)]
    name = f"window_{value}"
    lines = ["(row, window):", f"    # {s.comment_of(operation)}"]
    if any(outside):
        lines.append(f"    window[...] = F({window.detail.fill})")
    *loops, run = operation.out[1:]
    at = {label: f"i{k}" for k, label in enumerate(operation.out)}
    indent, index = "    ", []
    for label in loops:
        lines.append(f"{indent}for {at[label]} in range({sizes[label]}):")
        indent += "    "
    low, high = "0", str(sizes[run])
    limits = []
    for k, form in enumerate(forms[1:], 1):
        step = dict(form.labels).get(run, 0)
        index.append(form_text(s, form, at))
        if not outside[k]:
            continue
        if not step:
            lines.append(f"{indent}if 0 <= {index[-1]} < {extents[k]}:")
            indent += "    "
            continue
        rest = form._replace(labels=tuple((x, c) for x, c in form.labels if x != run))
        lines.append(f"{indent}first{k} = {form_text(s, rest, at)}")
        limits.append(range_of_run(s, form, sizes, k, step, sizes[run], extents[k]))
    if limits:
        low = limits[0][0] if len(limits) == 1 else f"max({', '.join(low for low, _ in limits)})"
        high = limits[0][1] if len(limits) == 1 else f"min({', '.join(high for _, high in limits)})"
    lines.append(f"{indent}for {at[run]} in range({low}, {high}):")
    place = ", ".join(at[label] for label in operation.out[1:])
    lines.append(f"{indent}    window[{place}] = row[{', '.join(index)}]")
    s.kernel(name, lines)
    part.first.append(f"{name}({row_array(s, base.value)}, {row_array(s, value)})")


def form_text(s: Looping, form: Form, at: dict[int, str]) -> str:
    terms = [at[x] if c == 1 else f"{c} * {at[x]}" for x, c in form.labels]
    constant = constant_of(form, s.extents)
    return " + ".join([*terms, *([str(constant)] if constant or not terms else [])])


def overlap_by_rows(s: Looping, operation: Operation) -> Order | None:
    """The order of an overlap, if the core lies in it."""
    if not taken_over(s, operation):
        return None
    found = overlap_order(operation, tuple(s.extents[dim] for dim in operation.dims))
    return found if found and found.kept and operation.operands[0].labels == found.labels else None


def add_rows(s: Looping, value: int, operation: Operation) -> None:
    found = overlap_by_rows(s, operation)
    assert found is not None
    (core,) = operation.operands
    s.values[value] = s.storage(value)
    part = s.rows_of(value, operation, core.labels)
    name = f"overlap_{value}"
    sizes = tuple(s.extents[dim] for dim in operation.dims)
    s.kernel(name, ["(core, out):", *overlap_lines(s, operation, found, sizes, one_row=True)])
    part.first.append(f"{name}({row_array(s, core.value)}, {row_array(s, value)})")
