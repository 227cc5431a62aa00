"""Windows that are read and copied in memory laid out beforehand.

Fresh memory of some megabytes costs more than filling it: the system hands it out page by page, at every call again.
"""

from __future__ import annotations

from einstan.machine.inplace_products import InPlaceProducts
from einstan.machine.lower import Window, window
from einstan.machine.operations import Operation
from einstan.machine.positions import Positions
from einstan.machine.writer import Variable


class InPlaceWindows(InPlaceProducts, Positions):
    """Rules for ``copy`` and for a ``read`` that is a view."""

    def do_copy(self, value: int, operation: Operation, constant: bool) -> Variable:
        made = None if constant else self.destination(operation, ())
        if made is None:
            return super().do_copy(value, operation, constant)
        (ref,) = operation.operands
        self.say(operation, f"np.copyto({made.text}, {self.aligned(ref, operation.out)})")
        return made

    def view(self, text: str, view: Window) -> str:
        """The same; a single entry of memory that is written later is an array without axes: a number would be what
        the memory holds now."""
        seen = super().view(text, view)
        return seen if view.shape or seen == text or not self.fixed.get(text) else f"{seen[:-1]}, ...]"

    def do_read(self, value: int, operation: Operation, constant: bool) -> Variable:
        (ref, *others) = operation.operands
        variable = self.variables[ref.value]
        if constant or others or variable.type != "float" or not window(operation, self.extents).pads:
            return super().do_read(value, operation, constant)
        view = window(operation, self.extents)
        shape = self.plan.shape(ref.value)
        sizes = [b + n + a for b, n, a in zip(view.before, shape, view.after, strict=True)]
        inner = ", ".join(
            ":" if n == size else f"{b}:{b + n}" for b, n, size in zip(view.before, shape, sizes, strict=True)
        )
        wide = self.scratch(sizes, variable.precision)
        self.say(operation, f"{wide}.fill({operation.detail.fill})")
        self.say(operation, f"np.copyto({self.hoisted(f'{wide}[{inner}]', wide)}, {variable.text})")
        made = self.hoisted(self.view(wide, view), wide, self.names.get(value))
        return Variable(made, "float", variable.precision, False, buffers=self.fixed[wide])
