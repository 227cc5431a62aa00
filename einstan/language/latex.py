r"""LaTeX that TeX and KaTeX accept, and that parses back: ``parse(latex(e)) is e``.

By default the notation is kept: capitals are summed and a sum sign stands only where the text has ``sum[K](..)``.
``sums=True`` writes for readers who do not know the notation: every sum has its sign, over a small letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from einstan.language.commands import ACCENTS, LETTERS_IN_LATEX
from einstan.language.functions import FUNCTIONS
from einstan.language.index import Affine, Index, lowered
from einstan.language.layout import surface_of
from einstan.language.naming import named
from einstan.language.node import Node, preorder, rewrite
from einstan.language.occurrences import bare_names
from einstan.language.surface import (
    Binder,
    Bracket,
    Call,
    Expression,
    Kronecker,
    Letter,
    Minus,
    Number,
    Pad,
    Power,
    Ref,
    Relation,
    Size,
    Surface,
    Task,
    Term,
    looks_applied,
    looks_called,
    only_part,
    walk,
)  # fmt: skip
from einstan.language.term import Apply, Const, Equation, Expr, Extent, Mul, Partial, Sum, bound_indices, mul
from einstan.language.writer import Writer, number

RELATIONS = {"<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne"}
BIG = {"sum": r"\sum", "prod": r"\prod"}
SIGNS = (*BIG, "max", "min")  # which reach over what follows
_LABELLED = re.compile(r"(.+)\^\((\w+(?:[+-]\w+)?)\)")
_NUMBERED = re.compile(r"(\w)([0-9]*)")


def latex(node: Node, *, sums: bool = False) -> str:
    """The LaTeX of an equation or an expression, without dollar signs.

    Examples:
        >>> from einstan.language import parse
        >>> print(latex(parse("Z[n,j] = X[n,K] W[K,j] + b[j]")))
        Z_{n,j} = X_{n,K} W_{K,j} + b_{j}
        >>> print(latex(parse("Z[n,j] = X[n,K] W[K,j] + b[j]"), sums=True))
        Z_{n,j} = \\sum_{k} X_{n,k} W_{k,j} + b_{j}
    """
    surface, _ = surface_of(signed(node) if sums else node, every_sum=sums)
    writer = LatexWriter()
    writer.names = {str(part.name) for part in walk(surface) if isinstance(part, Ref)}
    return writer.text_of(surface)


def signed(node: Node) -> Node:
    """The node as readers who do not know the notation write it: every sum over a small letter."""
    if isinstance(node, Equation):
        rhs = with_signs(node.rhs, {index.name for index in node.indices})
        letters = _letters(rhs)
        forms = ((letters(index), rewrite(form, _small_sizes(letters))) for index, form in node.where)
        where = {index: form for index, form in forms if isinstance(form, Affine)}
        return Equation(node.name, node.indices, rhs, tuple(where.items()))
    return with_signs(node, {index.name for index in node.free}) if isinstance(node, Expr) else node


def with_signs(root: Expr, free: set[str]) -> Expr:
    """The expression with small bound letters, and the coefficient of every sum in front of its sign."""

    small = named(root, free, small=True)
    sized = _small_sizes(_letters(small))
    result = rewrite(small, lambda node: coefficient_in_front(sized(node)))
    assert isinstance(result, Expr)
    return result


Letters = Callable[[Index], Index]


def _letters(root: Expr) -> Letters:
    """What an index of a size is called in an expression with small letters: as the one that runs over its axis."""
    found: dict[str, dict[str, Index]] = {}
    for index in (*root.free, *bound_indices(root)):
        found.setdefault(index.dim, {}).setdefault(index.name, index)

    def letter(index: Index) -> Index:
        small = Index(lowered(index.name), index.dim)
        known = found.get(index.dim, {})
        return known.get(small.name) or next(iter(known.values()), small)

    return letter


def _small_sizes(letter: Letters) -> Callable[[Node], Node]:
    def rule(node: Node) -> Node:
        if isinstance(node, Extent) and "." not in node.index.name:
            return Extent(letter(node.index))
        return node

    return rule


def coefficient_in_front(node: Node) -> Node:
    """``-1/|N| sum[N](x[N])`` for ``sum[N](-1/|N| x[N])``."""
    if isinstance(node, Sum) and isinstance(node.body, Mul):
        factors = node.body.factors
        count = 0
        while count < len(factors) - 1 and _is_coefficient(factors[count]):
            count += 1
        return mul((*factors[:count], Sum(node.indices, mul(factors[count:])))) if count else node
    return node


def _is_coefficient(factor: Expr) -> bool:
    return all(isinstance(node, Const | Extent | Mul | Apply) for node in preorder(factor))


class LatexWriter(Writer):
    """The same walk as in brackets, with other spellings."""

    in_slots = 0  # how many slots are around what is written

    apart = True  # 2i in a subscript may be two slots
    names: Collection[str] = ()  # of the tensors that are written

    def write(self, node: Surface) -> Task[None]:
        match node:
            case Relation():
                yield self.relation(node)
            case Expression():
                yield self.expression(node)
            case Term():
                yield self.term(node, first=True)
            case Ref():
                yield self.reference(node)
            case Number():
                numerator, slash, denominator = number(node.value).partition("/")
                self.put(rf"\frac{{{numerator}}}{{{denominator}}}" if slash else numerator)
            case Letter():
                self.put(symbol(node.name))
            case Size():
                name, dot, axis = node.name.partition(".")
                self.put(rf"\left|{symbol(name)}{dot}{axis}\right|")
            case Minus():
                self.put("-")
                yield self.part(node.operand)
            case Power():
                yield self.base(node.base)
                above = only_part(node.exponent) if isinstance(node.exponent, Expression) else node.exponent
                turned = isinstance(above, Ref) and above.name == "T"  # alone it would be a transpose
                self.put("^{{" if turned else "^{")
                yield self.write(node.exponent)  # in brackets it would be a label, x^{(p - 1)}
                self.put("}}" if turned else "}")
            case Call():
                yield self.call(node)
            case Binder():
                yield self.binder(node)
            case Bracket():
                yield self.bracket(node)
            case Kronecker():
                self.put(r"\delta")
                yield self.slots((node.left, node.right))
            case Pad():
                self.put(r"\operatorname{pad}\left(")
                yield self.reference(node.access)
                self.put(r"\right)")

    def base(self, node: Surface) -> Task[None]:
        """What is raised to a power; a label stands above the line too, and TeX sets one thing there."""
        if isinstance(node, Ref) and "^" in str(node.name):
            self.put(r"\left(")
            yield self.write(node)
            self.put(r"\right)")
        else:
            yield self.part(node)

    def part(self, node: Surface) -> Task[None]:
        if isinstance(node, Expression) or (isinstance(node, Binder) and node.operation in SIGNS):
            self.put(r"\left(")
            yield self.write(node)
            self.put(r"\right)")
        else:
            yield self.write(node)

    def term(self, node: Term, first: bool) -> Task[None]:
        r"""A product; parts that divide gather what stands before them into ``\frac``."""
        if first and node.sign < 0:
            self.put("-")
        runs: list[tuple[list[Surface], list[Surface]]] = [([], [])]
        for part, divides in node.parts:
            if not divides and runs[-1][1]:
                runs.append(([], []))
            runs[-1][divides].append(part)
        for position, (above, below) in enumerate(runs):
            if position:
                self.put(" ")
            if not below:
                yield self.factors(above, final=position == len(runs) - 1)
                continue
            self.put(r"\frac{" * len(below))
            if len(above) == 1 and isinstance(above[0], Expression) and len(above[0].terms) == 1:
                yield self.part(above[0])  # a product in brackets, which has its own sums: (x[J] y[J]) / s
            else:
                yield self.braced(above)
            for divisor in below:
                self.put("}{")
                yield self.braced([divisor])
                self.put("}")

    def braced(self, parts: list[Surface]) -> Task[None]:
        """A numerator or a denominator, whose braces stand for brackets."""
        if not parts:
            self.put("1")
        elif len(parts) == 1 and isinstance(parts[0], Expression) and only_part(parts[0]) is None:
            yield self.write(parts[0])
        else:
            yield self.factors(parts, final=True)

    def factors(self, parts: list[Surface], final: bool) -> Task[None]:
        for position, part in enumerate(parts):
            if position:
                before = parts[position - 1]
                digits = isinstance(part, Number | Bracket) and isinstance(before, Number | Bracket)
                self.put(r" \cdot " if digits or looks_called(before) or looks_applied(before, part) else " ")
            if isinstance(part, Binder) and final and position == len(parts) - 1:
                yield self.write(part)
            else:
                yield self.part(part)

    def call(self, node: Call) -> Task[None]:
        row = FUNCTIONS[node.function].latex
        if node.function == "sigmoid" and "σ" in self.names:
            row = r"\operatorname{{sigmoid}}({0})"
        if node.function == "abs":
            only = only_part(node.arguments[0])
            if isinstance(only, Ref | Call) and len(list(walk(only))) == 1:  # bars around a name are an extent
                row = r"\operatorname{{abs}}\left({0}\right)"
        written = []
        for argument in node.arguments:
            pieces, self.pieces = self.pieces, []
            yield self.write(argument)
            written.append("".join(self.pieces))
            self.pieces = pieces
        if any("\\frac" in text or "\\sum" in text for text in written):
            row = row.replace("({0}", r"\left({0}").replace("})", r"}\right)").replace(r"\left\left", r"\left")
        self.put(row.format(*written))

    def binder(self, node: Binder) -> Task[None]:
        letters = ",".join(symbol(letter.name) for letter in node.letters)
        if node.operation in BIG:
            self.put(rf"{BIG[node.operation]}_{{{letters}}} ")
            parts = node.body.terms[0].parts
            last = parts[-1][0]
            reaches = not isinstance(last, Binder) and any(letter.name in bare_names(last) for letter in node.letters)
            over_all = node.operation == "sum" or reaches
            if len(node.body.terms) == 1 and node.body.terms[0].sign > 0 and over_all:
                yield self.term(node.body.terms[0], first=True)
            else:
                yield self.part(node.body)
            return
        command = rf"\{node.operation}" if node.operation in ("max", "min") else rf"\operatorname{{{node.operation}}}"
        self.put(rf"{command}_{{{letters}}}")
        yield self.part(node.body)

    def bracket(self, node: Bracket) -> Task[None]:
        self.put(r"\mathbb{1}")
        if not node.relations:
            yield self.listed(node.operands, "[", ",", "]")
            return
        self.put("[")
        for position, operand in enumerate(node.operands):
            if position:
                self.put(f" {RELATIONS[node.relations[position - 1]]} ")
            yield self.write(operand)
        self.put("]")

    def relation(self, node: Relation) -> Task[None]:
        self.on_left = True
        yield self.write(node.left)
        self.on_left = False
        self.put(" = ")
        yield self.write(node.right)
        for position, (size, expression) in enumerate(node.where):
            self.put(", " if position else r" \quad\text{where}\quad ")
            yield self.write(size)
            self.put(" = ")
            yield self.write(expression)

    def slots(self, slots: tuple[Expression, ...]) -> Task[None]:
        self.put("_{")
        self.in_slots += 1
        for position, slot in enumerate(slots):
            if position:
                self.put(",")
            only = only_part(slot)
            if isinstance(only, Number) and only.value >= 10:
                self.put(f"({number(only.value)})")  # its digits would be slots
                continue
            yield self.slot(slot)
        self.in_slots -= 1
        self.put("}")

    def reference(self, node: Ref) -> Task[None]:
        if isinstance(node.name, Partial):
            yield self.partial(node, node.name)
            return
        self.put(symbol(node.name) if self.in_slots else tensor(node.name))
        if node.slots:
            yield self.slots(node.slots)

    def partial(self, node: Ref, name: Partial) -> Task[None]:
        order = f"^{len(name.wrt)}" if len(name.wrt) > 1 else ""
        self.put(rf"\frac{{\partial{order} ")
        yield self.reference(Ref(node.span, name.of, node.slots[: name.rank]))
        self.put("}{")
        start = name.rank
        for position, (tensor, rank) in enumerate(name.wrt):
            self.put(r" \partial " if position else r"\partial ")
            yield self.reference(Ref(node.span, tensor, node.slots[start : start + rank]))
            start += rank
        self.put("}")


def tensor(name: str) -> str:
    r"""The name of a tensor: a letter with a number is one word, ``\mathit{Z2}``, whose last digit has no slots."""
    labelled = _LABELLED.fullmatch(name)
    if labelled:
        return f"{tensor(labelled.group(1))}^{{({labelled.group(2)})}}"
    return rf"\mathit{{{name}}}" if name[1:] and name.isascii() and _NUMBERED.fullmatch(name) else symbol(name)


def symbol(name: str) -> str:
    r"""A name: ``W``, ``k1``, ``\alpha``, ``\hat{y}``, ``Z^{(2)}``, ``\mathrm{loss}``."""
    labelled = _LABELLED.fullmatch(name)
    if labelled:
        return f"{symbol(labelled.group(1))}^{{({labelled.group(2)})}}"
    stem, _, accent = name.rpartition("_")
    if accent in ACCENTS and (len(stem) == 1 or stem in LETTERS_IN_LATEX):
        return rf"\{accent}{{{symbol(stem)}}}"
    if name in LETTERS_IN_LATEX:
        return "\\" + LETTERS_IN_LATEX[name]
    if _NUMBERED.fullmatch(name) and name.isascii():
        return name
    escaped = name.replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}"
