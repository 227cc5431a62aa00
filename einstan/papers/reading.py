r"""A tree to its value: names looked up, indices and axes found, sums bound.

W x + b     sum[j](W[i,j] x[j]) + b[i], where W[i,j], x[j] and b[i] are declared
x^T y       sum[j](x[j] y[j]);  x y is refused, as are a row plus a column and axes of two letters
\sum_{k=1}^{N} a_k        sum[k](a[k]);  \sum_{i \neq j} with j on the left is sum[i](1[i != j] ...)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from einstan.papers.cases import ByEntries
from einstan.papers.problem import UnreadError
from einstan.papers.signs import HEAD
from einstan.papers.tex import written
from einstan.papers.tree import (
    Absolute,
    Addition,
    Call,
    Cases,
    Compared,
    Derivative,
    Entry,
    Fraction,
    Gradient,
    Group,
    Indicator,
    Inner,
    Listed,
    Node,
    Norm,
    Number,
    Power,
    Product,
    Reduction,
    Symbol,
    Transposed,
    Written,
    letters_of,
)
from einstan.papers.value import (
    ATOM,
    ENTRIES,
    Place,
    Value,
    added,
    called,
    divided,
    dotted,
    entrywise,
    inner,
    multiplied,
    number,
    transposed,
)

Read = tuple[str, Node, Value]  # a factor with the sign in front of it


@dataclass
class Reader(ByEntries):
    """Reads the sides of one formula.  ``dots`` says whether there is a ``x \\cdot y`` of two vectors."""

    dots: bool = False

    def side(self, node: Node) -> Value:
        """One side.  A letter may be summed in it or stand free in it, not both."""
        self.free, self.summed, self.within, self.labels = {}, set(), [], {}
        found = self.value(node)
        if both := sorted({*self.labels} & ({*self.free} | self.summed | self.left)):
            symbol = self.labels[both[0]]
            inside = ",".join([both[0], *(written(part) for part in symbol.below)])
            name = rf"name {symbol.base}^{{({symbol.label})}}{_below(symbol)} = {symbol.base}[{inside}]"
            said = f"{both[0]} is a label of {symbol}, and an index here"
            raise UnreadError(said, symbol.base, (HEAD + name, "another letter for the index"))
        if both := sorted(self.summed & set(self.free)):
            raise UnreadError(
                f"{both[0]} is summed, and stands outside of its sum too", "", "brackets around what is summed"
            )
        return found

    def value(self, node: Node) -> Value:
        match node:
            case Number(text):
                return number(text)
            case Symbol():
                return self.symbol(node)
            case Addition(terms):
                return self.addition(terms)
            case Product(factors):
                return self.product(factors)
            case Fraction(above, below):
                return divided(self.value(above), self.value(below))
            case Power():
                return self.power(node)
            case Transposed(base, letter):
                found = self.value(base)
                if isinstance(base, Symbol) and base.below and not found.axes:
                    inside = ",".join(written(part) for part in base.below)
                    vectors = HEAD + f"name {base} = {base.base}[{inside},d]"
                    if len(self.header.axes.get(base.name, ())) == 2:
                        vectors = rf"({replace(base, below=()).typed}^\top)_{{{inside}}}"
                    raise UnreadError(f"the transpose of the number {base}", str(base), (vectors, f"{base} alone"))
                if isinstance(base, Number):
                    column = [rf"\mathbf{{{base.text}}}^\top"] * (base.text == "1")
                    raise UnreadError(ONES, base.text, (*column, f"{base.text} alone"))
                if letter and not found.axes:
                    raise UnreadError("the power T of a number, or a transpose", "", (r"x^\top", HEAD + "given T"))
                return transposed(found)
            case Group():
                return self.group(node)
            case Call():
                return self.call(node)
            case Entry(body, below):
                return self.entry(body, below)
            case Reduction():
                return self.reduction(node)
            case Derivative(above, below):
                return self.derivative(above, below)
            case Gradient(wrt, of):
                return self.gradient(wrt, of)
            case Norm(body, kind):
                return called("sqrt", self.squares(body, kind)) if kind != "1" else self.ones(body)
            case Absolute(body):
                return called("abs", self.scalar(body, "an absolute value"))
            case Inner(left, right):
                return inner(self.value(left), self.value(right))
            case Indicator(condition):
                return self.bracket(condition)
            case Cases(rows):
                return self.cases(rows)
            case Compared():
                raise UnreadError("a comparison stands where a value is expected", "", r"\mathbb{1}[x > 0]")
            case Written(rows):
                return self.written(rows)
            case Listed():
                return self.listed(node)

    def addition(self, terms: Sequence[tuple[int, Node]]) -> Value:
        numbers = [k for k, (_, term) in enumerate(terms) if self.counted(term)]
        if numbers and not sum(terms[k][0] for k in numbers):  # t - s is the same wherever one counts from
            found = [
                self.compared_side(term) if k in numbers else self.value(term) for k, (_, term) in enumerate(terms)
            ]
            return added([(sign, value) for (sign, _), value in zip(terms, found, strict=True)])
        return added([(sign, self.value(term)) for sign, term in terms])

    def product(self, factors: Sequence[tuple[str, Node]]) -> Value:
        r"""Factors side by side, of which signs part some: ``A \odot B C`` is read where only one of A \odot (B C) and
        (A \odot B) C has a meaning."""
        read = [(sign, node, self.value(node)) for sign, node in factors]
        vectors_ = [node for _, node, value in read if len(value.axes) == 1]
        if len(vectors_) > 1 and "·" in {sign for sign, _ in factors} - self.header.operators.keys():
            self.refuse_ones(vectors_)
        cuts = [0, *(k for k, (sign, *_) in enumerate(read) if k and sign not in ("", "/")), len(read)]
        groups = [read[one:other] for one, other in pairwise(cuts)]
        tensors = [sum(bool(value.axes) for *_, value in group) for group in groups]
        if not any(count > 1 for count in tensors[1:]):
            return self.leftward(read)
        found, refused = list[Value](), list[UnreadError]()
        for parted in (groups, [read]) if tensors == [1, 2] else (groups,):  # of A B ⊙ C x there are more than two
            try:
                found.append(self.parted_by_signs(parted))
            except UnreadError as error:
                refused.append(error)
        if not found:
            raise refused[0]
        if len(found) > 1 and found[0].axes and groups[1][0][0] not in ("·", "×"):
            sign = _TEX.get(groups[1][0][0], groups[1][0][0])
            said = (rf"A {sign} \left( B C \right)", rf"\left( A {sign} B \right) C")
            raise UnreadError(f"{sign} in front of a product: of its first factor, or of all of it", "", said)
        return found[-1]

    def refuse_ones(self, vectors_: Sequence[Node]) -> None:
        r"""Refuse ``(1 - z) \cdot n`` of vectors: 1 - z is meant entry by entry, and so may the dot be."""
        for node in vectors_:
            match node:
                case Group(items=(Addition(terms),)) if any(term == Number("1") for _, term in terms):
                    number_ = r"(\mathbf{1} - x) \cdot y for a number"
                    said = (r"x \odot y", HEAD + r"operator \cdot = a[i] b[i]", number_)
                    raise UnreadError(r"\cdot beside a vector and 1: entry by entry, or a number", "", said)

    def parted_by_signs(self, groups: Sequence[Sequence[Read]]) -> Value:
        found = self.leftward(groups[0])
        for group in groups[1:]:
            found = self.times(group[0][0], found, self.leftward(group))
        return found

    def leftward(self, factors: Sequence[Read]) -> Value:
        (_, previous, found), *rest = factors
        for k, (sign, node, value) in enumerate(rest):
            if sign == "/":
                behind = rest[k + 1][1] if k + 1 < len(rest) and rest[k + 1][0] != "/" else None
                number_ = isinstance(previous, Number) and isinstance(node, Number)
                if behind is not None and (not number_ or self.is_scalar(behind)):
                    raise UnreadError("a / b c has two readings", "", r"\frac{a}{b} c")
                found = divided(found, value)
            elif found.axes and not sign and node == Number("1"):
                raise UnreadError(ONES, "", r"\mathbf{1}")
            else:
                found = self.times(sign, found, value)
            previous = node
        return found

    def is_scalar(self, node: Node) -> bool:
        """Whether a factor looks like a part of the divisor before it: the a of 1/2 a."""
        base = node.base if isinstance(node, Power) else node
        return isinstance(base, Symbol | Number) and not self.value(base).axes

    def times(self, sign: str, left: Value, right: Value) -> Value:
        if sign in self.header.operators and (left.axes or right.axes):
            return self.operator(sign, left, right)
        if not (left.axes and right.axes) and sign in ("", "·", "×", "*"):
            return multiplied(left, right)
        match sign:
            case "":
                return multiplied(left, right)
            case "·":
                found = dotted(left, right)
                self.dots |= len(left.axes) == len(right.axes) == 1 and not found.axes
                return found
            case "⊙" if left.axes and right.axes:
                return entrywise(left, right)
            case "⊙":
                said = [*vectors(left), *vectors(right)] or [r"\cdot between a number and a vector"]
                raise UnreadError(f"⊙ between {left.shape} and {right.shape}", "", said)
        means = MEANINGS.get(sign, "no sign that is known")
        reason = f"{sign} between {left.shape} and {right.shape} is {means}"
        if not (left.axes or right.axes) and (said := [*vectors(left), *vectors(right)]):
            raise UnreadError(reason, "", said)
        if sign == "⊗" and len(left.axes) == len(right.axes) == 1:
            raise UnreadError(reason, "", (r"x y^\top, where it is an outer product",))
        composed = [r"f(g(x)), where it is a composition"] * (sign == "∘")
        raise UnreadError(reason, "", [HEAD + f"operator {_TEX.get(sign, sign)} = a[i] b[i]", *composed])

    def power(self, node: Power) -> Value:
        if isinstance(node.base, Norm) and node.exponent == Number("2") and node.base.kind in ("", "2", "F"):
            return self.squares(node.base.body, node.base.kind)
        if node.exponent == Number("2") and isinstance(node.base, Symbol) and node.base.name in self.header.squares:
            return self.symbol(replace(node.base, base=self.header.squares[node.base.name]))
        base = self.value(node.base)
        if node.exponent == Number("-1"):
            if len(base.axes) == 2:
                return self.inverse(node.base, base)
            if isinstance(node.base, Symbol) and node.base.below and self.is_square(self.access(node.base).name):
                inside = ",".join(written(part) for part in node.base.below)
                said = rf"({node.base.base}^{{-1}})_{{{inside}}}", rf"\frac{{1}}{{{node.base.typed}}}"
                raise UnreadError("the inverse of an entry, or an entry of the inverse", str(node.base), said)
        if base.axes:
            twice = (r"x \odot x", r"x^\top x") if len(base.axes) == 1 else ("A A", r"A \odot A")
            labels = letters_of(node.exponent)
            told = [HEAD + f"labels {', '.join(labels)}"] if labels else twice
            raise UnreadError(f"a power of {base.shape}", "", told)
        exponent = self.scalar(node.exponent, "the exponent")
        plain = len(exponent.pieces) == 1 and str(exponent.pieces[0]).isdigit() and base.pieces != ("e",)
        raised = exponent.pieces if plain or exponent.bracketed else ("(", *exponent.pieces, ")")
        # a^(n) may be a name with a label in a document, and (a)^(n) is none
        pieces = (
            ("(", *base.pieces, ")^", *raised) if not plain or len(base.pieces) > 1 else (*base.pieces, "^", *raised)
        )
        return Value(("(", *pieces, ")"), ATOM, bound=base.bound | exponent.bound)

    def inverse(self, node: Node, matrix: Value) -> Value:
        """The inverse of a matrix, named by a line of its own, as the matrix is where it is an expression."""
        while isinstance(node, Group) and len(node.items) == 1:
            node = node.items[0]
        if isinstance(node, Transposed):
            return transposed(self.inverse(node.base, transposed(matrix)))
        name = self.square(matrix, "an inverse")
        if name not in self.header.inverses:
            other = self.header.free(name, "inv")
            self.made.append((other, self.header.invert(name, other)))
        one, two = matrix.axes
        row, column = two.again(), one.again()
        other = self.header.inverses[name]
        self.header.axes[other] = (row.dim or "i", column.dim or "i")
        return Value((other, "[", row, ",", column, "]"), ATOM, (row, column))

    def group(self, node: Group) -> Value:
        if len(node.items) > 1:
            return replace(self.written([[item] for item in node.items]), row=None)
        if node.bracket != "[":
            found = self.value(node.items[0])
            return replace(found, pieces=("(", *found.pieces, ")"), level=ATOM) if found.level < ATOM else found
        before = dict(self.free)
        self.free = {}
        found = self.value(node.items[0])
        inside = [letter for letter in self.free if letter not in self.left and letter not in before]
        open_ = [letter for letter in inside if letter not in self.within and not letter[:1].isupper()]
        if found.axes or not open_:
            self.free = before | self.free
        elif open_ != sorted(open_) or len(open_) > 2:
            raise UnreadError("the rows of a matrix of entries are not told", "", ENTRIES)
        else:
            self.free = before | {letter: None for letter in self.free if letter not in open_}
            places = {self.named[letter]: Place("", self.named[letter].dim, self.named[letter].at) for letter in open_}
            found = replace(found.with_places(places), axes=tuple(places.values()))
            for letter in open_:
                del self.named[letter]
        return replace(found, pieces=("(", *found.pieces, ")"), level=ATOM)

    def operator(self, sign: str, left: Value, right: Value) -> Value:
        from einstan.papers.operators import applied

        return applied(self, self.header.operators[sign], left, right)


def vectors(value: Value) -> list[str]:
    """What a comment says where z_t is a vector at t, and here an entry."""
    match value.pieces:
        case (str(name), "[", Place(letter=letter), "]") if letter and not value.axes:
            return [f"{HEAD}name {name}_{{{letter}}} = {name}[{letter},i]", f"{HEAD}labels {letter}"]
        case _:
            return []


def _below(symbol: Symbol) -> str:
    """The subscript of a name, as it is typed."""
    return f"_{{{','.join(written(part) for part in symbol.below)}}}" if symbol.below else ""


MEANINGS = {
    "∘": "an entrywise product, or a composition", "*": "an entrywise product, or a convolution",
    "×": "a product of matrices, or a cross product", "⊗": "an outer product, or a convolution",
}  # fmt: skip
ONES = "a number beside a tensor, or a column of such numbers"
_TEX = {"⊙": r"\odot", "∘": r"\circ", "⊗": r"\otimes", "×": r"\times"}
