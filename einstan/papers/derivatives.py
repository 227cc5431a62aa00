r"""Derivatives: fractions of differentials, and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from einstan.papers.functions import Functions
from einstan.papers.signs import (
    AT,
    HEAD,
)
from einstan.papers.tex import Token, Tokens, group, tokens_of, written
from einstan.papers.tree import (
    Derivative,
    Fraction,
    Gradient,
    Group,
    Node,
    Number,
    Symbol,
    Transposed,
)


class Derivatives(Functions):
    """Derivatives: fractions of differentials, and gradients."""

    def fraction(self, above: Tokens, below: Tokens) -> Node:
        if self.is_derivative(above, below):
            return self.derivative(above, below)
        return Fraction(self.inner(above), self.inner(below))

    def is_derivative(self, above: Tokens, below: Tokens) -> bool:
        if not above or not below:
            raise self.fail("a fraction has an empty half", r"\frac{a}{b}")
        if below[0].is_command("partial"):
            return True
        if below[0].is_command("mathrm") and "".join(t.text for t in below[:4]) == "mathrm{d}":
            return True
        d = below[0].kind == "letter" and below[0].text == "d"
        d = d and len(below) > 1 and below[1].kind in ("letter", "command") and not below[1].is_command("cdot")
        if not d:
            return False
        if self.header.knows("d"):
            if above[0].kind != "letter" or above[0].text != "d" or (len(above) > 1 and above[1].is_command("cdot")):
                return False
            said = (r"\frac{\partial L}{\partial x}", r"\frac{d \cdot L}{d \cdot x}, where d is the number")
            raise self.fail(f"{written(above)} / {written(below)} is a derivative, or has the number d twice", said)
        if not (above[0].kind == "letter" and above[0].text == "d"):
            raise self.fail("d is a number below the line, or a differential", HEAD + "given d")
        return True

    def quotient(self) -> Node:
        r"""``\partial L / \partial x``, with a slash."""
        start = self.k
        self.k += 1
        if self.at("_", "^"):
            raise self.fail("a derivative is written with a fraction", r"\frac{\partial L}{\partial x}", start)
        above = self.name_only()
        if not (self.take("/") and self.take_command("partial")):
            raise self.fail("a derivative is written with a fraction", r"\frac{\partial L}{\partial x}", start)
        below = self.name_only()
        if self.command("partial"):
            raise self.fail("a second derivative with a slash", r"\frac{\partial^2 L}{\partial x \partial y}", start)
        return Derivative(above, (below,))

    def derivative(self, above: Tokens, below: Tokens) -> Node:
        sign = 4 if below[0].is_command("mathrm") else 1
        head = above[sign:] if not above[0].is_command("mathrm") or sign == 4 else above[1:]
        order = 1
        if head and head[0].is_mark("^"):
            inside, end = group(head, 1)
            order = int(inside[0].text) if len(inside) == 1 and inside[0].kind == "number" else 0
            head = head[end:]
        variables: list[Node] = []
        rest: Sequence[Token] = below
        while rest:
            if rest[0].is_command("partial") or (rest[0].kind == "letter" and rest[0].text == "d"):
                rest = rest[1:]
            elif rest[0].is_command("mathrm") and sign == 4:
                rest = rest[4:]
            else:
                raise self.fail(
                    f"below the line of a derivative stands {written(rest)}", r"\frac{\partial L}{\partial x}"
                )
            if rest and rest[0].is_mark("("):
                if not head or order > 1 or variables:
                    raise self.fail("a derivative by several at once", "a derivative by each, or a vector of them")
                return self.by_several(self.inner(head), rest)
            inner = type(self)(rest, self.header)
            variable: Node = (
                inner.difference() if inner.command("Delta") and self.header.differences else inner.name_only()
            )
            times = 1
            if inner.at("^"):
                inside, inner.k = group(inner.tokens, inner.k + 1)
                if order == 1 and isinstance(variable, Symbol) and any(t.kind == "letter" for t in inside):
                    raise self.fail(
                        f"{variable} with an exponent below the line of a derivative",
                        HEAD + f"labels {', '.join(t.text for t in inside if t.kind == 'letter')}",
                    )
                squared = isinstance(variable, Symbol) and order == 1 and written(inside) == "2"
                if isinstance(variable, Symbol) and squared and variable.name in self.header.squares:
                    # by σ^2, which is a name of its own
                    variable, inside = replace(variable, base=self.header.squares[variable.name]), tokens_of("1")
                times = int(inside[0].text) if len(inside) == 1 and inside[0].kind == "number" else 0
            variables += [variable] * times
            rest = inner.tokens[inner.k :]
        if not order or len(variables) != order:
            raise self.fail(
                "the order of a derivative and what is below its line do not agree",
                r"\frac{\partial^2 L}{\partial x_i \partial x_j}",
            )
        if head:
            transposed = len(head) > 1 and head[-2].is_mark("^") and head[-1].text in ("T", "top")
            head = head[:-2] if transposed else head
            found: Node = Derivative(self.inner(head), tuple(variables))
            return Transposed(found) if transposed else found
        return Derivative(self.operand(variables), tuple(variables))  # \frac{d}{dx} f

    def by_several(self, above: Node, below: Tokens) -> Node:
        r"""``\frac{\partial f}{\partial (x, y)}``, the vector of the derivatives by each."""
        names = type(self)(below[1:], self.header)
        variables = [names.name_only()]
        while names.take(","):
            variables.append(names.name_only())
        if len(variables) < 2 or not names.take(")") or names.token.kind != "end":
            raise self.fail("a derivative by several at once", "a derivative by each, or a vector of them")
        return Group("(", tuple(Derivative(above, (each,)) for each in variables))

    def operand(self, by: Sequence[Node], nabla: bool = False) -> Node:
        r"""What ``\frac{d}{dx}`` or ``\nabla_x`` stands in front of: one thing, or the whole term where nothing else
        can be meant, ``x^T A x`` and ``\frac{1}{2} x^2``.  Of ``\nabla_x L y`` it is L."""
        start = self.k
        found = self.factor(transposes=not nabla)
        turned = self.at("^")  # by ^T: of \nabla_x L^T it is L that is differentiated
        if not (turned or self.multiplies()) or (nabla and isinstance(found, Symbol) and found not in by):
            return found
        end = self.k
        self.k = start
        whole = self.term()
        constant = isinstance(found, Number) or (isinstance(found, Fraction) and isinstance(found.above, Number))
        if constant or turned or isinstance(found, Transposed):
            return whole
        operator = "∇" if nabla else r"\frac{\partial}{\partial x}"
        one, all_ = written(self.tokens[start:end]), written(self.tokens[start : self.k])
        sign = r"\nabla_x" if nabla else r"\frac{\partial}{\partial x}"
        raise self.fail(
            f"{operator} in front of a product: of its first factor, or of all of it",
            (rf"{sign} \left( {all_} \right)", rf"\left( {sign} {one} \right) {all_.removeprefix(one).strip()}"),
            start,
        )

    def of_its_argument(self) -> Node:
        r"""``\nabla f(x)``, where f is a value of x alone."""
        start = self.k
        of = self.operand((), nabla=True) if self.starts() and not self.command("nabla") else None
        names = self.header.arguments.get(str(of), ())
        if not isinstance(of, Symbol) or len(names) != 1 or names == ("...",):
            raise self.fail("∇ does not say by what", r"\nabla_{x} L", start)
        return Gradient(type(self)(tokens_of(names[0]), self.header).name_only(), of)

    def evaluated(self, derivative: Derivative, start: int) -> None:
        r"""``\frac{dS}{dz}(z)``: the derivative at z, or a product with it."""
        above = derivative.above
        if not (isinstance(above, Symbol) and self.header.is_value(above)):
            raise self.fail(
                "a derivative at a point, or a product", (HEAD + "value S", r"\frac{dS}{dz} \cdot (z)"), start
            )
        if len(derivative.below) != 1 or self.arguments() != derivative.below:
            raise self.fail("a derivative at another place than at what it is taken by", AT, start)

    def gradient(self) -> Node:
        self.k += 1
        if self.at("^"):
            says = (r"\frac{\partial^2 L}{\partial x_i \partial x_j}", r"\sum_i \frac{\partial^2 L}{\partial x_i^2}")
            raise self.fail("∇ with an exponent is the Hessian, or the Laplacian", says)
        if not self.at("_"):
            return self.of_its_argument()
        inside, self.k = group(self.tokens, self.k + 1)
        wrt = type(self)(inside, self.header)
        variable = wrt.name_only()
        if wrt.token.kind != "end":
            raise wrt.unexpected()
        if self.at("^"):
            raise self.fail("∇ with an exponent", r"\frac{\partial^2 L}{\partial x_i \partial x_j}")
        return Gradient(variable, self.operand([variable], nabla=True))
