r"""Functions of what is read, derivatives by names, and the names that lack for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from einstan.papers.problem import UnreadError
from einstan.papers.signs import HEAD, MEAN
from einstan.papers.tensors import Access, Tensors, said
from einstan.papers.tree import (
    Absolute,
    Call,
    Group,
    Node,
    Symbol,
)
from einstan.papers.value import (
    ATOM,
    ENTRIES,
    Piece,
    Place,
    Value,
    aligned,
    called,
    joined,
    same_extent,
    summed,
)

OF_MATRICES = ("exp", "log", "sqrt", "sin", "cos", "tan", "abs", "sinh", "cosh")  # which may mean the matrix function


@dataclass
class Applied(Tensors):
    """Functions of what is read, derivatives by names, and the names that lack for them."""

    def call(self, node: Call) -> Value:
        symbol, arguments = node.function, node.arguments
        first = arguments[0]
        if symbol == Symbol("logdet"):
            return self.log_of_determinant(first)
        if symbol.base in ("log", "ln") and isinstance(first, Absolute) and len(self.value(first.body).axes) == 2:
            return self.log_of_determinant(first.body)  # \log |A|
        name = self.header.function(replace(symbol, primes=0))
        if name is None:
            raise UnreadError(f"{symbol} is no function that is known", str(symbol), HEAD + f"function {symbol.base}")
        if symbol.primes > 1:
            raise UnreadError(
                "a second derivative of a function", str(symbol), r"\frac{\partial^2 L}{\partial x_i \partial x_j}"
            )
        if name == "" or symbol.primes:
            return self.applied(symbol, name, arguments)
        values = [self.value(argument) for argument in arguments]
        match name:
            case "trace":
                return self.trace(values)
            case "diag":
                return self.diagonal(values)
            case "mean":
                return self.mean(values)
            case "softmax" | "logsumexp":
                told = {"rows": -1, "columns": 0}.get(self.header.softmax)
                if len(values) != 1 or len(values[0].axes) not in (
                    (1,) if told is None or name != "softmax" else (1, 2)
                ):
                    says = (HEAD + "softmax rows", HEAD + "softmax columns")
                    raise UnreadError(f"{name} of {values[0].shape}: over which of its axes", str(symbol), says)
                axis = values[0].axes[told or 0]
                pieces = (f"{name}[", axis, "](", *values[0].pieces, ")")
                return Value(pieces, ATOM, values[0].axes if name == "softmax" else (), values[0].row, values[0].bound)
        if any(len(value.axes) > 1 for value in values) and name in OF_MATRICES:
            raise UnreadError(f"{name} of a matrix, entry by entry or as a power series", str(symbol), ENTRIES)
        if name in ("maximum", "minimum") and len(values) == 1:
            raise UnreadError("the largest of what", str(symbol), r"\max_k x_k")
        if len(values) > 2 and name in ("maximum", "minimum"):
            raise UnreadError("the largest of more than two", str(symbol), r"\max(a, \max(b, c))")
        if self.header.rows and all(value.row for value in values if value.axes):  # of rows, which the text has
            found = called(name, *(replace(value, row=False if value.row else value.row) for value in values))
            return replace(found, row=bool(found.axes))
        return called(name, *values)

    def log_of_determinant(self, matrix: Node) -> Value:
        """The logarithm of a determinant, named by a line of its own, as the inverse is that it rests on."""
        value = self.value(matrix)
        if len(value.axes) != 2:
            raise UnreadError(f"the determinant of {value.shape}", "", ENTRIES)
        name = self.square(value, "a determinant")
        if name not in self.header.logdets:
            if name not in self.header.inverses:
                inverse = self.header.free(name, "inv")
                self.made.append((inverse, self.header.invert(name, inverse)))
            other = self.header.free(name, "ld")
            self.made.append((other, self.header.take_logdet(name, other)))
        return Value((said(self.header.logdets[name], 0),))

    def square(self, matrix: Value, what: str) -> str:
        """The name of a square matrix; an expression gets one by a line of its own."""
        one, other = matrix.axes
        same_extent(one, other, f"{what} over")
        access = self.held(matrix)
        if len(access.slots) > 2:
            repair = r"a name for it: \Lambda_k, with % einstan: given \Lambda[k,d,d]"
            raise UnreadError(f"{what} of one of several matrices", access.name, repair)
        return access.name

    def is_square(self, name: str) -> bool:
        """Whether a tensor is a matrix that may have an inverse: the header says so, or its axes are one."""
        axes = self.header.axes.get(name, ())
        return name in self.header.inverses or (len(axes) == 2 and axes[0] == axes[1])

    def trace(self, values: Sequence[Value]) -> Value:
        if len(values) != 1 or len(values[0].axes) not in (0, 2):
            raise UnreadError(f"the trace of {values[0].shape}", "", ENTRIES)
        if not values[0].axes:
            return values[0]
        one, other = values[0].axes
        aligned(Value((), axes=(one,), row=None), Value((), axes=(other,), row=None), "a trace over")
        return summed(replace(values[0].with_places({other: one}), axes=()), [one], ())

    def mean(self, values: Sequence[Value]) -> Value:
        if len(values) != 1 or not values[0].axes:
            raise UnreadError(f"the mean of {values[0].shape}: over what", "", MEAN)
        axes = values[0].axes
        inside = [piece for k, axis in enumerate(axes) for piece in ((",", axis) if k else (axis,))]
        for axis in axes:
            axis.summed = True
        return Value(("mean[", *inside, "](", *values[0].pieces, ")"), ATOM, bound=values[0].bound)

    def diagonal(self, values: Sequence[Value]) -> Value:
        if len(values) != 1 or len(values[0].axes) != 1:
            raise UnreadError(f"diag of {values[0].shape}", "", ENTRIES)
        (axis,) = values[0].axes
        other = Place("", axis.dim, axis.at)
        delta = Value(("δ[", axis, ",", other, "]"))
        return joined(values[0], delta, (axis, other))

    def applied(self, symbol: Symbol, name: str, arguments: Sequence[Node]) -> Value:
        """A function without a formula, or a derivative of a function: by the name of its value."""
        shown = f"{symbol.base}_{symbol.below[0][0]}" if symbol.below else symbol.base
        if len(arguments) != 1:
            raise UnreadError(f"{shown} of several, without a formula", shown, HEAD + f"value {symbol.base}")
        argument = arguments[0]
        while isinstance(argument, Group) and len(argument.items) == 1 and argument.bracket in "({":
            argument = argument.items[0]
        if not isinstance(argument, Symbol):
            raise UnreadError(f"{shown} of what has no name", shown, "a name for its argument: z = W x + b")
        access = self.access(argument)
        key = (name or shown, access.name)
        made = self.header.applied.get(key)
        if made is None and name:
            made = self.auxiliary(f"{name}_{access.name}", name, access)
            self.header.applied[key] = made
        if made is None:
            raise UnreadError(f"the value of {shown} has no name", shown, f"a = {shown}({argument})")
        value = Access(made, access.slots, access.axes).value
        if not symbol.primes:
            return value
        return replace(value, pieces=("∂", *value.pieces, "/∂", *access.value.pieces))

    def auxiliary(self, name: str, function: str, access: Access) -> str:
        """``s = sigmoid(z)`` as a line of its own, where the text speaks of its derivative alone."""
        plain = "".join(letter for letter in name if letter.isalnum() or letter == "_")
        letters = ",".join(f"{'ijklmn'[k]}" for k in range(len(access.slots)))
        slots = f"[{letters}]" if letters else ""
        self.made.append((plain, f"{plain}{slots} = {function}({access.name}{slots})"))
        self.header.axes[plain] = self.header.axes.get(access.name, tuple(letters.split(",")) if letters else ())
        return plain

    def named_value(self, node: Node) -> Access:
        """A tensor with its slots, for what is differentiated; an expression gets a name by a line of its own."""
        while isinstance(node, Group) and len(node.items) == 1 and node.bracket in "({":
            node = node.items[0]
        if isinstance(node, Symbol):
            found = self.access(node)
            if found.name in self.header.extents or found.name in self.uppers:
                repair = HEAD + f"name {node} = {found.name}1"
                raise UnreadError(f"{found.name} is an extent, and has no derivative", found.name, repair)
            return found
        if isinstance(node, Call) and self.header.function(node.function) == "" and not node.function.primes:
            value = self.applied(node.function, "", node.arguments)
            assert isinstance(value.pieces[0], str)
            inside = self.access(node.arguments[0]) if isinstance(node.arguments[0], Symbol) else None
            assert inside is not None
            return Access(value.pieces[0], inside.slots, inside.axes)
        return self.held(self.value(node))

    def differentiated(self, above: Node, below: Sequence[Node]) -> tuple[Access, list[Access]]:
        """What is differentiated, of one sample's loss that of the sample whose entries it is differentiated by; and by
        what."""
        one = self.header.of_each(above) if isinstance(above, Symbol) else None
        if one is not None and isinstance(above, Symbol) and self.header.knows_symbol(above):
            either = f"{above} is a name of the text, and the loss of one sample"
            raise UnreadError(either, str(above), "another letter for one of the two")
        top = self.named_value(above) if one is None else Access(one.name, (), ())
        bottoms = [self.named_value(each) for each in below]
        if one is None or one.slots is None:
            return top, bottoms
        (letter,) = self.header.axes.get(one.name) or one.slots
        axes = [zip(bottom.slots, self.header.axes.get(bottom.name, ()), strict=False) for bottom in bottoms]
        slots = [slot for each in axes for slot, dim in each if dim == letter]
        if len(slots) != 1:
            said = f"{above} is the loss of one sample, and what it is differentiated by has not one axis {letter}"
            raise UnreadError(said, str(above), f"{above}_{letter}, of a certain sample")
        return Access(one.name, (slots[0],), ()), bottoms

    def derivative(self, above: Node, below: Sequence[Node]) -> Value:
        top, bottoms = self.differentiated(above, below)
        pieces: list[Piece] = ["∂", *top.value.pieces, "/"]
        for bottom in bottoms:
            pieces += ["∂", *bottom.value.pieces]
        axes = (*top.axes, *(axis for bottom in bottoms for axis in bottom.axes))
        counts = len(top.axes), sum(len(bottom.axes) for bottom in bottoms)
        layout = self.header.layout
        row: bool | None = False
        if counts == (0, 1):
            row = {"rows": True, "columns": False, "": None}[layout]
        elif counts == (1, 0):
            row = {"rows": False, "columns": True, "": None}[layout]
        elif counts == (1, 1):
            if not layout:
                raise UnreadError(
                    "the derivative of a vector by a vector, whose rows may be either",
                    "",
                    (HEAD + "layout rows", HEAD + "layout columns"),
                )
            axes = axes if layout == "rows" else axes[::-1]
        elif counts == (0, 2) and layout == "rows":
            raise UnreadError("a derivative by a matrix, where derivatives are rows", "", r"\nabla_W L")
        elif sum(counts) > 2:
            raise UnreadError("a derivative with more than two axes", "", r"\frac{\partial Z_{i,j}}{\partial W_{k,l}}")
        return Value(tuple(pieces), ATOM, axes, row)

    def gradient(self, wrt: Node, of: Node) -> Value:
        top, (bottom,) = self.differentiated(of, [wrt])
        if top.axes:
            raise UnreadError("the gradient of what is no number", top.name, r"\frac{\partial y_i}{\partial x_j}")
        row = len(bottom.axes) == 1 and bottom.name in self.header.rows
        return Value(("∂", *top.value.pieces, "/∂", *bottom.value.pieces), ATOM, bottom.axes, row)
