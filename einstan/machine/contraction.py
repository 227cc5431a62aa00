"""Products of two and reductions: broadcasting, matrix products through transposed views and reshapes, or einsum.

Nothing contracted is a broadcast multiplication; without a batch it is ``np.dot``, with one ``np.matmul``; only row by
row inner products go to ``np.einsum``, which is faster there.
"""

from __future__ import annotations

from einstan.machine.elementwise import Elementwise
from einstan.machine.lower import classified
from einstan.machine.operations import OTHERS, Labels, Operation, Ref
from einstan.machine.writer import Variable

# What a scan has where there is no entry.
STARTS = {"add": "0", "multiply": "1", "maximum": "-np.inf", "minimum": "np.inf", "logaddexp": "-np.inf"}


class Contractions(Elementwise):
    """Rules for ``contract``, ``gram``, ``grams``, ``reduce`` and ``scan``."""

    def do_contract(self, value: int, operation: Operation, constant: bool) -> Variable:
        if len(operation.operands) == 1:
            return self.assign(value, operation, self.total(operation), constant)
        if not operation.summed:
            return self.assign(value, operation, self.multiplied(operation, constant), constant)
        return self.assign(value, operation, self.matrix_product(operation, constant), constant)

    def total(self, operation: Operation) -> str:
        (ref,) = operation.operands
        variable = self.variables[ref.value]
        axes = [k for k, label in enumerate(ref.labels) if label not in operation.out]
        axis = "None" if len(axes) == len(ref.labels) else axes[0] if len(axes) == 1 else tuple(axes)
        dtype = f", dtype=np.{self.precision}" if variable.type != "float" else ""
        return self.reordered(
            f"np.add.reduce({variable.text}, axis={axis}{dtype})",
            [x for x in ref.labels if x in operation.out],
            operation.out,
        )

    def multiplied(self, operation: Operation, constant: bool) -> str:
        left, right = operation.operands
        kinds = [self.variables[ref.value].type for ref in (left, right)]
        verb = "np.multiply" if operation.detail == 2 else "np.divide"
        mixed = "float" in kinds and "int" not in kinds and (verb == "np.multiply" or kinds[1] == "float")
        texts = [self.aligned(ref, operation.out, None if mixed else self.floating(ref)) for ref in (left, right)]
        if left == right and verb == "np.multiply":
            return f"np.square({texts[0]}{'' if constant else self.target(operation)})"
        return f"{verb}({texts[0]}, {texts[1]}{'' if constant else self.target(operation)})"

    def matrix_product(self, operation: Operation, constant: bool) -> str:
        groups = classified(operation)
        left, right = operation.operands
        a, b = self.floating(left), self.floating(right)
        if not groups.left and not groups.right and groups.batch:
            letters = {label: chr(97 + k) for k, label in enumerate(range(len(operation.dims)))}
            spec = ",".join("".join(letters[x] for x in ref.labels) for ref in (left, right))
            return f'np.einsum("{spec}->{"".join(letters[x] for x in operation.out)}", {a}, {b})'
        if not groups.batch and not groups.left and not groups.right:
            other = self.aligned(right, left.labels, b)
            return self.dot(a, other) if len(left.labels) == 1 else f"np.vdot({a}, {other})"
        a = self.matrix(left, a, (groups.batch, groups.left, groups.contracted), operation, constant)
        b = self.matrix(right, b, (groups.batch, groups.contracted, groups.right), operation, constant)
        if not groups.batch:
            text = self.dot(a, b)
        else:
            if not groups.left:
                a += "[..., None, :]"
            if not groups.right:
                b += "[..., None]"
            text = f"np.matmul({a}, {b})"
            text += "" if groups.left else "[..., 0, :]"
            text += "" if groups.right else "[..., 0]"
        natural = [*groups.batch, *groups.left, *groups.right]
        if len(groups.left) > 1 or len(groups.right) > 1:
            text += f".reshape({', '.join(self.size(operation.dims[x], constant) for x in natural)})"
        return self.reordered(text, natural, operation.out)

    def dot(self, a: str, b: str, out: str = "") -> str:
        """A product of arrays of one or two axes."""
        return f"np.dot({a}, {b}{', out=' if out else ''}{out})"

    def do_gram(self, value: int, operation: Operation, constant: bool) -> Variable:
        """``F' diag(w) F``: the second operand is the first under other labels."""
        half, _, *weights = operation.operands
        columns = operation.out[: len(operation.out) // 2]
        rows = tuple(x for x in half.labels if x not in columns)
        order = (*rows, *columns)
        text = self.aligned(half, order, self.floating(half))
        if len(rows) > 1 or len(columns) > 1:
            sizes = [" * ".join(self.size(operation.dims[x], constant) for x in group) for group in (rows, columns)]
            text += f".reshape({', '.join(sizes)})"
        weight = self.aligned(weights[0], rows, self.floating(weights[0])) if weights else "None"
        if weights and len(rows) > 1:
            weight += ".reshape(-1)"
        self.helpers["gram"] = None
        made = f"gram({text}, {weight})"
        if len(columns) > 1:
            made += f".reshape({', '.join(self.size(operation.dims[x], constant) for x in operation.out)})"
        return self.assign(value, operation, made, constant)

    def do_grams(self, value: int, operation: Operation, constant: bool) -> Variable:
        """``w F ⊗ F``: a symmetric product for each of the leading axes of the weights."""
        half, _, weights = operation.operands
        batch = tuple(x for x in operation.out if x in weights.labels)
        columns = operation.out[len(batch) : (len(operation.out) + len(batch)) // 2]
        rows = tuple(x for x in half.labels if x not in columns)
        sides = ((half, ((), rows, columns)), (weights, ((), batch, rows)))
        texts = [self.matrix(ref, self.floating(ref), groups, operation, constant) for ref, groups in sides]
        self.helpers |= {"column_pairs": None, "grams": None}
        count = " * ".join(self.size(operation.dims[x], constant) for x in columns)
        made = f"grams({texts[0]}, {texts[1]}, {self.column_pairs(count)})"
        if len(operation.out) > 3:
            made += f".reshape({', '.join(self.size(operation.dims[x], constant) for x in operation.out)})"
        return self.assign(value, operation, made, constant)

    def column_pairs(self, count: str) -> str:
        return f"*column_pairs({count})"

    def matrix(
        self, ref: Ref, text: str, groups: tuple[Labels, Labels, Labels], operation: Operation, constant: bool
    ) -> str:
        """A value with its axes in three groups, the last two as one axis each (or none)."""
        order = tuple(x for group in groups for x in group)
        text = self.aligned(ref, order, text)
        if len(groups[1]) < 2 and len(groups[2]) < 2:
            return text
        sizes = [self.size(operation.dims[x], constant) for x in groups[0]]
        sizes += [" * ".join(self.size(operation.dims[x], constant) for x in group) for group in groups[1:] if group]
        return f"{text}.reshape({', '.join(sizes)})"

    def do_reduce(self, value: int, operation: Operation, constant: bool) -> Variable:
        (ref,) = operation.operands
        axes = [k for k, label in enumerate(ref.labels) if label not in operation.out]
        axis = "None" if len(axes) == len(ref.labels) else axes[0] if len(axes) == 1 else tuple(axes)
        verb = {"min": "minimum", "prod": "multiply"}.get(operation.detail, "maximum")
        text = f"np.{verb}.reduce({self.floating(ref)}, axis={axis}{self.beginning(operation)})"
        have = [x for x in ref.labels if x in operation.out]
        return self.assign(value, operation, self.reordered(text, have, operation.out), constant)

    def beginning(self, operation: Operation) -> str:
        """What the largest value is compared with that there may be none of."""
        if operation.detail == "max of all":
            return f", initial={self.lowest(self.precision_of(operation))}"
        return ""

    def do_scan(self, value: int, operation: Operation, constant: bool) -> Variable:
        (ref,) = operation.operands
        target = next(label for label in operation.out if label not in ref.labels)
        along = Ref(ref.value, tuple(label if label in operation.out else target for label in ref.labels))
        text, axis = self.aligned(along, operation.out, self.floating(ref)), operation.out.index(target)
        scan = operation.detail
        self.helpers["others" if scan == OTHERS else "running"] = None
        if scan == OTHERS:
            return self.assign(value, operation, f"others({text}, {axis})", constant)
        size = self.size(operation.dims[target], constant)
        arguments = f"np.{scan.ufunc}, {text}, {axis}, {size}, {STARTS[scan.ufunc]}, {int(scan.strict)}"
        made = f"running({arguments}{', True' if scan.backwards else ''})"
        return self.assign(value, operation, made, constant)

    def lowest(self, precision: str) -> str:
        """The smallest finite number: below every logit, so that the largest of nothing, or of -inf, is finite."""
        line = f"LOWEST_{precision[5:]} = np.finfo(np.{precision}).min"
        if line not in self.constants.lines:
            self.constants.lines.insert(0, line)
        return line.split()[0]
