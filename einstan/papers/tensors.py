r"""Names to tensors: how many axes they have, and what stands in their slots."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from string import ascii_lowercase

from einstan.language.commands import GREEK
from einstan.papers.header import Header
from einstan.papers.known import Naming
from einstan.papers.problem import UnreadError
from einstan.papers.signs import DOTS, HEAD
from einstan.papers.tex import Token, written
from einstan.papers.tree import (
    Group,
    Node,
    Number,
    Part,
    Symbol,
)
from einstan.papers.value import (
    ATOM,
    ENTRIES,
    SUM,
    HowMany,
    Piece,
    Place,
    Value,
    lettered,
    number,
    spelled,
)

_NO_LABELS = (*DOTS, "text", "mathrm", "textrm", "operatorname")
COUNTS = (HEAD + "first 1", HEAD + "first 0")


@dataclass(frozen=True)
class Access:
    """A tensor with its slots: an index, an axis, or the text of an entry."""

    name: str
    slots: tuple[tuple[Piece, ...], ...]
    axes: tuple[Place, ...]

    @property
    def value(self) -> Value:
        pieces: list[Piece] = [said(self.name, len(self.slots))]
        for k, slot in enumerate(self.slots):
            pieces += ["," if k else "[", *slot]
        return Value((*pieces, *(["]"] if self.slots else [])), ATOM, self.axes)


def said(name: str, rank: int) -> str:
    """A name as a document has it, where a number with a label would be a power: r^(t) is r_att; and π a number."""
    if name == "π":
        return "pis"
    base, _, label = name.partition("^(")
    if rank or not label:
        return name
    label = re.sub(r"\W", "", label[:-1].replace("-", "m").replace("+", "p"))
    return f"{base}_at{label}"


@dataclass
class Tensors:
    """What names mean in the sides of one formula.  ``left`` are the letters that the sides before have; ``made`` the
    lines of auxiliary definitions, each a name and a text."""

    header: Header
    left: set[str] = field(default_factory=set)
    named: dict[str, Place] = field(default_factory=dict)
    within: list[str] = field(default_factory=list)  # letters that are summed around
    free: dict[str, None] = field(default_factory=dict)  # letters that stand unsummed in this side
    summed: set[str] = field(default_factory=set)
    made: list[tuple[str, str]] = field(default_factory=list)
    uppers: dict[str, str] = field(default_factory=dict)
    indices: set[str] = field(default_factory=set)  # letters that a condition speaks of
    labels: dict[str, Symbol] = field(default_factory=dict)  # letters that are labels, each with a sign that has it
    known: set[str] = field(default_factory=set)  # tensors of which something is known before the formula

    def value(self, node: Node) -> Value:
        raise NotImplementedError  # which the reader of whole trees has

    def scalar(self, node: Node, what: str) -> Value:
        found = self.value(node)
        if found.axes:
            raise UnreadError(f"{what} of {found.shape}", "", ENTRIES)
        return found

    def symbol(self, symbol: Symbol) -> Value:
        if symbol.base == "δ" and not self.header.knows("δ") and len(symbol.below) in (1, 2):
            parts = self.parted(symbol.below, 2, "δ")
            if parts is not None and self.header.naming(symbol) is None:
                slots = [self.slot(part, "δ") for part in parts]
                return Value(("δ[", *slots[0], ",", *slots[1], "]"))
        found = self.header.naming(symbol)
        name = found[0] if found else symbol.name
        if name in self.header.identity and len(symbol.below) < 2 and not found:
            places = Place(), Place()  # I_n is one too, n by n
            return Value(("δ[", places[0], ",", places[1], "]"), ATOM, places)
        if not found and (typed := counted_name(symbol)) in self.header.extents:
            return number(self.header.extents[typed])
        if not found and (letter := self.index_of(symbol)) and name not in self.uppers:
            return self.number_of(letter)
        if not found and not symbol.below and not symbol.primes:
            if name in self.uppers and name not in self.header.axes:
                return Value((HowMany(name),))
            if name not in self.header.axes and self.header.is_function(symbol):
                given = [HEAD + f"given {symbol.typed}"] * (name in self.header.functions)  # a number too: σ, and σ(x)
                raise UnreadError(f"{name} stands without brackets", str(symbol), [f"{name}(...)", *given])
            if name == "π" and symbol.font != "bold":
                if self.header.axes.get(name) and not any(naming.sign.base == name for naming in self.header.namings):
                    said_ = (HEAD + r"name \pi_k = w[k]", r"\boldsymbol{\pi}, for all of its entries")
                    raise UnreadError("π is a number, and a tensor of the text", str(symbol), said_)
                if self.header.axes.get(name) != ():
                    return number("pi")
        if symbol.base == "1" and not found and len(symbol.below) < 2 and "1" not in self.header.axes:
            place = Place()  # 1_n is one too, of n ones
            return Value(("1[", place, "]"), ATOM, (place,))
        if not found and self.header.is_gradient(name):
            found_ = self.access(replace(symbol, base=symbol.base[1:]))
            row = len(found_.axes) == 1 and found_.name in self.header.rows
            return replace(found_.value, pieces=("∂", self.header.gradients, "/∂", *found_.value.pieces), row=row)
        found_ = self.access(symbol)
        if found_.name in self.header.padded and any(len(slot) > 1 for slot in found_.slots):
            return replace(found_.value, pieces=("pad(", *found_.value.pieces, ")"))
        return replace(found_.value, row=len(found_.axes) == 1 and found_.name in self.header.rows)

    def index_of(self, symbol: Node) -> str:
        """The index that a sign without subscripts is, ``i'`` as i1; nothing where it is none."""
        match symbol:
            case Symbol(base, label="", below=()):
                letter = base + "1" * symbol.primes
                return letter if len(base) == 1 and self.is_index(letter) else ""
        return ""

    def is_index(self, letter: str) -> bool:
        return (
            letter.rstrip("1") == letter[:1]
            and letter not in self.header.axes
            and letter not in self.header.extents
            and (letter in self.left or letter in self.within or letter in self.named or letter in self.indices)
        )

    def access(self, symbol: Symbol, defining: bool = False) -> Access:
        """The tensor that a sign is, with its slots."""
        header = self.header
        found = header.naming(symbol)
        name, slots, stands, parts = found if found else (symbol.name, None, {}, symbol.below)
        if defining and parts and is_numbered(symbol) and header.axes.get(name) is None and header.first is None:
            name = name.replace("δ", "err") + symbol.below[0][0].text  # z_1 = ... of a z that nobody declared
            found = name, None, {}, ()
            slots, parts = None, ()
            header.namings.insert(0, Naming(replace(symbol, font=""), name, None))
        if not found and header.is_gradient(name):
            raise UnreadError(
                f"{name} is a gradient, and what is differentiated has a name", name, f"{name[1:]}1 = {name}"
            )
        if symbol.primes and not found:
            inside = ",".join(written(part) for part in symbol.below)
            named = HEAD + f"name {symbol.typed} = {symbol.base}_prime{f'[{inside}]' * inside.isalpha()}"
            turned = symbol.primes == 1 and not symbol.below and len(header.axes.get(symbol.name, ())) in (1, 2)
            told = [named, *[f"{HEAD}transposed {symbol.name}"] * turned]
            raise UnreadError(f"{symbol} is another name, a derivative or a transpose", str(symbol), told)
        if not found:
            self.one_face(symbol)
            self.labels |= dict.fromkeys(re.findall("[a-z]", symbol.label), symbol)
        if name.startswith("δ") and not found and name not in header.axes:
            raise UnreadError(f"{symbol} is no Kronecker delta", str(symbol), HEAD + r"name \delta = err")
        axes = header.axes.get(name)
        if slots is not None:
            if parts:
                raise UnreadError(
                    f"{symbol} has more indices than its name says",
                    str(symbol),
                    HEAD + f"name {symbol.typed} = {name}1",
                )
            axes = axes or slots
            if len(slots) != len(axes):
                raise UnreadError(
                    f"{name} has {len(axes)} axes, and is named with {len(slots)}",
                    str(symbol),
                    HEAD + f"name {symbol.typed} = {name}[{','.join(axes)}]",
                )
            places = [
                Place("", dim, (name, k)) if slot not in stands else None
                for k, (slot, dim) in enumerate(zip(slots, axes, strict=True))
            ]
            texts = [
                (place,) if place is not None else self.slot(stands[slot], name, k, axes[k])
                for k, (slot, place) in enumerate(zip(slots, places, strict=True))
            ]
            return Access(name, tuple(texts), tuple(place for place in places if place is not None))
        if not parts:
            if axes is None:
                if defining:
                    return Access(name, (), ())
                self.refuse_lost(symbol, name)
                usual = {"I": ["identity I"], "Δ": ["differences"]}.get(name, [])
                typed = symbol.typed
                says = [
                    *usual,
                    *self.header.counting(name),
                    f"given {typed}",
                    f"given {typed}[i]",
                    f"given {typed}[i,j]",
                ]
                problem = f"{name} has no indices: a number, a vector or a matrix"
                power = [rf"\exp({symbol.label})"] * (symbol.base == "e" and bool(symbol.label))
                raise UnreadError(problem, str(symbol), [*power, *(HEAD + each for each in says)])
            own = [Place("", dim, (name, k)) for k, dim in enumerate(axes)]
            return Access(name, tuple((place,) for place in own), tuple(own))
        for part in parts if not any(t.text in DOTS for p in parts for t in p) else ():
            self.refuse_label(symbol, part, axes is not None)
        if axes is None and symbol.font == "bold":
            bold = f"{symbol} is set bold, and has an index: an entry, or one of several vectors"
            inside = ",".join(written(part) for part in parts)
            if inside.isdigit():
                repair = HEAD + rf"given \mathbf{{{symbol.base}}}_{{{inside}}}[i]"
                raise UnreadError(f"{symbol} is set bold: an entry, or a vector", str(symbol), repair)
            letters = [HEAD + f"labels {inside[0]}"] if len(parts) == 1 and inside[:1].isalpha() else []
            vectors = HEAD + f"name {symbol.typed} = {name}[{inside},d]"
            raise UnreadError(bold, str(symbol), (vectors, *letters, HEAD + f"given {name}[{inside}]"))
        wanted = self.parted(parts, None if axes is None else len(axes), name)
        if wanted is None and axes is None:
            self.refuse_lost(symbol, name)
        if wanted is None:
            there = "".join(map(str, parts[0]))
            if axes is None:
                apart = ",".join(there) if there.isalpha() else "i,j"
                raise UnreadError(
                    f"the subscript {there} is one index or several",
                    str(symbol),
                    (f"{name}_{{{apart}}}", HEAD + f"given {name}[{apart}]"),
                )
            count = f"{len(parts)} ind{'ices' if len(parts) > 1 else 'ex'}"
            slots_ = [written(part) for part in parts if _is_slot(part)]
            behind = [axis if axis not in slots_ else f"{axis}1" for axis in axes[len(slots_) :]]
            vectors = HEAD + f"name {symbol.typed} = {name}[{','.join([*slots_, *behind])}]"
            problem = f"{name} has {len(axes)} ax{'i' if len(axes) == 1 else 'e'}s, and here {count}"
            steps = len(slots_) == 1 and any(sign in slots_[0] for sign in "+-")  # X_{k+1}
            told = [vectors][steps or len(slots_) >= len(axes) :]
            letter = slots_[0][:1] if len(slots_) == len(parts) == 1 and (steps or not axes[1:]) else ""
            told += [HEAD + f"labels {letter}"] if letter.isalpha() else []
            if any(token.is_mark(":") for part in parts for token in part):
                raise UnreadError(f"{name} with a whole row or column", str(symbol), ENTRIES)
            told += [HEAD + f"given {symbol.typed}{f'[{chr(44).join(behind)}]' * bool(behind)}"]
            raise UnreadError(problem, str(symbol), told)
        texts = [self.slot(part, name, k, axes[k] if axes is not None else "") for k, part in enumerate(wanted)]
        if axes is None:
            dims = tuple("".join(t.text for t in part if t.kind == "letter")[:1] or "i" for part in wanted)
            header.axes[name] = tuple(f"{letter.lower()}" for letter in dims)
        return Access(name, tuple(texts), ())

    def refuse_lost(self, symbol: Symbol, name: str) -> None:
        """Refuse a name whose definition could not be read."""
        if name in self.header.lost:
            line, repairs = self.header.lost[name]
            lost = f"line {line}, which would say what {name} is, is not read"
            raise UnreadError(lost, str(symbol), [*repairs, HEAD + f"define {name} = ..."])

    def refuse_label(self, symbol: Symbol, part: Part, known: bool) -> None:
        """Refuse what stands below a name and is no index of it: x_1 where nobody says what the first entry is, x_*."""
        tokens = [token for token in part if not token.is_mark("{", "}", "'")]
        given = HEAD + f"given {symbol.typed}"
        given += "[i]" if symbol.font == "bold" else ""
        if len(tokens) == 1 and tokens[0].kind == "number" and self.header.first is None:
            entry = f"{symbol} is entry {written(part)}, and nobody says whether the first one is 0 or 1"
            raise UnreadError(entry, str(symbol), (*COUNTS, given) if known else (given, *COUNTS))
        strange = [t for t in tokens if t.kind not in ("letter", "number") and not t.is_mark("+", "-", "−", ":")]
        greek = list(dict.fromkeys(t.text for t in strange if t.kind == "command" and t.text in GREEK))
        if greek and len(greek) == len({t.text for t in strange}) and symbol.base != "δ":
            taken = {*(t.text for t in tokens), *self.header.axes, *self.header.indices.values()}
            is_number = self.header.knows(GREEK[greek[0]]) or self.header.naming(Symbol(GREEK[greek[0]])) is not None
            told = (given,) if is_number else (indices_for(greek, taken), given)
            letters = ", ".join(GREEK[name] for name in greek)
            is_parameter = greek[0] in ("theta", "phi", "psi", "omega", "pi")  # which is below a name, as a rule
            said_ = f"{letters} below {symbol.base}: indices, or a part of its name"
            raise UnreadError(said_, str(symbol), told[::-1] if is_parameter else told)
        if any(not t.is_command("ell") for t in strange) and not any(t.text in _NO_LABELS for t in tokens):
            raise UnreadError(f"the subscript {written(part)} of {symbol.base} is no index", str(symbol), given)

    def one_face(self, symbol: Symbol) -> None:
        """Refuse one letter in two faces, a script L beside an italic one: they may be two names."""
        if symbol.font == "double":
            reason = f"{symbol.base} in double strokes is an expectation, or a set"
            raise UnreadError(reason, str(symbol), "what is averaged: \\frac{1}{N} \\sum_{n=1}^{N} x_n")
        faces = self.header.fonts
        family = symbol.font if symbol.font in ("script", "double", "fraktur", "variant") else "plain"
        before = faces.setdefault(symbol.base, family)
        if before != family:
            raise UnreadError(
                f"{symbol.base} stands in two faces, and may be two names",
                str(symbol),
                HEAD + rf"name \mathcal{{{symbol.base}}} = {symbol.base}1",
            )

    def parted(self, parts: Sequence[Part], rank: int | None, name: str) -> list[Part] | None:
        """The indices of a subscript: parted by commas, or letters side by side where their number is known."""
        for part in parts:
            if any(t.is_command(*DOTS) for t in part):
                raise UnreadError(
                    f"dots leave out indices of {name}", written(part), f"{name}_{{i,j}}, of a certain rank"
                )
            if any(t.is_command("text", "mathrm", "textrm", "operatorname") for t in part):
                raise UnreadError(
                    f"{name} has a label below", written(part), HEAD + f"given {name}_{{{written(part)}}}"
                )
        if rank is None:
            return list(parts) if all(_is_slot(part) for part in parts) else None
        if len(parts) == rank and all(_is_slot(part) for part in parts):
            return list(parts)
        if len(parts) == 1:
            run = run_of(parts[0])
            return run if run is not None and len(run) == rank else None
        return None

    def slot(self, part: Part, name: str, axis: int = 0, dim: str = "") -> tuple[Piece, ...]:
        """What stands in one slot: an index, a sum of indices and numbers, an entry."""
        tokens = [token for token in part if not token.is_mark("{", "}")]
        if len(tokens) == 1 and tokens[0].kind == "number":
            if self.header.first is None:
                text = tokens[0].text
                raise UnreadError(
                    f"{name}_{text} is entry {text}, and nobody says whether the first one is 0 or 1",
                    "",
                    (*COUNTS[: 1 + (text == "0")], HEAD + f"name {name}_{text} = {name}{text}"),
                )
            if not tokens[0].text.isdigit() or int(tokens[0].text) < self.header.first:
                raise UnreadError(
                    f"{name} has no entry {tokens[0].text}",
                    written(part),
                    HEAD + f"first {min(int(float(tokens[0].text)), 1)}",
                )
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
                    raise UnreadError(
                        f"{letter} is a tensor of the text and an index of {name}",
                        written(part),
                        (
                            *[HEAD + f"given {name.removesuffix('_sq')}_{letter}"][: name.isidentifier()],
                            f"another letter for the index {letter}",
                        ),
                    )
                found.append(self.index(letter, name, axis, dim if len(tokens) == 1 else ""))
            elif token.kind == "number" and len(tokens) > 1:
                found.append(token.text)
            elif token.is_mark("+", "-", "−") and k and k + 1 < len(tokens):
                found.append("+" if token.is_mark("+") else "-")
            elif token.is_mark(":"):
                raise UnreadError(f"{name} with a whole row or column", written(part), ENTRIES)
            else:
                raise UnreadError(
                    f"the subscript {written(part)} of {name} is no index",
                    written(part),
                    HEAD + f"given {name}_{{{written(part)}}}"
                    if name.isidentifier()
                    else "a letter for an index, (A x)_i",
                )
            k += 1
        many, sign, times = 0, 1, 1
        for each in found:
            match each:
                case Place():
                    many, sign, times = many + sign * times, 1, 1
                case "+" | "-":
                    sign, times = 1 if each == "+" else -1, 1
                case str() if each.isdigit():
                    times = int(each)
        if len(found) > 1 and many != 1:
            if self.header.first is None:
                raise UnreadError(
                    f"{name}_{{{written(part)}}} depends on whether the first index is 0 or 1", "", COUNTS
                )
            if off := (many - 1) * self.header.first:
                found.append(f"{off:+d}")
        return tuple(found)

    def number_of(self, letter: str) -> Value:
        """An index where it stands for its number, which in the text begins at 0 or at 1."""
        place = self.index(letter, "δ", 0, "")
        match self.header.first:
            case None:
                raise UnreadError(f"{letter} is a number here, and the first one is 0 or 1", letter, COUNTS)
            case 0:
                return Value((place,))
            case first:
                return Value((place, f"+{first}"), SUM)

    def index(self, letter: str, name: str, axis: int, dim: str) -> Place:
        if letter[:1].isupper() and not self.header.capitals:
            raise UnreadError(
                f"{name}_{letter} is the last entry, or {letter} an index that is summed",
                "",
                (HEAD + "capitals", HEAD + f"given {name}_{letter}"),
            )
        if self.uppers.get(letter) and letter not in self.left and letter not in self.within:
            raise UnreadError(
                f"{letter} is how many there are, and an index of {name} here", "", "another letter for one"
            )
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
            raise UnreadError(f"a subscript behind {found.shape}", "", ENTRIES)
        change = {}
        for axis, part in zip(found.axes, parts, strict=True):
            slot = self.slot(part, "what stands in brackets")
            if len(slot) != 1 or not isinstance(slot[0], Place):
                raise UnreadError("the subscript of a bracket is an index", written(part), "(A x)_i")
            if slot[0].letter in found.bound:
                problem = f"{slot[0].letter} is summed inside the bracket, and its index too"
                raise UnreadError(problem, written(part), "another letter for one")
            slot[0].dim, slot[0].at = slot[0].dim or axis.dim, slot[0].at or axis.at
            change[axis] = slot[0]
        return replace(found.with_places(change), axes=())

    def held(self, value: Value) -> Access:
        """A value as a tensor with a name: its own, or a new one by a line of its own."""
        value = replace(value, pieces=value.pieces[1:-1]) if value.bracketed else value
        if (
            isinstance(value.pieces[0], str)
            and value.pieces[0] in self.header.axes
            and len(value.axes) == len(self.header.axes[value.pieces[0]])
            and value.pieces[1:] == _slotted(value.axes)
        ):
            return Access(value.pieces[0], tuple((axis,) for axis in value.axes), value.axes)
        letters = [letter for letter in self.named if any(p is self.named[letter] for p in value.pieces)]
        places = [*value.axes, *(self.named[letter] for letter in letters if letter not in value.bound)]
        spelling = lettered([value], set(self.header.axes))
        slots = ",".join(spelling[place] for place in places)
        text = f"{f'[{slots}]' * bool(slots)} = {spelled(value.pieces, spelling, self.header.extents)}"
        name = self.header.applied.get(("", text)) or self.fresh()
        if name not in self.header.axes:
            self.header.applied["", text] = name
            self.made.append((name, f"{name}{text}"))
        self.header.axes[name] = tuple(place.dim or place.letter or "i" for place in places)
        return Access(name, tuple((place,) for place in places), value.axes)

    def fresh(self) -> str:
        """A name for what has none in the text."""
        return next(name for k in range(1, 10_000) if (name := f"q{k}") not in self.header.axes)


def indices_for(greek: Sequence[str], taken: Collection[str]) -> str:
    """What a comment says where Greek letters are indices: each with a letter that is free."""
    used, said_ = {*taken}, []
    for name in greek:
        letter = next((x for x in (*name.lower(), *ascii_lowercase) if x not in used), name)
        used.add(letter)
        said_.append(rf"\{name} = {letter}")
    return f"{HEAD}indices {', '.join(said_)}"


def _slotted(axes: Sequence[Place]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for k, axis in enumerate(axes):
        pieces += ["," if k else "[", axis]
    return (*pieces, "]") if axes else ()


def _is_slot(part: Part) -> bool:
    """Whether a part is one index, a number, or a sum of them."""
    run = run_of(part)
    if run is not None:
        return len(run) == 1
    tokens = [token for token in part if not token.is_mark("{", "}", "'")]
    twice = len(tokens) == 2 and tokens[0].kind == "number" and tokens[1].kind == "letter"  # 2i
    return twice or any(token.is_mark("+", "-", "−", ":") for token in tokens) or len(tokens) == 1


def counted_name(symbol: Symbol) -> str:
    """A name as one has it that says how many there are: N, T_x."""
    below, primes = "".join(map(written, symbol.below[:1])), "'" * symbol.primes
    return f"{symbol.base}_{below}{primes}" if below and not symbol.label else f"{symbol.name}{primes}" * (not below)


def is_numbered(symbol: Symbol) -> bool:
    """Whether a name has one number below it, ``z_1``."""
    return len(symbol.below) == 1 and len(symbol.below[0]) == 1 and symbol.below[0][0].kind == "number"


def run_of(part: Part) -> list[Part] | None:
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
