r"""Functions and values with their arguments, and sums with what they run over."""

from __future__ import annotations

import re

from einstan.papers.known import USUAL
from einstan.papers.labels import is_transpose, named
from einstan.papers.names import Names
from einstan.papers.problem import UnreadError
from einstan.papers.signs import (
    AT,
    DOTS,
    FUNCTIONS,
    GREEK_NAMES,
    HEAD,
    WRITTEN,
)
from einstan.papers.tex import Tokens, group, tokens_of, written
from einstan.papers.tree import (
    Addition,
    Call,
    Fraction,
    Group,
    Listed,
    Node,
    Number,
    Part,
    Power,
    Product,
    Reduction,
    Symbol,
)


class Functions(Names):
    """Functions and values with their arguments, and sums with what they run over."""

    def called(self, symbol: Symbol, start: int) -> Node | None:
        """``f(x)``, ``f(x, y)`` behind a name; nothing where it is a product."""
        if self.header.is_function(symbol):
            return Call(symbol, self.arguments())
        if symbol.below and not self.header.knows_symbol(symbol) and all(map(_is_parameter, symbol.below)):
            base, label = symbol.base, symbol.label
            for part in symbol.below:  # h_\theta(x), a value for each θ
                base, label = named(base, label, GREEK_NAMES.get(part[0].text, part[0].text))
            symbol = Symbol(base, symbol.font, label, (), symbol.primes)
        unknown = self.defining and start == 0 and not symbol.primes and not self.header.knows_symbol(symbol)
        if unknown and self.holds_a_name(whole=True):  # L(x, y) = ... says what L is
            self.header.values.add(symbol.base)
        if self.header.is_value(symbol) or (symbol.base in self.header.depends and self.holds_a_name()):
            self.value_arguments(symbol, start)
            return symbol
        if symbol.primes and not self.header.knows_symbol(symbol):
            raise self.fail(
                f"{symbol}(...) is the derivative of a function that nobody declared",
                [HEAD + f"function {symbol.base}{f' = {USUAL[symbol.base]}' if symbol.base in USUAL else ''}"],
                start,
            )
        if self.header.knows_symbol(symbol) or symbol.below or self.header.is_gradient(symbol.base):
            if self.holds_a_name():
                inside = group_in(self.tokens[self.k :])
                letters = re.fullmatch(r"\w_(\w),\s*\w_(\w)", written(inside))  # K(x_i, x_j)
                there = [f"{symbol.typed}_{{{letters[1]}{letters[2]}}}, where it is an entry"] if letters else []
                says = (HEAD + f"value {symbol.base}", *there, rf"{symbol} \cdot x")
                raise self.fail(f"{symbol}(...) is a value, or a product", says, start)
            return None
        if symbol.base in self.header.uppers or symbol.base in self.header.extents:  # n (n - 1)
            return None
        usual = [f"function {symbol.base} = {USUAL[symbol.base]}"] if symbol.base in USUAL else []
        plain = [] if symbol.label else [f"function {symbol.base}"]
        said = [*usual, f"value {symbol.base}", *plain, f"given {symbol.typed}"]
        entry = self.ahead().kind == "letter" and self.ahead(2).is_mark(")")
        entries = [f"{symbol.typed}_{{{self.ahead().text}}}, where it is an entry"] if entry else []
        problem = f"{symbol}(...) is the value of a function, or a product"
        usual = [WRITTEN[symbol.base]] if symbol.base in WRITTEN else []
        raise self.fail(problem, [*usual, *(HEAD + each for each in said), *entries], start)

    def holds_a_name(self, whole: bool = False) -> bool:
        """Whether the bracket here holds names alone, as a value's does: ``L(x, y)``; and nothing is behind it."""
        inside = type(self)(self.tokens[self.k + 1 :], self.header)
        try:
            inside.name_only()
            while inside.parted():
                inside.name_only()
        except UnreadError:
            return False
        return inside.at(")") and not (whole and inside.k + 1 < len(inside.tokens))

    def parted(self) -> bool:
        r"""Whether a sign comes next that parts the names of a value: ``,``, ``;``, a bar or two."""
        if self.command("mid", "parallel", "|", "Vert", "vert") or self.at(",", ";", "|"):
            self.k += 2 if self.at("|") and self.ahead().is_mark("|") else 1
            return True
        return False

    def value_arguments(self, symbol: Symbol, start: int) -> None:
        """``L(x, y)`` as L: names alone stand in the brackets, and the same ones everywhere."""
        self.k += 1
        names: list[str] = []
        closes, self.closes_bar = self.closes_bar, True
        while True:
            if self.command(*DOTS):
                self.k += 1
                names.append("...")
            elif self.at(*"·") or self.command("cdot"):
                raise self.unexpected()
            else:
                found = self.expression()
                named_ = isinstance(found, Symbol) and (not found.below or self.header.naming(found) is not None)
                if not isinstance(found, Symbol) or not (named_ or symbol.below):
                    there = [HEAD + f"given {found.typed}"] if isinstance(found, Symbol) else []
                    said = f"{symbol} at another place than at the names that it is a value of"
                    raise self.fail(said, [*there, AT], start)
                names.append(str(found))
            if not self.parted():
                break
        self.closes_bar = closes
        if not self.take(")"):
            raise self.unexpected()
        before = self.header.arguments.setdefault(str(symbol), tuple(names))
        least = min(each.index("...") if "..." in each else len(each) for each in (before, tuple(names)))
        if before[:least] != tuple(names)[:least] or (len(before) != len(names) and "..." not in (*before, *names)):
            raise self.fail(f"{symbol} of other names than before: {', '.join(before)}", AT, start)

    def arguments(self) -> tuple[Node, ...]:
        if (vector := self.vector("(", ")")) is not None:
            return (vector,)
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
        if self.at("-", "−") and sign == "sum":  # \sum_k -2 x_k
            self.k += 1
            return Reduction(sign, below, above, Addition(((-1, self.term()),)))
        if self.at("+", "-", "−") or self.token.kind == "end":
            raise self.fail("a sum of nothing", r"\sum_{k=1}^{n} x_k", start)
        return Reduction(sign, below, above, self.term())

    def function(self) -> Node:
        r"""A function and what it is of; ``\log_2 x`` is ``\log x / \log 2``."""
        start, name = self.k, self.token.text
        self.k += 1
        base = self.number_below() if name == "log" else None
        if self.at("_"):
            raise self.fail("a logarithm to another base, or a function with an index", r"\frac{\log x}{\log 2}", start)
        found = self.function_of(start, name)
        return found if base is None else Fraction(found, Call(Symbol("log"), (base,)))

    def number_below(self) -> Number | None:
        """The number of a subscript that is one."""
        if not self.at("_"):
            return None
        inside, end = group(self.tokens, self.k + 1)
        if len(inside) != 1 or inside[0].kind != "number":
            return None
        self.k = end
        return Number(inside[0].text)

    def function_of(self, start: int, name: str) -> Node:
        power: Node | None = None
        if self.at("^"):
            inside, self.k = group(self.tokens, self.k + 1)
            power = self.inner(inside)
            if not isinstance(power, Number):
                inverse = isinstance(power, Addition) and name in ("sin", "cos", "tan")
                raise self.fail(
                    f"{name} with an exponent",
                    rf"\arc{name}(x)" if inverse else rf"(\{name}(x))^n, or its inverse",
                    start,
                )
        symbol = Symbol(name)
        if name in ("log", "ln") and power is None and self.take_command("det"):
            matrix = self.factor()
            if self.starts() and not isinstance(matrix, Group):
                said = rf"\{name}\det(A B) or (\{name}\det A) b"
                raise self.fail("a determinant without brackets in front of a product", said, start)
            return Call(Symbol("logdet"), (matrix,))
        gamma = name in ("log", "ln") and power is None and self.command("Gamma") and self.ahead().is_mark("(")
        if gamma and not self.header.knows("Γ") and "Γ" not in self.header.functions:
            self.k += 1
            symbol = Symbol("lgamma")
        if self.at("(", "["):
            group_ = self.bracketed(self.token.text, ")" if self.at("(") else "]")
            found = self.applied_to(symbol, group_)
            turns = self.at("^") and is_transpose(group(self.tokens, self.k + 1)[0])
            if (
                self.at("^") and not turns and len(group_.items if isinstance(group_, Group) else ()) < 2
            ):  # that of two is of theirs
                said = written(self.tokens[start : self.k])
                inside, _ = group(self.tokens, self.k + 1)
                all_ = rf"\left({said}\right)^{{{written(inside)}}}"
                of = rf"\{name}\left({said.removeprefix(chr(92) + name).strip()}^{{{written(inside)}}}\right)"
                raise self.fail(f"{name}(x)^n is a power of the function or of x", (all_, of), start)
        elif self.command("{") or name in ("max", "min"):
            if not self.command("{"):
                raise self.unexpected()
            found = self.applied_to(symbol, self.vector("{", "\\}") or self.bracketed("{", "\\}"))
        else:
            argument = self.factor()
            if isinstance(argument, Reduction):
                return Call(symbol, (argument,))
            if self.starts() and not self.is_function_next():
                argument = self.whole_argument(name, argument, start)
            if self.at("/"):
                self.refuse_quotient(name, argument, start)
            found = Call(symbol, (argument,))
        return Power(found, power) if power is not None else found

    def whole_argument(self, name: str, first: Node, start: int) -> Node:
        r"""``\log 2\pi`` as the logarithm of the number 2π; what another product is, is asked."""
        end, behind = self.k, Symbol("π")
        if (
            isinstance(first, Number)
            and self.take_command("pi")
            and not self.multiplies()
            and not self.at("^", "_", "/")
        ):
            return Product((("", first), ("", behind)))
        self.k = end
        while self.starts() and not self.is_function_next():
            self.factor()
        one, rest = written(self.tokens[start + 1 : end]), written(self.tokens[end : self.k])
        said = (rf"\{name}({one} {rest})", rf"(\{name} {one}) {rest}")
        raise self.fail(f"{name} without brackets in front of a product", said, start)

    def refuse_quotient(self, name: str, argument: Node, start: int) -> None:
        r"""Refuse ``\log p / q``, the logarithm of a quotient or a quotient; ``\sin x / x`` and ``\ln x / \ln 2`` are
        quotients."""
        slash = self.k
        self.k += 1
        whole = self.is_function_next() or (self.starts() and self.factor() == argument)
        self.k = slash
        if not whole:
            said = (rf"\{name}(a / b)", rf"(\{name} a) / b")
            raise self.fail(f"{name} without brackets in front of a quotient", said, start)

    def applied_to(self, symbol: Symbol, inside: Node) -> Node:
        r"""``\max(a, b)``, and ``\max(x_1, \dots, x_n)`` as the largest of all."""
        if isinstance(inside, Listed) and symbol.base in ("max", "min"):
            below = tuple(tokens_of(f"{inside.letters[0]} = 1"))
            return Reduction(symbol.base, below, tuple(tokens_of(inside.uppers[0])), inside.entry)
        return Call(symbol, inside.items if isinstance(inside, Group) else (inside,))

    def is_function_next(self) -> bool:
        return self.token.kind == "command" and self.token.text in FUNCTIONS


def group_in(tokens: Tokens) -> Tokens:
    """What stands in the round brackets with which some tokens begin, of names alone."""
    return tokens[1 : next(k for k, token in enumerate(tokens) if token.is_mark(")"))]


def _is_parameter(part: Part) -> bool:
    return len(part) == 1 and part[0].kind == "command" and part[0].text in GREEK_NAMES and part[0].text != "ell"
