r"""What a paper's comments say that its text cannot.

    given W[k,j], x[j], \alpha       tensors with the axes of a matrix in order, and numbers; one letter is one extent
    given S(Z[N,J])                  as in a document: S is some function of Z
    given a[i] = g(z[i])             and a is what g without a formula makes of z
    assume sum[C](Y[n,C]) = 1        as in a document, and so are convention and define
    name \mathbf{z}_k = Z[i,k]       what a sign of the text is called here; a letter of both stands for any index
    function g                       a function of one number without a formula, applied entry by entry
    function \sigma = sigmoid        what a function of the text is called here
    value J                          J(W, b) is J, whatever stands in its brackets
    extent N = |Z.1|                 how many something is
    layout rows                      the derivative of a number by a vector is a row: the Jacobian's; or columns
    gradients d                      dW is the gradient of the loss with respect to W
    differences                      \Delta x is one name
    labels \ell                      z[\ell] and z[\ell-1] are names with labels
    capitals                         a capital index is summed, as in this notation
    first 1                          x_1 is the first entry
    operator * = a[i] b[i]           what a sign between two tensors means
    identity I                       I is the identity
    padded x, w                      entries outside of x and w are zero: x_{i+j} is pad(x[i+j])
    row w                            w has one axis and is a row
    word ReLU                        letters that are one name, and no product
    refute 2 the reason              step 2 of the next formula is wrong as printed; without a number all of its steps
    skip the reason                  the next display is left out
    part                             a part of its own: what was defined and given before is forgotten
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from einstan.language.commands import GREEK
from einstan.language.functions import FUNCTIONS, SPELLINGS
from einstan.papers.problem import Unread
from einstan.papers.tex import Token, Tokens, tokens_of
from einstan.papers.tree import Symbol

STATEMENTS = (
    "given", "assume", "convention", "define", "name", "function", "value", "extent", "layout", "gradients",
    "differences", "labels", "capitals", "first", "operator", "identity", "padded", "row", "word", "refute", "skip", "part",
)  # fmt: skip
KNOWN = {
    "exp": "exp", "log": "log", "ln": "log", "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "arcsin",
    "arccos": "arccos", "arctan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "sqrt": "sqrt",
    "relu": "relu", "ReLU": "relu", "sigmoid": "sigmoid", "softplus": "softplus", "erf": "erf", "max": "maximum",
    "min": "minimum", "sign": "sign", "sgn": "sign", "softmax": "softmax", "SoftMax": "softmax", "trace": "trace",
    "tr": "trace", "Tr": "trace", "diag": "diag", "abs": "abs", "silu": "silu", "expm1": "expm1", "lgamma": "lgamma",
    "digamma": "digamma", "logsumexp": "logsumexp",
}  # fmt: skip
_NAME = r"[^\W\d]\w*(?:\^\([^()]*\))?"
_ITEM = re.compile(rf"({_NAME})(?:\[([^\[\]]*)\])?")
_APPLIED = re.compile(rf"({_NAME})(?:\[([^\[\]]*)\])?\s*=\s*([^()\s]+)\(({_NAME})(?:\[([^\[\]]*)\])?\)")
_COMMAND = re.compile(r"\\([A-Za-z]+)\s?")


@dataclass(frozen=True)
class Naming:
    """``name \\mathbf{z}_k = Z[i,k]``: the sign, and what it is called here."""

    sign: Symbol
    name: str
    slots: tuple[str, ...] | None


@dataclass
class Header:
    """What is known of the names of a text so far."""

    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of each tensor, the letters of its axes
    defined: dict[str, int] = field(default_factory=dict)  # names that formulas define, with their line
    namings: list[Naming] = field(default_factory=list)
    functions: dict[str, str] = field(default_factory=dict)  # how they are called here; "" where without formula
    applied: dict[tuple[str, str], str] = field(default_factory=dict)  # tensors that are such a function of another
    rows: set[str] = field(default_factory=set)  # tensors with one axis that are rows
    values: set[str] = field(default_factory=set)
    extents: dict[str, str] = field(default_factory=dict)
    operators: dict[str, str] = field(default_factory=dict)
    layout: str = ""
    gradients: bool = False
    differences: bool = False
    label_letters: set[str] = field(default_factory=set)
    capitals: bool = False
    first: int | None = None
    identity: set[str] = field(default_factory=set)
    padded: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    fonts: dict[str, str] = field(default_factory=dict)

    def part(self) -> None:
        """A new part: what was given and defined is forgotten, and how signs are read stays."""
        self.axes, self.defined, self.applied, self.extents = {}, {}, {}, {}
        self.namings, self.rows = [], set()

    # ---- what the grammar asks ---------------------------------------------------------------------------------------

    def knows(self, name: str) -> bool:
        return name in self.axes

    def is_number(self, name: str) -> bool:
        return self.axes.get(name, ("",)) == ()

    def knows_symbol(self, symbol: Symbol) -> bool:
        found = self.naming(symbol)
        name = found[0] if found else f"{symbol.base}{f'^({symbol.label})' * bool(symbol.label)}"
        return name in self.axes or symbol.base in self.axes

    def is_gradient(self, name: str) -> bool:
        """Whether ``dW`` is the gradient with respect to a W of the text."""
        return self.gradients and name.startswith("d") and name[1:] in self.axes

    def is_function(self, symbol: Symbol) -> bool:
        return self.function(symbol) is not None

    def function(self, symbol: Symbol) -> str | None:
        """What a function is called here; "" for one without a formula, nothing for what is none."""
        below = ",".join("".join(map(str, part)) for part in symbol.below)
        for key in (f"{symbol.base}_{below}" if below else symbol.base, symbol.base):
            if key in self.functions and (not below or "_" in key):
                return self.functions[key]
        if symbol.base in KNOWN and not below and symbol.base not in self.axes:
            return KNOWN[symbol.base]
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

    # ---- names -------------------------------------------------------------------------------------------------------

    def naming(self, symbol: Symbol) -> tuple[str, tuple[str, ...] | None, dict[str, Token], tuple[tuple[Token, ...], ...]] | None:
        """The name that a comment gives a sign: with its slots, what their letters stand for, and the parts of the
        subscript that are left."""
        for naming in reversed(self.namings):
            sign = naming.sign
            same = sign.base == symbol.base and sign.font in ("", symbol.font) and sign.label in ("", symbol.label)
            if not same or sign.primes != symbol.primes:
                continue
            found = _fitted(naming, symbol)
            if found is not None:
                label = f"^({symbol.label})" if symbol.label and not sign.label else ""
                return naming.name + label, naming.slots, *found
        return None

    # ---- statements --------------------------------------------------------------------------------------------------

    def say(self, text: str) -> tuple[str, str] | None:
        """Take a statement in.  What is for the document or for the formulas behind comes back as a word and the rest:
        ``given``, ``assume``, ``convention`` and ``equation`` with a line of a document, ``refute``, ``skip``, ``part``."""
        word, _, rest = text.partition(" ")
        word, rest = word.strip().lower().rstrip(":"), rest.strip()
        if text.strip() == "---":
            word = "part"
        if word not in STATEMENTS:
            raise Unread(f"{word} is no word for the reader of papers", text, ", ".join(STATEMENTS))
        match word:
            case "given":
                return self._given(rest)
            case "assume" | "convention":
                return word, f"{word} {plain(rest)}"
            case "define":
                return self._define(plain(rest))
            case "refute" | "skip":
                return word, rest
            case "part":
                self.part()
                return word, ""
            case _:
                getattr(self, f"_{word}")(rest)
                return None

    def _given(self, text: str) -> tuple[str, str] | None:
        text = plain(text)
        if (applied := _APPLIED.fullmatch(text)) is not None:
            name, slots, function, other, others = (part or "" for part in applied.groups())
            self._declare(name, slots)
            self._declare(other, others)
            self.applied[_bare(function), other] = name
            inside = f"[{others}]" if others else ""
            return "given", f"given {name}{f'[{slots}]' if slots else ''}({other}{inside})"
        if "(" in re.sub(r"\^\([^()]*\)", "", text):
            found = _ITEM.match(text)
            if found is None:
                raise Unread("a tensor and what it depends on are given", text, "given S(Z[N,J])")
            self._declare(found[1], found[2])
            for name, slots in _ITEM.findall(text[found.end() :]):
                if name not in self.axes:
                    self._declare(name, slots.lower())
            return "given", f"given {text}"
        place = 0
        while place < len(text):
            found = _ITEM.match(text, place)
            if found is None:
                raise Unread("tensors are given with their axes, parted by commas", text, "given W[k,j], x[j], alpha")
            self._declare(found[1], found[2])
            behind = text[found.end() :].lstrip()
            if behind and not behind.startswith(","):
                raise Unread("tensors are given with their axes, parted by commas", text, "given W[k,j], x[j], alpha")
            place = len(text) - len(behind[1:].lstrip()) if behind else len(text)
        return None

    def _declare(self, name: str, slots: str | None) -> None:
        letters = tuple(letter.strip() for letter in slots.split(",")) if slots else ()
        if any(not letter for letter in letters):
            raise Unread("an axis has no letter", f"{name}[{slots}]")
        if self.axes.get(name, letters) != letters and name in self.defined:
            raise Unread(f"{name} is defined above, with {len(self.axes[name])} axes", name)
        self.axes[name] = letters

    def _define(self, text: str) -> tuple[str, str]:
        found = _ITEM.match(text)
        if found is None or "=" not in text:
            raise Unread("what is defined is an equation", text, "define h[i] = x[i]^2")
        self._declare(found[1], found[2])
        self.defined[found[1]] = 0
        return "equation", text

    def _name(self, text: str) -> None:
        from einstan.papers.grammar import Parser

        left, _, right = text.rpartition("=")
        found = _ITEM.fullmatch(plain(right.strip()))
        if not left.strip() or found is None:
            raise Unread("a sign of the text and its name here", text, r"name \mathbf{z}_k = Z[i,k]")
        names = Header(label_letters=self.label_letters, differences=self.differences)
        parser = Parser(tokens_of(left.strip()), names)
        symbol = parser.difference() if parser.command("Delta") and self.differences else parser.name_only()
        if parser.token.kind != "end":
            raise Unread("one sign of the text has a name, and no formula", text, r"name \mathbf{z}_k = Z[i,k]")
        slots = tuple(letter.strip() for letter in found[2].split(",")) if found[2] else None
        self.namings.append(Naming(symbol, found[1], slots))

    def _function(self, text: str) -> None:
        for each in text.split(","):
            left, _, right = plain(each).partition("=")
            name, called = _bare(left.strip()), right.strip()
            if called and called not in KNOWN and SPELLINGS.get(called, called) not in FUNCTIONS:
                raise Unread(f"{called} is no function of the notation", text, "function g, for one without a formula")
            self.functions[name] = KNOWN.get(called, SPELLINGS.get(called, called))

    def _value(self, text: str) -> None:
        self.values |= {each.strip() for each in plain(text).split(",")}

    def _extent(self, text: str) -> None:
        left, _, right = plain(text).partition("=")
        if not re.fullmatch(r"\|[^|]+\|", right.strip()):
            raise Unread("an extent is that of an axis", text, "extent N = |Z.1|")
        self.extents[left.strip()] = right.strip()

    def _layout(self, text: str) -> None:
        if text not in ("rows", "columns"):
            raise Unread("the derivative of a number by a vector is a row or a column", text, "layout rows")
        self.layout = text

    def _gradients(self, text: str) -> None:
        self.gradients = True

    def _differences(self, text: str) -> None:
        self.differences = True

    def _labels(self, text: str) -> None:
        self.label_letters |= {"l" if each.strip() in ("\\ell", "ℓ") else each.strip() for each in text.split(",")}

    def _capitals(self, text: str) -> None:
        self.capitals = True

    def _first(self, text: str) -> None:
        if text not in ("0", "1"):
            raise Unread("entries are counted from 0 or from 1", text, "first 1")
        self.first = int(text)

    def _operator(self, text: str) -> None:
        left, _, right = text.partition("=")
        signs = {r"\odot": "⊙", r"\circ": "∘", r"\otimes": "⊗", "*": "*", r"\ast": "*", r"\star": "⋆", r"\cdot": "·", r"\times": "×"}
        if left.strip() not in signs or not right.strip():
            raise Unread("a sign and what it means for a and b", text, "operator * = a[i] b[i]")
        self.operators[signs[left.strip()]] = plain(right.strip())

    def _padded(self, text: str) -> None:
        self.padded |= {each.strip() for each in plain(text).split(",")}

    def _row(self, text: str) -> None:
        self.rows |= {each.strip() for each in plain(text).split(",")}

    def _word(self, text: str) -> None:
        self.words |= {each.strip() for each in text.split(",")}

    def _identity(self, text: str) -> None:
        self.identity |= {each.strip() for each in plain(text).split(",")}


def _bare(text: str) -> str:
    """The name of a function with its subscript, ``g_{\\triangleleft}``, without braces."""
    return text.replace("{", "").replace("}", "")


def plain(text: str) -> str:
    r"""A line of a comment with Greek letters for their commands: ``\alpha`` as α."""
    return _COMMAND.sub(lambda found: GREEK.get(found[1], {"ell": "l"}.get(found[1], found[0])), text)


def _fitted(naming: Naming, symbol: Symbol) -> tuple[dict[str, Token], tuple[tuple[Token, ...], ...]] | None:
    """What the letters of a name's slots stand for in a sign, and the parts of the subscript behind it."""
    sign, slots = naming.sign, naming.slots
    wanted = [token for part in sign.below for token in part]
    there = [(token, k) for k, part in enumerate(symbol.below) for token in part]
    if len(there) < len(wanted):
        return None
    stands: dict[str, Token] = {}
    for token, (other, _) in zip(wanted, there, strict=False):
        if slots is not None and token.text in slots and token.kind == "letter":
            if other.kind not in ("letter", "number"):
                return None
            stands[token.text] = other
        elif (token.kind, token.text) != (other.kind, other.text):
            return None
    if stands and len(there) > len(wanted):
        return None
    if not wanted and slots is not None:
        return None if symbol.below else (stands, ())
    left: dict[int, list[Token]] = {}
    for token, k in there[len(wanted) :]:
        left.setdefault(k, []).append(token)
    return stands, tuple(tuple(part) for part in left.values())
