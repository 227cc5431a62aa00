r"""A tree to its value: names looked up, indices and axes found, sums bound.

    W x + b     sum[j](W[i,j] x[j]) + b[i], where W[i,j], x[j] and b[i] are declared
    x^T y       sum[j](x[j] y[j]);  x y is refused, as are a row plus a column and axes of two letters
    \sum_{k=1}^{N} a_k        sum[k](a[k]);  \sum_{i \neq j} with j on the left is sum[i](1[i != j] ...)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from einstan.papers.grammar import HEAD, compared, parse
from einstan.papers.header import Header
from einstan.papers.problem import Unread
from einstan.papers.tex import Token, written
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
    Node,
    Norm,
    Number,
    Part,
    Power,
    Product,
    Reduction,
    Symbol,
    Transposed,
    Written,
)  # fmt: skip
from einstan.papers.value import (
    ATOM,
    ENTRIES,
    PRODUCT,
    SUM,
    HowMany,
    Piece,
    Place,
    Value,
    added,
    aligned,
    called,
    divided,
    dotted,
    entrywise,
    inner,
    joined,
    lettered,
    multiplied,
    number,
    spelled,
    summed,
    transposed,
)  # fmt: skip

OF_MATRICES = ("exp", "log", "sqrt", "sin", "cos", "tan", "abs", "sinh", "cosh")  # which may mean the matrix function
NEGATED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}


@dataclass(frozen=True)
class Access:
    """A tensor with its slots: an index, an axis, or the text of an entry."""

    name: str
    slots: tuple[tuple[Piece, ...], ...]
    axes: tuple[Place, ...]

    @property
    def value(self) -> Value:
        pieces: list[Piece] = [self.name]
        for k, slot in enumerate(self.slots):
            pieces += ["," if k else "[", *slot]
        return Value((*pieces, *(["]"] if self.slots else [])), ATOM, self.axes)


@dataclass
class Reader:
    """Reads the sides of one formula.  ``left`` are the letters that its first side has; ``made`` the lines of
    auxiliary definitions, each a name and a text."""

    header: Header
    left: set[str] = field(default_factory=set)
    named: dict[str, Place] = field(default_factory=dict)
    within: list[str] = field(default_factory=list)  # letters that are summed around
    free: dict[str, None] = field(default_factory=dict)  # letters that stand unsummed in this side
    summed: set[str] = field(default_factory=set)
    made: list[tuple[str, str]] = field(default_factory=list)
    uppers: dict[str, str] = field(default_factory=dict)

    def side(self, node: Node) -> Value:
        """One side.  A letter may be summed in it or stand free in it, not both."""
        self.free, self.summed, self.within = {}, set(), []
        found = self.value(node)
        if both := sorted(self.summed & set(self.free)):
            raise Unread(f"{both[0]} is summed, and stands outside of its sum too", "", "brackets around what is summed")
        return found

    # ---- nodes -------------------------------------------------------------------------------------------------------

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
            case Transposed(base):
                return transposed(self.value(base))
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
                raise Unread("a comparison stands where a value is expected", "", r"\mathbb{1}[x > 0]")
            case Written(rows):
                return self.written(rows)

    def scalar(self, node: Node, what: str) -> Value:
        found = self.value(node)
        if found.axes:
            raise Unread(f"{what} of {found.shape}", "", ENTRIES)
        return found

    def addition(self, terms: Sequence[tuple[int, Node]]) -> Value:
        return added([(sign, self.value(term)) for sign, term in terms])

    def product(self, factors: Sequence[tuple[str, Node]]) -> Value:
        (_, first), *rest = factors
        found = self.value(first)
        previous = first
        for k, (sign, node) in enumerate(rest):
            if sign == "/":
                if k + 1 < len(rest) and not (_is_plain(previous) and _is_plain(node)):
                    raise Unread("a / b c has two readings", "", r"\frac{a}{b} c")
                found = divided(found, self.value(node))
            else:
                found = self.times(sign, found, self.value(node))
            previous = node
        return found

    def times(self, sign: str, left: Value, right: Value) -> Value:
        if sign in self.header.operators and (left.axes or right.axes):
            return self.operator(sign, left, right)
        if not (left.axes and right.axes):
            return multiplied(left, right)
        match sign:
            case "":
                return multiplied(left, right)
            case "·":
                return dotted(left, right)
            case "⊙":
                return entrywise(left, right)
        means = {"∘": "an entrywise product, or a composition", "*": "an entrywise product, or a convolution",
                 "×": "a product of matrices, or a cross product", "⊗": "an outer product, or a convolution"}  # fmt: skip
        reason = f"{sign} between {left.shape} and {right.shape} is {means.get(sign, 'no sign that is known')}"
        raise Unread(reason, "", HEAD + f"operator {_TEX.get(sign, sign)} = a[i] b[i]")

    def power(self, node: Power) -> Value:
        if isinstance(node.base, Norm) and node.exponent == Number("2") and node.base.kind in ("", "2", "F"):
            return self.squares(node.base.body, node.base.kind)
        base = self.value(node.base)
        if base.axes:
            if node.exponent == Number("-1"):
                raise Unread("the inverse of a matrix", "", "an input B with assume A[i,K] B[K,j] = δ[i,j]")
            raise Unread(f"a power of {base.shape}", "", ENTRIES)
        exponent = self.scalar(node.exponent, "the exponent")
        pieces = (*base.inside(ATOM), "^", *(exponent.pieces if exponent.pieces[0] == "(" else ("(", *exponent.pieces, ")")))
        if base.pieces[-1:] == (")",) or len(base.pieces) > 1:
            pieces = ("(", *base.pieces, ")^(", *exponent.pieces, ")")
        return Value(("(", *pieces, ")"), ATOM, bound=base.bound | exponent.bound)

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
            raise Unread("the rows of a matrix of entries are not told", "", ENTRIES)
        else:
            self.free = before | {letter: None for letter in self.free if letter not in open_}
            places = {self.named[letter]: Place("", self.named[letter].dim, self.named[letter].at) for letter in open_}
            found = replace(found.with_places(places), axes=tuple(places.values()))
            for letter in open_:
                del self.named[letter]
        return replace(found, pieces=("(", *found.pieces, ")"), level=ATOM)

    def written(self, rows: Sequence[Sequence[Node]]) -> Value:
        """A matrix by its entries: an entry is the only one where both deltas are 1."""
        if not rows:
            raise Unread("dots leave out entries of a matrix", "", ENTRIES)
        shape = len(rows), len(rows[0])
        places = tuple(Place() for count in shape if count > 1)
        terms: list[tuple[int, Value]] = []
        for i, row in enumerate(rows):
            for j, node in enumerate(row):
                entry = self.scalar(node, "an entry")
                at = [k for k, count in zip((i, j), shape, strict=True) if count > 1]
                for place, k in zip(places, at, strict=True):
                    entry = joined(entry, Value(("δ[", place, f",{k}]")), ())
                terms.append((1, replace(entry, axes=places)))
        row_ = shape[0] == 1 and len(places) == 1
        return replace(added(terms), row=row_, pieces=("(", *added(terms).pieces, ")"), level=ATOM)

    # ---- names -------------------------------------------------------------------------------------------------------

    def symbol(self, symbol: Symbol) -> Value:
        if symbol.base == "δ" and not self.header.knows("δ") and len(symbol.below) in (1, 2):
            parts = self.parted(symbol.below, 2, "δ")
            if parts is not None and self.header.naming(symbol) is None:
                slots = [self.slot(part, "δ") for part in parts]
                return Value(("δ[", *slots[0], ",", *slots[1], "]"))
        found = self.header.naming(symbol)
        name = found[0] if found else _name(symbol)
        if not found and not symbol.below:
            if name in self.header.identity:
                places = Place(), Place()
                return Value(("δ[", places[0], ",", places[1], "]"), ATOM, places)
            if name in self.header.extents:
                return number(self.header.extents[name])
            if name in self.uppers and name not in self.header.axes:
                return Value((HowMany(name),))
            if name == "π" and name not in self.header.axes:
                return number("pi")
        found_ = self.access(symbol)
        if found_.name in self.header.padded and any(len(slot) > 1 for slot in found_.slots):
            return replace(found_.value, pieces=("pad(", *found_.value.pieces, ")"))
        return replace(found_.value, row=len(found_.axes) == 1 and found_.name in self.header.rows)

    def access(self, symbol: Symbol, defining: bool = False) -> Access:
        """The tensor that a sign is, with its slots."""
        header = self.header
        found = header.naming(symbol)
        name, slots, stands, parts = found if found else (_name(symbol), None, {}, symbol.below)
        if symbol.primes and not found:
            raise Unread(f"{symbol} is another name, a derivative or a transpose", str(symbol), HEAD + f"name {symbol} = {symbol.base}1")
        if not found:
            self.one_face(symbol)
        axes = header.axes.get(name)
        if axes is None and header.is_gradient(name):
            axes = header.axes[name[1:]]
        if slots is not None:
            if parts:
                raise Unread(f"{symbol} has more indices than its name says", str(symbol))
            axes = axes or slots
            if len(slots) != len(axes):
                raise Unread(f"{name} has {len(axes)} axes, and is named with {len(slots)}", str(symbol))
            places = [Place("", dim, (name, k)) if slot not in stands else None for k, (slot, dim) in enumerate(zip(slots, axes, strict=True))]
            texts = [
                (place,) if place is not None else self.slot((stands[slot],), name, k, axes[k])
                for k, (slot, place) in enumerate(zip(slots, places, strict=True))
            ]
            return Access(name, tuple(texts), tuple(place for place in places if place is not None))
        if not parts:
            if axes is None:
                if defining:
                    return Access(name, (), ())
                raise Unread(
                    f"{name} has no indices: a number, a vector or a matrix", str(symbol),
                    (HEAD + f"given {name}", HEAD + f"given {name}[i]", HEAD + f"given {name}[i,j]"),
                )  # fmt: skip
            places = [Place("", dim, (name, k)) for k, dim in enumerate(axes)]
            return Access(name, tuple((place,) for place in places), tuple(places))
        wanted = self.parted(parts, None if axes is None else len(axes), name)
        if wanted is None:
            there = "".join(map(str, parts[0]))
            if axes is None:
                apart = ",".join(there) if there.isalpha() else "i,j"
                raise Unread(f"the subscript {there} is one index or several", str(symbol), (f"{name}_{{{apart}}}", HEAD + f"given {name}[{apart}]"))
            raise Unread(
                f"{name} has {len(axes)} axes, and here {len(parts)} ind{'ices' if len(parts) > 1 else 'ex'}", str(symbol),
                HEAD + f"name {symbol.base}_{{k}} = {name}[i,k]",
            )  # fmt: skip
        texts = [self.slot(part, name, k, axes[k] if axes is not None else "") for k, part in enumerate(wanted)]
        if axes is None:
            letters = tuple("".join(t.text for t in part if t.kind == "letter")[:1] or "i" for part in wanted)
            header.axes[name] = tuple(f"{letter.lower()}" for letter in letters)
        return Access(name, tuple(texts), ())

    def one_face(self, symbol: Symbol) -> None:
        """Refuse one letter in two faces, a script L beside an italic one: they may be two names."""
        faces = self.header.fonts
        family = symbol.font if symbol.font in ("script", "double", "fraktur") else "plain"
        before = faces.setdefault(symbol.base, family)
        if before != family:
            raise Unread(f"{symbol.base} stands in two faces, and may be two names", str(symbol), HEAD + rf"name \mathcal{{{symbol.base}}} = {symbol.base}1")

    def parted(self, parts: Sequence[Part], rank: int | None, name: str) -> list[Part] | None:
        """The indices of a subscript: parted by commas, or letters side by side where their number is known."""
        for part in parts:
            if any(t.is_command("text", "mathrm", "textrm", "operatorname", "dots", "ldots", "cdots") for t in part):
                raise Unread(f"{name} has a label below", written(part), HEAD + f"name {name}_{{{written(part)}}} = {name}1")
        if rank is None:
            return list(parts) if all(_is_slot(part) for part in parts) else None
        if len(parts) == rank and all(_is_slot(part) for part in parts):
            return list(parts)
        if len(parts) == 1:
            run = _run(parts[0])
            return run if run is not None and len(run) == rank else None
        return None

    def slot(self, part: Part, name: str, axis: int = 0, dim: str = "") -> tuple[Piece, ...]:
        """What stands in one slot: an index, a sum of indices and numbers, an entry."""
        tokens = [token for token in part if not token.is_mark("{", "}")]
        if len(tokens) == 1 and tokens[0].kind == "number":
            if self.header.first is None:
                text = tokens[0].text
                raise Unread(f"{name}_{text} is entry {text}, and nobody says whether the first one is 0 or 1", "", (HEAD + "first 1", HEAD + f"name {name}_{text} = {name}{text}"))
            if not tokens[0].text.isdigit() or int(tokens[0].text) < self.header.first:
                raise Unread(f"{name} has no entry {tokens[0].text}", written(part))
            return (str(int(tokens[0].text) - self.header.first),)
        found: list[Piece] = []
        k = 0
        while k < len(tokens):
            token = tokens[k]
            if token.kind == "letter" or (token.kind == "command" and token.text == "ell"):
                letter = token.text
                while k + 1 < len(tokens) and tokens[k + 1].is_mark("'"):
                    letter, k = letter + "1", k + 1
                if letter in self.header.axes and letter not in self.left and letter not in self.within:
                    raise Unread(f"{letter} is a tensor of the text and an index of {name}", written(part))
                found.append(self.index(letter, name, axis, dim if len(tokens) == 1 else ""))
            elif token.kind == "number" and len(tokens) > 1:
                found.append(token.text)
            elif token.is_mark("+", "-", "−") and k and k + 1 < len(tokens):
                found.append("+" if token.is_mark("+") else "-")
            elif token.is_mark(":"):
                raise Unread(f"{name} with a whole row or column", written(part), ENTRIES)
            else:
                raise Unread(f"the subscript {written(part)} of {name} is no index", written(part), HEAD + f"name {name}_{{{written(part)}}} = {name}1")
            k += 1
        return tuple(found)

    def index(self, letter: str, name: str, axis: int, dim: str) -> Place:
        if letter[:1].isupper() and not self.header.capitals:
            raise Unread(f"{name}_{letter} is the last entry, or {letter} an index that is summed", "", HEAD + "capitals")
        place = self.named.setdefault(letter, Place(letter))
        place.dim, place.at = place.dim or dim, place.at or ((name, axis) if dim or name != "δ" else None)
        if letter not in self.within:
            self.free[letter] = None
        return place

    def entry(self, body: Node, below: Sequence[Part]) -> Value:
        if body in (Number("1"), Group("(", (Number("1"),))) and len(below) == 1:
            return Value(("1[", *self.slot(below[0], "1"), "]"))
        found = self.value(body)
        parts = self.parted(below, len(found.axes), "what stands in brackets")
        if not found.axes or parts is None:
            raise Unread(f"a subscript behind {found.shape}", "", ENTRIES)
        change = {}
        for axis, part in zip(found.axes, parts, strict=True):
            slot = self.slot(part, "what stands in brackets")
            if len(slot) != 1 or not isinstance(slot[0], Place):
                raise Unread("the subscript of a bracket is an index", written(part))
            if slot[0].letter in found.bound:
                raise Unread(f"{slot[0].letter} is summed inside the bracket, and its index too", written(part))
            slot[0].dim, slot[0].at = slot[0].dim or axis.dim, slot[0].at or axis.at
            change[axis] = slot[0]
        return replace(found.with_places(change), axes=())

    # ---- functions ---------------------------------------------------------------------------------------------------

    def call(self, node: Call) -> Value:
        symbol, arguments = node.function, node.arguments
        name = self.header.function(replace(symbol, primes=0))
        if name is None:
            raise Unread(f"{symbol} is no function that is known", str(symbol), HEAD + f"function {symbol.base}")
        if symbol.primes > 1:
            raise Unread("a second derivative of a function", str(symbol), r"\frac{\partial^2 L}{\partial x_i \partial x_j}")
        if name == "" or symbol.primes:
            return self.applied(symbol, name, arguments)
        values = [self.value(argument) for argument in arguments]
        match name:
            case "trace":
                return self.trace(values)
            case "diag":
                return self.diagonal(values)
            case "softmax" | "logsumexp":
                if len(values) != 1 or len(values[0].axes) != 1:
                    raise Unread(f"{name} of {values[0].shape}: over which of its axes", str(symbol), ENTRIES)
                (axis,) = values[0].axes
                pieces = (f"{name}[", axis, "](", *values[0].pieces, ")")
                return Value(pieces, ATOM, values[0].axes if name == "softmax" else (), values[0].row, values[0].bound)
        if any(len(value.axes) > 1 for value in values) and name in OF_MATRICES:
            raise Unread(f"{name} of a matrix, entry by entry or as a power series", str(symbol), ENTRIES)
        if name in ("maximum", "minimum") and len(values) == 1:
            raise Unread("the largest of what", str(symbol), r"\max_k x_k")
        if len(values) > 2 and name in ("maximum", "minimum"):
            raise Unread("the largest of more than two", str(symbol), r"\max(a, \max(b, c))")
        return called(name, *values)

    def trace(self, values: Sequence[Value]) -> Value:
        if len(values) != 1 or len(values[0].axes) not in (0, 2):
            raise Unread(f"the trace of {values[0].shape}", "", ENTRIES)
        if not values[0].axes:
            return values[0]
        one, other = values[0].axes
        aligned(Value((), axes=(one,), row=None), Value((), axes=(other,), row=None), "a trace over")
        return summed(replace(values[0].with_places({other: one}), axes=()), [one], ())

    def diagonal(self, values: Sequence[Value]) -> Value:
        if len(values) != 1 or len(values[0].axes) != 1:
            raise Unread(f"diag of {values[0].shape}", "", ENTRIES)
        (axis,) = values[0].axes
        other = Place("", axis.dim, axis.at)
        delta = Value(("δ[", axis, ",", other, "]"))
        return joined(values[0], delta, (axis, other))

    def applied(self, symbol: Symbol, name: str, arguments: Sequence[Node]) -> Value:
        """A function without a formula, or a derivative of a function: by the name of its value."""
        shown = f"{symbol.base}_{symbol.below[0][0]}" if symbol.below else symbol.base
        if len(arguments) != 1:
            raise Unread(f"{shown} of several, without a formula", shown, HEAD + f"value {symbol.base}")
        argument = arguments[0]
        while isinstance(argument, Group) and len(argument.items) == 1 and argument.bracket in "({":
            argument = argument.items[0]
        if not isinstance(argument, Symbol):
            raise Unread(f"{shown} of what has no name", shown, "a name for its argument: z = W x + b")
        access = self.access(argument)
        key = (name or shown, access.name)
        made = self.header.applied.get(key)
        if made is None and name:
            made = self.auxiliary(f"{name}_{access.name}", name, access)
            self.header.applied[key] = made
        if made is None:
            raise Unread(f"the value of {shown} has no name", shown, f"a = {shown}({argument})")
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
                raise Unread(f"{found.name} is an extent, and has no derivative", found.name)
            return found
        if isinstance(node, Call) and self.header.function(node.function) == "" and not node.function.primes:
            value = self.applied(node.function, "", node.arguments)
            assert isinstance(value.pieces[0], str)
            inside = self.access(node.arguments[0]) if isinstance(node.arguments[0], Symbol) else None
            assert inside is not None
            return Access(value.pieces[0], inside.slots, inside.axes)
        return self.held(self.value(node))

    def held(self, value: Value) -> Access:
        """A value as a tensor with a name: its own, or a new one by a line of its own."""
        if isinstance(value.pieces[0], str) and value.pieces[0] in self.header.axes and len(value.axes) == len(
            self.header.axes[value.pieces[0]]
        ) and value.pieces[1:] == _slotted(value.axes):
            return Access(value.pieces[0], tuple((axis,) for axis in value.axes), value.axes)
        letters = [letter for letter in self.named if any(p is self.named[letter] for p in value.pieces)]
        places = [*value.axes, *(self.named[letter] for letter in letters if letter not in value.bound)]
        name = self.fresh()
        spelling = lettered([value], set(self.header.axes))
        slots = ",".join(spelling[place] for place in places)
        text = f"{name}{f'[{slots}]' * bool(slots)} = {spelled(value.pieces, spelling, self.header.extents)}"
        self.made.append((name, text))
        self.header.axes[name] = tuple(place.dim or place.letter or "i" for place in places)
        return Access(name, tuple((place,) for place in places), value.axes)

    def fresh(self) -> str:
        """A name for what has none in the text."""
        return next(name for k in range(1, 10_000) if (name := f"q{k}") not in self.header.axes)

    # ---- derivatives -------------------------------------------------------------------------------------------------

    def derivative(self, above: Node, below: Sequence[Node]) -> Value:
        top = self.named_value(above)
        bottoms = [self.named_value(each) for each in below]
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
                raise Unread("the derivative of a vector by a vector, whose rows may be either", "", (HEAD + "layout rows", HEAD + "layout columns"))
            axes = axes if layout == "rows" else axes[::-1]
        elif counts == (0, 2) and layout == "rows":
            raise Unread("a derivative by a matrix, where derivatives are rows", "", r"\nabla_W L")
        elif sum(counts) > 2:
            raise Unread("a derivative with more than two axes", "", r"\frac{\partial Z_{i,j}}{\partial W_{k,l}}")
        return Value(tuple(pieces), ATOM, axes, row)

    def gradient(self, wrt: Node, of: Node) -> Value:
        top, bottom = self.named_value(of), self.named_value(wrt)
        if top.axes:
            raise Unread("the gradient of what is no number", top.name, r"\frac{\partial y_i}{\partial x_j}")
        row = len(bottom.axes) == 1 and bottom.name in self.header.rows
        return Value(("∂", *top.value.pieces, "/∂", *bottom.value.pieces), ATOM, bottom.axes, row)

    # ---- norms, sums, brackets ---------------------------------------------------------------------------------------

    def squares(self, body: Node, kind: str) -> Value:
        found = self.value(body)
        if len(found.axes) == 1 and kind in ("", "2"):
            return inner(found, found)
        if len(found.axes) == 2 and kind == "F":
            return inner(found, found)
        if len(found.axes) == 2:
            raise Unread("the norm of a matrix: of its entries, or the largest stretch", "", r"\|A\|_F")
        if not found.axes:
            raise Unread("the norm of a number", "", "|x|, or x_i without its index, and `given x[i]`")
        raise Unread(f"the norm {kind} of {found.shape}", "", ENTRIES)

    def ones(self, body: Node) -> Value:
        found = self.value(body)
        if len(found.axes) != 1:
            raise Unread(f"the norm 1 of {found.shape}", "", ENTRIES)
        return summed(replace(called("abs", found), axes=()), found.axes, ())

    def reduction(self, node: Reduction) -> Value:
        letters, condition, upper = self.limits(node)
        for letter in letters:
            if letter in self.within or letter in self.left:
                raise Unread(f"{letter} is summed, and stands around the sum too", written(node.below), "another letter")
            if letter in self.free:
                raise Unread(f"{letter} is summed, and stands outside of its sum too", written(node.below), "another letter")
        around, self.within = self.within, [*self.within, *letters]
        outside = {letter: self.named.pop(letter) for letter in letters if letter in self.named}
        body = self.value(node.body)
        guards = [self.bracket(each) for each in condition]
        places = [self.named.get(letter) for letter in letters]
        for letter in letters:
            self.named.pop(letter, None)
        self.named |= outside
        self.within = around
        self.summed |= set(letters)
        if lacking := [letter for letter, place in zip(letters, places, strict=True) if place not in body.pieces]:
            raise Unread(f"what is summed has no index {lacking[0]}", written(node.below), f"x_{lacking[0]}")
        assert all(place is not None for place in places)
        inside = [place for place in places if place is not None]
        for place in inside if upper else ():
            self.whole(place, upper)
        for guard in guards:
            if node.sign != "sum":
                raise Unread(f"a {node.sign} with a condition", written(node.below))
            body = joined(guard, body, body.axes, body.row)
        if node.sign == "sum":
            return summed(body, inside, body.axes, body.row)
        if body.axes:
            raise Unread(f"the {node.sign} of {body.shape}", "", ENTRIES)
        pieces: list[Piece] = [f"{node.sign}["]
        for k, place in enumerate(inside):
            place.summed = True
            pieces += [*([","] if k else []), place]
        return Value((*pieces, "](", *body.pieces, ")"), ATOM, bound=body.bound | set(letters))

    def whole(self, place: Place, upper: str) -> None:
        """A sum up to N runs over a whole axis: N is its extent, here and elsewhere."""
        if place.at is None:
            return
        known = self.header.extents.get(upper)
        here = f"|{place.at[0]}.{place.at[1]}|"
        key = f"{place.at[0]}.{place.at[1]}"
        other = next((name for name, at in self.uppers.items() if at == key and name != upper), None)
        if other is not None:
            raise Unread(f"one axis is summed up to {other} and up to {upper}", key, f"\\sum_{{k}} 1[k < {upper}]")
        self.uppers[upper] = key
        if known is None and not upper.isdigit():
            self.header.extents[upper] = here

    def limits(self, node: Reduction) -> tuple[list[str], list[Compared], str]:
        """The letters that a sum binds, the conditions on them, and up to where it runs."""
        below, above = list(node.below), list(node.above)
        text = written(below)
        if any(token.is_command("in", "subset") for token in below):
            raise Unread("a sum over a set", text, r"\sum_{k} 1[...] x_k")
        cuts = [k for k, token in enumerate(below) if token.text in ("<", ">", "=", "≤", "≥", "≠", "ne", "neq", "le", "leq", "ge", "geq", "lt", "gt")]
        letters = _letters(below)
        if not cuts:
            if not letters or any(token.kind not in ("letter",) and not token.is_mark(",", "'") for token in below):
                raise Unread("a sum over something that is no index", text, r"\sum_{k}")
            if above and len(letters) > 1:
                raise Unread("a sum over several with one limit", text, r"\sum_{i=1}^{n} \sum_{j=1}^{m}")
            return letters, [], written(above)
        if below[cuts[0]].is_mark("="):
            if len(cuts) > 1 or cuts[0] != len(_letter_tokens(letters[0])):
                raise Unread("a sum with a limit that is not read", text, r"\sum_{k=1}^{K}")
            return self.from_to(letters[0], below[cuts[0] + 1 :], above)
        if above:
            raise Unread("a sum with a condition and a limit", text, r"\sum_{i<j}")
        bound = [letter for letter in letters if letter not in self.left and letter not in self.within]
        if not bound:
            raise Unread(f"a sum that binds none of {', '.join(letters)}", text, r"\sum_{k}")
        if len(bound) > 1 and below[cuts[0]].text in ("ne", "neq", "≠"):
            raise Unread(f"a sum over {' or '.join(bound)}, or over both", text, r"\sum_{i} \sum_{j \neq i}")
        return bound, [compared(below, self.header)], ""

    def from_to(self, letter: str, low: Sequence[Token], above: Sequence[Token]) -> tuple[list[str], list[Compared], str]:
        start, end = written(low), written(above)
        conditions = []
        indices = {*self.left, *self.within}
        if start not in ("0", "1"):
            others = _letters(low)
            if not others or not {*others} <= indices:
                raise Unread(f"a sum from {start}", start, r"\sum_{k=1}^{K}")
            conditions.append(Compared((self.index_node(letter), parse(low, self.header)), (">=",)))
        if not end:
            raise Unread("a sum without an end", letter, r"\sum_{k=1}^{K}")
        plain = [token for token in above if token.kind != "number" or len(above) == 1]
        if len(above) == 1 and above[0].kind in ("letter", "number", "command") and end not in indices:
            if start == "0":
                raise Unread(f"a sum from 0 to {end} has one entry more than the axis", letter, r"\sum_{k=1}^{K}")
            if above[0].is_command("infty"):
                raise Unread("a sum without end", letter, r"\sum_{k=1}^{K}")
            return [letter], conditions, end
        minus = len(above) == 3 and above[1].is_mark("-", "−") and above[2].text == "1"
        if minus and start == "0" and above[0].text not in indices:
            return [letter], conditions, above[0].text
        if {*_letters(above)} <= indices and _letters(above):
            conditions.append(Compared((self.index_node(letter), parse(above, self.header)), ("<=",)))
            return [letter], conditions, ""
        del plain
        raise Unread(f"a sum up to {end}", end, r"\sum_{k=1}^{K}, and a condition in it: \mathbb{1}[k < K]")

    def index_node(self, letter: str) -> Node:
        return Symbol(letter)

    def bracket(self, condition: Compared) -> Value:
        sides = [self.compared_side(side) for side in condition.sides]
        pieces: list[Piece] = ["1["]
        for k, side in enumerate(sides):
            pieces += [*([f" {condition.signs[k - 1]} "] if k else []), *side.pieces]
        bound = frozenset(letter for side in sides for letter in side.bound)
        return Value((*pieces, "]"), ATOM, bound=bound)

    def compared_side(self, node: Node) -> Value:
        """A side of a comparison, where an index stands for its number."""
        match node:
            case Symbol(base, below=()) if self.is_index(base):
                return Value((self.index(base, "δ", 0, ""),))
            case Addition(terms) if all(isinstance(t, Number) or (isinstance(t, Symbol) and self.is_index(t.base)) for _, t in terms):
                pieces: list[Piece] = []
                for k, (sign, term) in enumerate(terms):
                    pieces += [("+" if k else "") if sign > 0 else "-", *self.compared_side(term).pieces]
                return Value(tuple(pieces), SUM)
            case _:
                return self.scalar(node, "a comparison")

    def is_index(self, letter: str) -> bool:
        return len(letter) == 1 and letter not in self.header.axes and (
            letter in self.left or letter in self.within or letter in self.named
        )

    def cases(self, rows: Sequence[tuple[Node, Compared | None]]) -> Value:
        if len(rows) != 2:
            raise Unread("cases other than two, which may overlap", "", "brackets: 1[x > 0] a + 1[x <= 0] b")
        (first, when), (second, other) = rows
        if when is None or (other is not None and not self.complementary(when, other)):
            raise Unread("two cases that overlap, or leave something out", "", "brackets: 1[x > 0] a + 1[x <= 0] b")
        if other is None and len(when.signs) > 1:
            raise Unread("what is not between two limits", "", "brackets: 1[0 < x] 1[x < 1] a + 1[x <= 0] b + 1[x >= 1] b")
        opposite = other or Compared(when.sides, (NEGATED[when.signs[0]],))
        terms = []
        for body, condition in ((first, when), (second, opposite)):
            value = self.scalar(body, "a case")
            terms.append((1, joined(self.bracket(condition), value, ())))
        return added(terms)

    def complementary(self, one: Compared, other: Compared) -> bool:
        if len(one.signs) != 1 or len(other.signs) != 1:
            return False
        turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
        if one.sides == other.sides:
            return NEGATED[one.signs[0]] == other.signs[0]
        return one.sides == other.sides[::-1] and NEGATED[one.signs[0]] == turned[other.signs[0]]

    # ---- signs of the header -----------------------------------------------------------------------------------------

    def operator(self, sign: str, left: Value, right: Value) -> Value:
        from einstan.papers.operators import applied

        return applied(self, self.header.operators[sign], left, right)


_TEX = {"⊙": r"\odot", "∘": r"\circ", "⊗": r"\otimes", "×": r"\times"}


def _slotted(axes: Sequence[Place]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for k, axis in enumerate(axes):
        pieces += ["," if k else "[", axis]
    return (*pieces, "]") if axes else ()


def _is_plain(node: Node) -> bool:
    return isinstance(node, Number)


def _name(symbol: Symbol) -> str:
    return f"{symbol.base}{f'^({symbol.label})' * bool(symbol.label)}"


def _is_slot(part: Part) -> bool:
    """Whether a part is one index, a number, or a sum of them."""
    run = _run(part)
    if run is not None:
        return len(run) == 1
    tokens = [token for token in part if not token.is_mark("{", "}", "'")]
    return any(token.is_mark("+", "-", "−", ":") for token in tokens) or len(tokens) == 1


def _run(part: Part) -> list[Part] | None:
    """``ij`` as i and j, ``12`` as 1 and 2; nothing where something else stands there."""
    found: list[list[Token]] = []
    for token in part:
        if token.is_mark("'") and found:
            found[-1].append(token)
        elif token.kind == "letter" or token.is_command("ell"):
            found.append([token])
        elif token.kind == "number" and token.text.isdigit():
            found += [[replace(token, text=digit)] for digit in token.text]
        elif not token.is_mark("{", "}"):
            return None
    return [tuple(each) for each in found]


def _letters(tokens: Sequence[Token]) -> list[str]:
    found: list[str] = []
    for token in tokens:
        if token.kind == "letter":
            found.append(token.text)
        elif token.is_mark("'") and found:
            found[-1] += "1"
    return list(dict.fromkeys(found))


def _letter_tokens(letter: str) -> str:
    return letter


__all__ = ["PRODUCT", "Access", "Reader"]
