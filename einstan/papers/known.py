"""What is known of the names of a paper so far: what its comments say of them, and its formulas."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from einstan.language.functions import FUNCTIONS, SPELLINGS
from einstan.papers.tex import Token, Tokens, tokens_of
from einstan.papers.tree import Symbol

KNOWN = {
    "exp": "exp", "log": "log", "ln": "log", "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "arcsin",
    "arccos": "arccos", "arctan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "sqrt": "sqrt",
    "relu": "relu", "ReLU": "relu", "sigmoid": "sigmoid", "softplus": "softplus", "erf": "erf", "max": "maximum",
    "min": "minimum", "sign": "sign", "sgn": "sign", "softmax": "softmax", "SoftMax": "softmax", "trace": "trace",
    "tr": "trace", "Tr": "trace", "diag": "diag", "abs": "abs", "silu": "silu", "expm1": "expm1", "lgamma": "lgamma",
    "digamma": "digamma", "logsumexp": "logsumexp", "mean": "mean",
}  # fmt: skip

_SLOTS = re.compile(r"(?<=[^\W\d_]|[\w)])(?<!\b1)\[[^\[\]]*\]")
_NAMES = re.compile(r"[^\W\d]\w*(?:\^\([^()]*\))?")
TOLD = ("axes", "defined", "applied", "extents", "rows", "inverses", "logdets")
OTHERWISE = ("pi", "mod", "floor", "pow")  # which TeX has signs for
USUAL = {"σ": "sigmoid", "ψ": "digamma"}
Stands = dict[str, tuple[Token, ...]]
Parts = tuple[tuple[Token, ...], ...]


@dataclass(frozen=True)
class Naming:
    """``name \\mathbf{z}_k = Z[i,k]``: the sign, and what it is called here."""

    sign: Symbol
    name: str
    slots: tuple[str, ...] | None


@dataclass
class Known:
    """What is known of the names of a text so far."""

    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of each tensor, the letters of its axes
    defined: dict[str, int] = field(default_factory=dict)  # names that formulas define, with their line
    namings: list[Naming] = field(default_factory=list)
    each: list[Naming] = field(default_factory=list)  # what is, at each place, that of the entry it is derived by
    functions: dict[str, str] = field(default_factory=dict)  # how they are called here; "" where without formula
    applied: dict[tuple[str, str], str] = field(default_factory=dict)  # tensors that are such a function of another
    uppers: set[str] = field(default_factory=set)  # what sums of the text run up to
    lost: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    # what formulas that are not read would define, with their line and what to write there
    squares: dict[str, str] = field(default_factory=dict)  # what is defined as a square, σ^2, as a name of its own
    reads: dict[str, set[str]] = field(default_factory=dict)  # of what is defined, the names in its definition
    rows: set[str] = field(default_factory=set)  # tensors with one axis that are rows
    values: set[str] = field(default_factory=set)
    depends: set[str] = field(default_factory=set)  # numbers that are given with what they depend on
    arguments: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of such values, as they were written first
    extents: dict[str, str] = field(default_factory=dict)
    operators: dict[str, str] = field(default_factory=dict)
    layout: str = ""
    softmax: str = ""
    gradients: str = ""
    differences: bool = False
    label_letters: set[str] = field(default_factory=set)
    capitals: bool = False
    first: int | None = None
    identity: set[str] = field(default_factory=set)
    padded: set[str] = field(default_factory=set)
    transposed: set[str] = field(default_factory=set)  # by a prime
    indices: dict[str, str] = field(default_factory=dict)  # signs that are indices, each with its letter here
    inverses: dict[str, str] = field(default_factory=dict)  # of matrices, what their inverses are called here
    logdets: dict[str, str] = field(default_factory=dict)  # and the logarithms of their determinants
    words: set[str] = field(default_factory=set)
    fonts: dict[str, str] = field(default_factory=dict)

    def kept(self) -> tuple[Any, ...]:
        """What a formula may tell, for `back` where it is not read after all."""
        return tuple(copy(getattr(self, name)) for name in TOLD)

    def back(self, kept: tuple[Any, ...]) -> None:
        for name, value in zip(TOLD, kept, strict=True):
            setattr(self, name, value)

    def part(self) -> None:
        """A new part: what was given and defined is forgotten, and how signs are read stays."""
        self.axes, self.defined, self.applied, self.extents = {}, {}, {}, {}
        self.namings, self.rows, self.fonts, self.arguments = [], set(), {}, {}
        self.lost, self.squares, self.reads, self.each = {}, {}, {}, []
        self.inverses, self.logdets, self.indices = {}, {}, {}

    def knows(self, name: str) -> bool:
        return name in self.axes

    def is_number(self, name: str) -> bool:
        return self.axes.get(name, ("",)) == ()

    def is_number_symbol(self, symbol: Symbol) -> bool:
        """Whether a sign is a number that is given or defined."""
        found = self.naming(symbol)
        return self.axes.get(found[0] if found else symbol.name) == () and (not found or found[1] is None)

    def knows_symbol(self, symbol: Symbol) -> bool:
        found = self.naming(symbol)
        name = found[0] if found else f"{symbol.base}{f'^({symbol.label})' * bool(symbol.label)}"
        return name in self.axes or symbol.base in self.axes

    def is_gradient(self, name: str) -> bool:
        """Whether ``dW`` is the gradient with respect to a W of the text."""
        return bool(self.gradients) and name.startswith("d") and name[1:] in self.axes

    def note(self, code: str) -> None:
        """Keep which names a line that defines one reads."""
        name, *others = names_in_line(code)
        self.reads[name] = {*self.reads.get(name, ()), *others}

    def rests_on(self, names: set[str], name: str) -> bool:
        """Whether one of these names is defined by way of another one."""
        queue, seen = list(names), set[str]()
        while queue:
            if (each := queue.pop()) == name:
                return True
            queue += () if each in seen else self.reads.get(each, ())
            seen.add(each)
        return False

    def is_function(self, symbol: Symbol) -> bool:
        return self.function(symbol) is not None

    def function(self, symbol: Symbol) -> str | None:
        """What a function is called here; "" for one without a formula, nothing for what is none."""
        below = ",".join("".join(map(str, part)) for part in symbol.below)
        for key in (f"{symbol.base}_{below}" if below else symbol.base, symbol.base):
            if key in self.functions and (not below or "_" in key):
                return self.functions[key]
        if not below and symbol.base not in self.axes:
            word = SPELLINGS.get(symbol.base, symbol.base) if len(symbol.base) > 1 else ""
            return KNOWN.get(symbol.base) or (word if word in FUNCTIONS and word not in OTHERWISE else None)
        return None

    def is_value(self, symbol: Symbol) -> bool:
        return symbol.base in self.values

    def label_behind(self, tokens: Tokens, place: int) -> int:
        """Where the bracket ends that holds a label, ``[\\ell-1]``; 0 where what is behind a name is none."""
        if not self.label_letters:
            return 0
        for k in range(place + 1, min(place + 5, len(tokens))):
            if tokens[k].is_mark("]"):
                inside = [("l" if t.text == "ell" else t.text) for t in tokens[place + 1 : k]]
                fits = [t in self.label_letters or t in "+-" or t.isdigit() for t in inside]
                return k if inside and all(fits) else 0
        return 0

    def counting(self, name: str, letter: str = "") -> list[str]:
        """What a comment says where N is how many values an axis takes, that of n or of another letter."""
        return [
            f"extent {name} = |{tensor}.{place}|"
            for tensor, axes in self.axes.items()
            for place, axis in enumerate(axes)
            if axis.lower() == (letter or name).lower()
        ][:1]

    def of_each(self, symbol: Symbol) -> Naming | None:
        r"""What ``\mathcal{L}`` is where a comment says ``each \mathcal{L} = l[k]``: the loss of one sample."""
        if symbol.below or symbol.primes or symbol.label:
            return None
        return next((e for e in self.each if e.sign.base == symbol.base and e.sign.font in ("", symbol.font)), None)

    def naming(self, symbol: Symbol) -> tuple[str, tuple[str, ...] | None, Stands, Parts] | None:
        """The name that a comment gives a sign: with its slots, what their letters stand for, and the parts of the
        subscript that are left."""
        for naming in self.namings:
            sign = naming.sign
            letter = sign.label if naming.slots is not None and sign.label in naming.slots else ""
            labelled = bool(symbol.label) if letter else sign.label in ("", symbol.label)
            same = sign.base == symbol.base and sign.font in ("", symbol.font) and labelled
            if not same or sign.primes != symbol.primes:
                continue
            found = _fitted(naming, symbol)
            if found is not None:
                if letter:
                    found = {**found[0], letter: tuple(tokens_of(symbol.label))}, found[1]
                label = f"^({symbol.label})" if symbol.label and not sign.label else ""
                return naming.name + label, naming.slots, *found
        return None


def names_in_line(code: str) -> list[str]:
    """The names of a line without its indices, what it defines first."""
    return names_in(code.removeprefix("given "))


def names_in(text: str) -> list[str]:
    """The names of a text with their labels, without indices: of ``∂L/∂W^(s)[i]`` L and W^(s)."""
    return _NAMES.findall(_SLOTS.sub(" ", text))


def _fitted(naming: Naming, symbol: Symbol) -> tuple[Stands, Parts] | None:
    """What the letters of a name's slots stand for in a sign, and the parts of the subscript behind it."""
    sign, slots = naming.sign, naming.slots
    wanted = [each for part in sign.below for each in _primed(part)]
    there = [(each, k) for k, part in enumerate(symbol.below) for each in _primed(part)]
    if len(there) < len(wanted):
        return None
    stands: Stands = {}
    for one, (other, _) in zip(wanted, there, strict=False):
        if slots is not None and one[0].text in slots and one[0].kind == "letter":
            if other[0].kind not in ("letter", "number"):
                return None
            stands[one[0].text] = other
        elif [(t.kind, t.text) for t in one] != [(t.kind, t.text) for t in other]:
            return None
    if stands and len(there) > len(wanted):
        return None
    if not wanted and slots is not None:
        return None if symbol.below else (stands, ())
    left: dict[int, list[Token]] = {}
    for other, k in there[len(wanted) :]:
        left.setdefault(k, []).extend(other)
    return stands, tuple(tuple(part) for part in left.values())


def _primed(part: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    """The signs of a part, each with its primes."""
    found: list[tuple[Token, ...]] = []
    for token in part:
        if token.is_mark("'") and found:
            found[-1] = (*found[-1], token)
        else:
            found.append((token,))
    return found
