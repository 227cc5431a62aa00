"""Products and sums that write where the plan says.

Sums along the first or the last axis are products with a vector of ones, which the BLAS does two to four times faster
than a reduction; row-by-row inner products are ``vecdot``; a matrix product is written in the order that is wanted.
"""

from __future__ import annotations

import math

import numpy as np

from einstan.machine.inplace import BLAS, InPlace
from einstan.machine.lower import Product, classified
from einstan.machine.operations import Labels, Operation, Ref
from einstan.machine.spelling import bracketed
from einstan.machine.writer import Variable

LONGEST_DOT = 4096  # entries up to which a sum is a product with ones: beyond, pairwise summation is more exact
SHORTEST_ROW = 32  # up to which a maximum along rows is slower than copying and one along columns


class InPlaceProducts(InPlace):
    """Rules for ``contract`` and ``reduce``."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.packed: dict[str, str] = {}  # expression: the copy of it

    def do_contract(self, value: int, operation: Operation, constant: bool) -> Variable:
        if constant:
            return super().do_contract(value, operation, constant)
        if len(operation.operands) == 1:
            return self.summed(value, operation)
        if not operation.summed and not operation.out:
            left, right = (self.floating(ref) for ref in operation.operands)
            text = f"{bracketed(left)} {'*' if operation.detail == 2 else '/'} {bracketed(right)}"
            return self.assign(value, operation, text, False)
        if not operation.summed:
            return super().do_contract(value, operation, constant)
        return self.product(value, operation)

    def summed(self, value: int, operation: Operation) -> Variable:
        """A sum over axes: where they are the first or the last, a product with ones."""
        (ref,) = operation.operands
        variable = self.variables[ref.value]
        kept = tuple(x for x in ref.labels if x in operation.out)
        size = math.prod(self.extents[operation.dims[x]] for x in operation.summed)
        at_end, at_start = ref.labels[: len(kept)] == kept, ref.labels[len(operation.summed) :] == kept
        floats = variable.type == "float" and variable.precision in BLAS and size <= LONGEST_DOT
        if floats and not kept and ref.labels:
            text = variable.text if len(ref.labels) == 1 else f"{variable.text}.ravel()"
            return self.assign(value, operation, self.dot(text, self.ones(size, variable.precision)), False)
        plain = floats and kept == operation.out and bool(kept)
        matrix = len(ref.labels) == 2 or (variable.home is not None and variable.text in self.fixed)
        if not (plain and matrix and (at_end or at_start)):
            return self.reduced(value, operation, "add")
        text, count = variable.text, math.prod(self.extents[operation.dims[x]] for x in kept)
        if len(ref.labels) > 2:
            shape = f"({count}, {size})" if at_end else f"({size}, {count})"
            text = self.hoisted(f"{text}.reshape{shape}", text)
        ones = self.ones(size, variable.precision)
        made = self.destination(operation, ())
        factors = (text, ones) if at_end else (ones, text)
        if made is None:
            shaped = f".reshape{self.plan.shape(value)}" if len(kept) > 1 else ""
            return self.assign(value, operation, f"{self.dot(*factors)}{shaped}", False)
        out = made.text if len(kept) == 1 else self.hoisted(f"{made.text}.reshape({count})", made.text)
        self.say(operation, self.dot(*factors, out))
        return made

    def dot(self, a: str, b: str, out: str = "") -> str:
        """A product of arrays of one or two axes: the method is called with less ado than the function."""
        return f"{a}.dot({b}{', ' if out else ''}{out})"

    def reduced(self, value: int, operation: Operation, verb: str, lowest: str = "") -> Variable:
        """A reduction by a ufunc."""
        (ref,) = operation.operands
        variable = self.variables[ref.value]
        kept = tuple(x for x in ref.labels if x in operation.out)
        axes = [k for k, label in enumerate(ref.labels) if label not in kept]
        axis = "None" if not kept else axes[0] if len(axes) == 1 else tuple(axes)
        dtype = f", dtype=np.{self.precision}" if verb == "add" and variable.type != "float" else ""
        text = variable.text if verb == "add" else self.floating(ref)
        shape = [self.extents[operation.dims[x]] for x in ref.labels]
        if verb != "add" and len(shape) == 2 and axes == [1] and 1 < shape[1] <= SHORTEST_ROW and shape[0] > 4:
            columns = self.scratch(shape[::-1], self.precision_of(operation))
            self.say(operation, f"{columns}[...] = {self.hoisted(text + '.T', text)}")
            text, axis = columns, 0
        call = f"np.{verb}.reduce({text}, axis={axis}{dtype}{lowest}"
        made = self.destination(operation, ()) if kept == operation.out else None
        if made is None:
            return self.assign(value, operation, self.reordered(f"{call})", kept, operation.out), False)
        self.say(operation, f"{call}, out={made.text})")
        return made

    def do_reduce(self, value: int, operation: Operation, constant: bool) -> Variable:
        if constant:
            return super().do_reduce(value, operation, constant)
        verb = {"min": "minimum", "prod": "multiply"}.get(operation.detail, "maximum")
        return self.reduced(value, operation, verb, self.beginning(operation))

    def product(self, value: int, operation: Operation) -> Variable:
        """A product of matrices, or of many pairs of them, written in the order of axes in which it is wanted."""
        groups = classified(operation)
        left, right = operation.operands
        if not groups.left and not groups.right and not groups.batch:
            return self.assign(value, operation, self.matrix_product(operation, False), False)
        natural = (*groups.batch, *groups.left, *groups.right)
        if operation.out == (*groups.batch, *groups.right, *groups.left) != natural:  # the product of the transposed
            left, right, natural = right, left, operation.out
            groups = Product(groups.batch, groups.right, groups.left, groups.contracted)
        if operation.out != natural and self.value in self.kept:
            return self.assign(value, operation, self.matrix_product(operation, False), False)
        if not groups.left and not groups.right:
            return self.rows(value, operation, groups.batch, groups.contracted)
        if not groups.batch and self.reads_across(groups, left, right):  # a vector stands on the side that needs no .T
            left, right = right, left
            groups = Product((), groups.right, groups.left, groups.contracted)
        a = self.matrix(left, self.floating(left), (groups.batch, groups.left, groups.contracted), operation, False)
        b = self.matrix(right, self.floating(right), (groups.batch, groups.contracted, groups.right), operation, False)
        if groups.batch and not groups.left:
            a = self.lengthened(a, "[..., None, :]")
        if groups.batch and not groups.right:
            b = self.lengthened(b, "[..., None]")
        sizes = [self.extents[operation.dims[x]] for x in groups.batch]
        sides = (groups.left, groups.right)
        extents = [math.prod(self.extents[operation.dims[x]] for x in side) for side in sides]
        sizes += [extent for extent, side in zip(extents, sides, strict=True) if side or groups.batch]
        shape = [self.extents[operation.dims[x]] for x in natural]
        if self.value in self.kept and not self.reuse:
            call = f"np.matmul({a}, {b})" if groups.batch else self.dot(a, b)
            text = call + (f".reshape({', '.join(map(str, shape))})" if shape != sizes else "")
            return self.assign(value, operation, text, False)
        if natural == operation.out:
            made = self.destination(operation, ())
            assert made is not None
        else:  # computed in its natural order, and looked at in the order that is wanted
            precision = self.precision_of(operation)
            name = self.scratch(shape, precision)
            home = self.fixed[name][0]
            view = self.hoisted(self.reordered(name, natural, operation.out), name, self.names.get(value))
            made = Variable(view, "float", precision, True, buffers=(home,))
        whole = made.text if natural == operation.out else name
        out = whole if shape == sizes else self.hoisted(f"{whole}.reshape({', '.join(map(str, sizes))})", whole)
        self.say(operation, f"np.matmul({a}, {b}, {out})" if groups.batch else self.dot(a, b, out))
        return made

    def column_pairs(self, count: str) -> str:
        """The same, numbered once."""
        number = math.prod(int(n) for n in count.split(" * "))
        line = f"pairs_{number} = column_pairs({number})"
        if line not in self.literal_lines:
            self.literal_lines.append(line)
        name = line.split()[0]
        self.taken.add(name)
        self.fixed[name] = ()
        return f"*{name}"

    def reads_across(self, groups: Product, left: Ref, right: Ref) -> bool:
        """Whether one operand is a vector, and the other has the axis of the sum on the far side."""
        if not groups.left:
            return right.labels[len(groups.right) :] == groups.contracted
        return not groups.right and left.labels[: len(groups.contracted)] == groups.contracted

    def lengthened(self, text: str, suffix: str) -> str:
        return self.hoisted(text + suffix, text)

    def rows(self, value: int, operation: Operation, batch: Labels, contracted: Labels) -> Variable:
        """Row-by-row inner products."""
        left, right = operation.operands
        texts = [self.floating(ref) for ref in (left, right)]
        precision, size = self.precision_of(operation), math.prod(self.extents[operation.dims[x]] for x in contracted)
        columns = left.labels == right.labels == (*contracted, *batch) and batch == operation.out
        if columns and precision in BLAS and size <= LONGEST_DOT and (made := self.destination(operation, ())):
            shape = [self.extents[operation.dims[x]] for x in left.labels]
            own, count = self.scratch(shape, precision), math.prod(self.extents[operation.dims[x]] for x in batch)
            self.say(operation, f"np.multiply({texts[0]}, {texts[1]}, out={own})")
            flat = own if len(shape) == 2 else self.hoisted(f"{own}.reshape({size}, {count})", own)
            out = made.text if len(batch) == 1 else self.hoisted(f"{made.text}.reshape({count})", made.text)
            self.say(operation, self.dot(self.ones(size, precision), flat, out))
            return made
        if hasattr(np, "vecdot") and len(contracted) == 1 and left.labels[-1:] == right.labels[-1:] == contracted:
            texts = [self.aligned(r, (*batch, *contracted), t) for r, t in zip((left, right), texts, strict=True)]
            call = f"np.vecdot({texts[0]}, {texts[1]}"
        else:
            letters = {label: chr(97 + label) for label in range(len(operation.dims))}
            spec = ",".join("".join(letters[x] for x in ref.labels) for ref in (left, right))
            call = f'np.einsum("{spec}->{"".join(letters[x] for x in operation.out)}", {texts[0]}, {texts[1]}'
        made = self.destination(operation, ()) if batch == operation.out else None
        if made is None:
            return self.assign(value, operation, f"{call})", False)
        self.say(operation, f"{call}, out={made.text})")
        return made

    def matrix(
        self, ref: Ref, text: str, groups: tuple[Labels, Labels, Labels], operation: Operation, constant: bool
    ) -> str:
        """A value with its axes in three groups, the last two as one axis each; copied into order where no view is."""
        order = tuple(x for group in groups for x in group)
        merged = [group for group in groups[1:] if len(group) > 1]
        if constant or not merged:
            return super().matrix(ref, text, groups, operation, constant)
        variable = self.variables[ref.value]
        sizes = [self.extents[operation.dims[x]] for x in groups[0]]
        sizes += [math.prod(self.extents[operation.dims[x]] for x in group) for group in groups[1:] if group]
        reshaped = f".reshape({', '.join(map(str, sizes))})"
        adjacent = all(_adjacent(ref.labels, group) for group in merged)
        looked_at = self.aligned(ref, order, text)
        if adjacent and (variable.home is not None or text not in self.fixed or variable.constant):
            return self.hoisted(looked_at + reshaped, looked_at)
        packed = self.packed.get(looked_at)
        if packed is None:
            packed = self.scratch([self.extents[operation.dims[x]] for x in order], self.precision_of_one(ref))
            self.packed[looked_at] = packed
            self.say(operation, f"{packed}[...] = {looked_at}")
        for buffer in self.fixed[packed]:
            buffer.last = self.now
        return self.hoisted(packed + reshaped, packed)

    def precision_of_one(self, ref: Ref) -> str:
        return self.variables[ref.value].precision or self.precision


def _adjacent(labels: Labels, group: Labels) -> bool:
    start = labels.index(group[0])
    return labels[start : start + len(group)] == group
