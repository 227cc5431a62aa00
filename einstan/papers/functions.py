r"""Functions and values with their arguments, and sums with what they run over."""

from __future__ import annotations

from einstan.papers.known import USUAL
from einstan.papers.names import Names
from einstan.papers.problem import UnreadError
from einstan.papers.signs import (
    AT,
    DOTS,
    FUNCTIONS,
    HEAD,
)
from einstan.papers.tex import group
from einstan.papers.tree import (
    Call,
    Group,
    Node,
    Number,
    Part,
    Power,
    Reduction,
    Symbol,
)


class Functions(Names):
    """Functions and values with their arguments, and sums with what they run over."""

    def called(self, symbol: Symbol, start: int) -> Node | None:
        """``f(x)``, ``f(x, y)`` behind a name; nothing where it is a product."""
        if self.header.is_function(symbol):
            return Call(symbol, self.arguments())
        if self.header.is_value(symbol):
            self.value_arguments(symbol, start)
            return symbol
        if symbol.primes and not self.header.knows_symbol(symbol):
            raise self.fail(
                f"{symbol}(...) is the derivative of a function that nobody declared",
                HEAD + f"function {symbol.base}",
                start,
            )
        if self.header.knows_symbol(symbol) or symbol.below or self.header.is_gradient(symbol.base):
            if self.holds_a_name():
                raise self.fail(
                    f"{symbol}(...) is a value, or a product",
                    (HEAD + f"value {symbol.base}", rf"{symbol} \cdot x"),
                    start,
                )
            return None
        usual = [f"function {symbol.base} = {USUAL[symbol.base]}"] if symbol.base in USUAL else []
        said = [*usual, f"value {symbol.base}", f"function {symbol.base}", f"given {symbol.base}"]
        problem = f"{symbol}(...) is the value of a function, or a product"
        raise self.fail(problem, [HEAD + each for each in said], start)

    def holds_a_name(self) -> bool:
        """Whether the bracket here holds names alone, as a value's does: ``L(x, y)``."""
        inside = type(self)(self.tokens[self.k + 1 :], self.header)
        try:
            inside.name_only()
            while inside.take(","):
                inside.name_only()
        except UnreadError:
            return False
        return inside.at(")")

    def value_arguments(self, symbol: Symbol, start: int) -> None:
        """``L(x, y)`` as L: names alone stand in the brackets, and the same ones everywhere."""
        self.k += 1
        names: list[str] = []
        while True:
            if self.command(*DOTS):
                self.k += 1
                names.append("...")
            elif self.at(*"·") or self.command("cdot"):
                raise self.unexpected()
            else:
                found = self.expression()
                indexed = isinstance(found, Symbol) and bool(found.below) and not symbol.below
                if not isinstance(found, Symbol) or indexed:
                    raise self.fail(f"{symbol} at another place than at the names that it is a value of", AT, start)
                names.append(str(found))
            if not self.take(","):
                break
        if not self.take(")"):
            raise self.unexpected()
        before = self.header.arguments.setdefault(str(symbol), tuple(names))
        least = min(each.index("...") if "..." in each else len(each) for each in (before, tuple(names)))
        if before[:least] != tuple(names)[:least] or (len(before) != len(names) and "..." not in (*before, *names)):
            raise self.fail(f"{symbol} of other names than before: {', '.join(before)}", AT, start)

    def arguments(self) -> tuple[Node, ...]:
        self.k += 1
        found = [self.expression()]
        while self.take(","):
            found.append(self.expression())
        if not self.take(")"):
            raise self.unexpected()
        return tuple(found)

    def reduction(self, sign: str) -> Node:
        start = self.k
        self.k += 1
        below: Part = ()
        above: Part = ()
        while self.at("_", "^"):
            mark = self.token.text
            inside, self.k = group(self.tokens, self.k + 1)
            below, above = (tuple(inside), above) if mark == "_" else (below, tuple(inside))
        if not below:
            raise self.fail("a sum does not say over which index", r"\sum_k", start)
        if sign in ("max", "min"):
            return Reduction(sign, below, above, self.factor())
        if self.at("+", "-", "−") or self.token.kind == "end":
            raise self.fail("a sum of nothing", start=start)
        return Reduction(sign, below, above, self.term())

    def function(self) -> Node:
        start, name = self.k, self.token.text
        self.k += 1
        power: Node | None = None
        if self.at("_"):
            raise self.fail("a logarithm to another base, or a function with an index", r"\frac{\log x}{\log 2}", start)
        if self.at("^"):
            inside, self.k = group(self.tokens, self.k + 1)
            power = self.inner(inside)
            if not isinstance(power, Number):
                raise self.fail(f"{name} with an exponent", start=start)
        symbol = Symbol(name)
        if self.at("(", "["):
            group_ = self.bracketed(self.token.text, ")" if self.at("(") else "]")
            assert isinstance(group_, Group)
            found: Node = Call(symbol, group_.items)
            if self.at("^"):
                raise self.fail(f"{name}(x)^n is a power of the function or of x", rf"(\{name}(x))^n", start)
        elif self.command("{") or name in ("max", "min"):
            if not self.command("{"):
                raise self.unexpected()
            group_ = self.bracketed("{", "\\}")
            assert isinstance(group_, Group)
            found = Call(symbol, group_.items)
        else:
            argument = self.factor()
            if isinstance(argument, Reduction):
                return Call(symbol, (argument,))
            if self.starts() and not self.is_function_next():
                raise self.fail(
                    f"{name} without brackets in front of a product", rf"\{name}(a b) or (\{name} a) b", start
                )
            found = Call(symbol, (argument,))
        return Power(found, power) if power is not None else found

    def is_function_next(self) -> bool:
        return self.token.kind == "command" and self.token.text in FUNCTIONS
