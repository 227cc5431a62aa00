r"""What a paper's comments say that its text cannot.

given W[k,j], x[j], \alpha       tensors with the axes of a matrix in order, and numbers; one letter is one extent
given S(Z[N,J])                  as in a document: S is some function of Z
given a[i] = g(z[i])             and a is what g without a formula makes of z
assume sum[C](Y[n,C]) = 1        as in a document, and so are convention and define
name \mathbf{z}_k = Z[i,k]       what a sign of the text is called here; a letter of both stands for any index
each \mathcal{L} = l[k]          the loss of one sample: by an entry of sample k it is l[k] that is differentiated
function g                       a function of one number without a formula, applied entry by entry
function \sigma = sigmoid        what a function of the text is called here
value J                          J(W, b) is J, where names alone stand in its brackets
extent N = |Z.1|                 how many something is
layout rows                      the derivative of a number by a vector is a row: the Jacobian's; or columns
softmax rows                     each row of the softmax of a matrix sums to one; or columns
gradients L                      dW is the gradient of L with respect to W
differences                      \Delta x is one name
labels \ell, in                  z[\ell], z[\ell-1] and z^{in} are names with labels
capitals                         a capital index is summed, as in this notation
first 1                          x_1 is the first entry
operator * = a[i] b[i]           what a sign between two tensors means; a b is the product of matrices
identity I                       I is the identity
indices \mu = m, \nu = n         Greek letters that are indices, and their letters here
inverse A = B                    what A^{-1} is called: what it is and its derivative by A are lines of their own
logdet A = l                     what \log \det A is called, whose derivative by A is A^{-T}
padded x, w                      entries outside of x and w are zero: x_{i+j} is pad(x[i+j])
row w                            w has one axis and is a row
transposed X, y                  X' and y' are the transposes of X and y
word ReLU                        letters that are one name, and no product
refute 2 the reason              step 2 of the next formula is wrong as printed; without a number all of its steps
skip the reason                  the next display is left out
part                             a part of its own: what was defined and given before is forgotten
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from einstan.language.commands import GREEK
from einstan.language.functions import FUNCTIONS, SPELLINGS
from einstan.papers.known import KNOWN, Known, Naming
from einstan.papers.labels import sanitised, text_of
from einstan.papers.problem import UnreadError
from einstan.papers.signs import MARKS, OPERATORS
from einstan.papers.tex import tokens_of, written
from einstan.papers.tree import Symbol

STATEMENTS = (
    "given", "assume", "convention", "define", "name", "each", "function", "value", "extent", "layout", "softmax",
    "gradients", "differences", "labels", "capitals", "first", "operator", "identity", "indices", "inverse", "logdet",
    "padded", "row", "transposed", "word", "refute", "skip", "part",
)  # fmt: skip
SETS = {"value": "values", "identity": "identity", "padded": "padded", "transposed": "transposed", "word": "words"}
CHOICES = {
    "layout": "the derivative of a number by a vector is a row or a column",
    "softmax": "the entries of a row or of a column sum to one",
}
_NAME = r"[^\W\d]\w*(?:\^\([^()]*\))?"
_ITEM = re.compile(rf"({_NAME})(?:\[([^\[\]]*)\])?")
_APPLIED = re.compile(rf"({_NAME})(?:\[([^\[\]]*)\])?\s*=\s*([^()\s]+)\(({_NAME})(?:\[([^\[\]]*)\])?\)")
_AXES = re.compile(r"(.*?)\[([\w\s,]*)\]", re.DOTALL)
_COMMAND = re.compile(r"\\([A-Za-z]+)\s?")


@dataclass
class Header(Known):
    """What is known of the names of a text so far, and how its comments say it."""

    def say(self, text: str) -> tuple[str, str] | None:
        """Take a statement in.  What is for the document or for the formulas behind comes back as a word and the rest:
        ``given``, ``assume``, ``convention`` and ``equation`` with a line of a document, ``lines`` with several;
        ``refute``, ``skip`` and ``part``."""
        word, _, rest = text.partition(" ")
        word, rest = word.strip().lower().rstrip(":"), rest.strip()
        if text.strip() == "---":
            word = "part"
        if word not in STATEMENTS:
            raise UnreadError(f"{word} is no word for the reader of papers", text, ", ".join(STATEMENTS))
        match word:
            case "given":
                return self._given(rest)
            case "assume" | "convention":
                return word, f"{word} {plain(rest)}"
            case "inverse" | "logdet":
                return "lines", getattr(self, f"_{word}")(plain(rest))
            case "define":
                return self._define(plain(rest))
            case "refute" | "skip":
                return word, rest
            case "part":
                self.part()
                return word, ""
            case "layout" | "softmax":
                if rest not in ("rows", "columns"):
                    raise UnreadError(CHOICES[word], rest, f"{word} rows")
                setattr(self, word, rest)
            case _ if word in SETS:
                getattr(self, SETS[word]).update(each.strip() for each in plain(rest).split(","))
            case _:
                getattr(self, f"_{word}")(rest)
        return None

    def _given(self, typed: str) -> tuple[str, str] | None:
        text = plain(typed)
        if (applied := _APPLIED.fullmatch(text)) is not None:
            name, slots, function, other, others = (part or "" for part in applied.groups())
            self._declare(name, slots)
            self._declare(other, others)
            self.applied[_bare(function), other] = name
            inside = f"[{others}]" if others else ""
            return "given", f"given {name}{f'[{slots}]' if slots else ''}({other}{inside})"
        if "(" in re.sub(r"\^\{?\([^()]*\)\}?", "", text):
            found = _ITEM.match(text)
            if len(_items(text)) > 1:
                problem = "what depends on something is given in a statement of its own"
                raise UnreadError(problem, text, "given x[i] | given L(x[I])")
            if found is None:
                raise UnreadError("a tensor and what it depends on are given", text, "given S(Z[N,J])")
            self._declare(found[1], found[2])
            self.depends |= {found[1]} if found[2] is None else set()
            for name, slots in _ITEM.findall(text[found.end() :]):
                if name not in self.axes:
                    self._declare(name, slots.lower())
            return "given", f"given {text}"
        for item in _items(typed):
            name, slots = self._called(item)
            self._declare(self._no_delta(name), slots)
        return None

    def _for_names(self) -> Header:
        """What is known of signs where a comment names one, and nothing of tensors."""
        return Header(
            label_letters=self.label_letters, differences=self.differences, words=self.words, indices=self.indices
        )

    def _no_delta(self, name: str) -> str:
        """What a δ that is given is called here, where δ is the Kronecker delta: it is the author's own tensor."""
        base, *label = name.partition("^(")
        if base != "δ":
            return name
        found = self.naming(Symbol("δ"))
        other = next(n for k in range(len(self.axes) + 1) if (n := f"err{k or ''}") not in self.axes)
        if found is None:
            self.namings.append(Naming(Symbol("δ"), other, None))
        return "".join([found[0] if found else other, *label])

    def _called(self, item: str) -> tuple[str, str | None]:
        """The name of a sign and its axes, as they are here, y_hat[i], or as they are typed, W_1[k,j]."""
        found = _ITEM.fullmatch(plain(item))
        here = found is not None and re.search(r"_\w$", found[1]) is None
        return (found[1], found[2]) if found and here else self._typed(item)

    def _typed(self, item: str) -> tuple[str, str | None]:
        r"""The name of a sign as it is typed, ``\hat{x}_0[i]``, ``\mathbf{W}_{hh}[k,k]``, and its axes."""
        from einstan.papers.grammar import Parser

        typed, slots = (found[1], found[2]) if (found := _AXES.fullmatch(item)) else (item, None)
        names = self._for_names()
        try:
            parser = Parser(tokens_of(typed), names)
            symbol = parser.name_only()
            if parser.token.kind != "end":
                raise parser.unexpected()
        except UnreadError as problem:
            said = "tensors are given with their axes, parted by commas"
            raise UnreadError(said, item, "given W[k,j], x[j], alpha") from problem
        base = "err" if symbol.base == "δ" and symbol.below else symbol.base  # δ_t is no Kronecker delta
        label = symbol.label
        named = self.naming(symbol)
        if named is not None and named[1] is None and not named[3]:
            return named[0], slots
        for part in symbol.below:
            base, label = sanitised(base, label, text_of(part))
        base += f"_prime{symbol.primes if symbol.primes > 1 else ''}" * bool(symbol.primes)
        name = f"{base}^({label})" if label else base
        if symbol.below or symbol.primes:
            self.namings.insert(0, Naming(replace(symbol, font=""), name, None))
        return name, slots

    def _declare(self, name: str, slots: str | None) -> None:
        spelled = {GREEK.get(sign, sign): letter for sign, letter in self.indices.items()}
        letters = tuple(spelled.get(each.strip(), each.strip()) for each in slots.split(",")) if slots else ()
        if any(not letter for letter in letters):
            raise UnreadError("an axis has no letter", f"{name}[{slots}]", f"given {name}[i,j]")
        if self.axes.get(name, letters) != letters and name in self.defined:
            problem = f"{name} is defined above, with {len(self.axes[name])} axes"
            raise UnreadError(problem, name, "part, for a new one")
        self.axes[name] = letters

    def _define(self, text: str) -> tuple[str, str]:
        found = _ITEM.match(text)
        if found is None or "=" not in text:
            raise UnreadError("what is defined is an equation", text, "define h[i] = x[i]^2")
        self._declare(found[1], found[2])
        self.defined[found[1]] = 0
        return "equation", text

    def _name(self, text: str) -> None:
        symbol, name, slots = self._sign(text)
        if symbol.base == "δ" and not symbol.below and (old := self.naming(symbol)) and old[0] in self.axes:
            self.axes.setdefault(name, self.axes[old[0]])  # δ was given in front of its name
        self.namings.insert(0, Naming(symbol, name, slots))
        self.namings.sort(key=lambda naming: -sum(map(len, naming.sign.below)))  # what says most of a sign first

    def _each(self, text: str) -> None:
        symbol, name, slots = self._sign(text)
        if symbol.below or slots is None or len(slots) != 1:
            raise UnreadError("a sign without an index, and the tensor that has one", text, r"each \mathcal{L} = l[k]")
        self.each.insert(0, Naming(symbol, name, slots))

    def _sign(self, text: str) -> tuple[Symbol, str, tuple[str, ...] | None]:
        """A sign of the text, and its name here with its slots."""
        from einstan.papers.grammar import Parser

        left, _, right = text.rpartition("=")
        found = _ITEM.fullmatch(plain(right.strip()))
        if not left.strip() or found is None:
            raise UnreadError("a sign of the text and its name here", text, r"name \mathbf{z}_k = Z[i,k]")
        names = self._for_names()
        parser = Parser(tokens_of(left.strip()), names)
        symbol = parser.difference() if parser.command("Delta") and self.differences else parser.name_only()
        if parser.token.kind != "end":
            raise UnreadError("one sign of the text has a name, and no formula", text, r"name \mathbf{z}_k = Z[i,k]")
        return symbol, found[1], tuple(letter.strip() for letter in found[2].split(",")) if found[2] else None

    def _function(self, text: str) -> None:
        for each in text.split(","):
            left, _, right = plain(each).partition("=")
            name, called = _bare(left.strip()), right.strip()
            if called and called not in KNOWN and SPELLINGS.get(called, called) not in FUNCTIONS:
                raise UnreadError(
                    f"{called} is no function of the notation", text, "function g, for one without a formula"
                )
            self.functions[name] = KNOWN.get(called, SPELLINGS.get(called, called))

    def _extent(self, text: str) -> None:
        left, _, right = plain(text).partition("=")
        if not re.fullmatch(r"\|[^|]+\|", right.strip()):
            raise UnreadError("an extent is that of an axis", text, "extent N = |Z.1|")
        self.extents[_bare(left.strip())] = right.strip()

    def _gradients(self, text: str) -> None:
        if not _ITEM.fullmatch(plain(text)):
            raise UnreadError("gradients are those of a number", text, "gradients L")
        self.gradients = plain(text)

    def _differences(self, text: str) -> None:
        self.differences = True

    def _labels(self, text: str) -> None:
        self.label_letters |= {
            "l" if each.strip() in ("\\ell", "ℓ") else written(tokens_of(each.strip())) for each in text.split(",")
        }

    def _capitals(self, text: str) -> None:
        self.capitals = True

    def _first(self, text: str) -> None:
        if text not in ("0", "1"):
            raise UnreadError("entries are counted from 0 or from 1", text, "first 1")
        self.first = int(text)

    def _operator(self, text: str) -> None:
        left, _, right = text.partition("=")
        signs = {f"\\{name}": sign for name, sign in OPERATORS.items()} | MARKS
        if left.strip() not in signs or not right.strip():
            raise UnreadError("a sign and what it means for a and b", text, "operator * = a[i] b[i]")
        self.operators[signs[left.strip()]] = plain(right.strip())

    def _row(self, text: str) -> None:
        self.rows |= {self._called(each)[0] for each in _items(text)}

    def _indices(self, text: str) -> None:
        for each in text.split(","):
            found = re.fullmatch(r"\s*\\([A-Za-z]+)\s*=\s*([a-z])\s*", each)
            if found is None or found[1] not in GREEK:
                raise UnreadError("a Greek letter and the letter that it is here", each.strip(), r"indices \mu = m")
            if self.knows(GREEK[found[1]]) or self.knows(found[2]):
                name = GREEK[found[1]] if self.knows(GREEK[found[1]]) else found[2]
                raise UnreadError(
                    f"{name} is a tensor of the text", each.strip(), rf"indices \{found[1]} = {found[2]}1"
                )
            self.indices[found[1]] = found[2]

    def _inverse(self, text: str) -> str:
        return self.invert(*self._pair(text, "inverse A = Ainv"))

    def _logdet(self, text: str) -> str:
        one, other = self._pair(text, "logdet A = ld")
        before = "" if one in self.inverses else self.invert(one, self.free(one, "inv")) + "\n"
        return before + self.take_logdet(one, other)

    def invert(self, one: str, other: str) -> str:
        """The inverse B of A as a function of it: what it is, and dB = -B dA B."""
        self.inverses[one] = other
        self.axes.setdefault(other, ("i", "i"))
        return (
            f"given {other}[i,j]({one}[I,J])\nassume d{other}[i,j]/d{one}[p,q] = -{other}[i,p] {other}[q,j]\n"
            f"assume {other}[i,K] {one}[K,j] = δ[i,j]\nassume {one}[i,K] {other}[K,j] = δ[i,j]"
        )

    def take_logdet(self, one: str, other: str) -> str:
        """The logarithm of a determinant as a function whose derivative is the transposed inverse."""
        self.logdets[one] = other
        self.axes[other] = ()
        return f"given {other}({one}[I,J])\nassume d{other}/d{one}[i,j] = {self.inverses[one]}[j,i]"

    def free(self, name: str, word: str) -> str:
        """A name with a word behind its letters, Ainv, Sinv^(k), that no tensor of the text has."""
        base, label, rest = name.partition("^(")
        made = (f"{base}{word}{k or ''}{label}{rest}" for k in range(len(self.axes) + 1))
        return next(each for each in made if each not in self.axes)

    def _pair(self, text: str, example: str) -> tuple[str, str]:
        names = [name.strip() for name in text.split("=")]
        if len(names) != 2 or not all(re.fullmatch(_NAME, name) for name in names) or names[1] in self.axes:
            raise UnreadError("a matrix of the text, and a name that is not taken", text, example)
        return names[0], names[1]


def _items(text: str) -> list[str]:
    """The items of a list, parted by commas outside of brackets."""
    items, depth = [""], 0
    for letter in text:
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and depth <= 0:
            items.append("")
        else:
            items[-1] += letter
    return [item.strip() for item in items if item.strip()]


def _bare(text: str) -> str:
    """The name of a function with its subscript, ``g_{\\triangleleft}``, without braces."""
    return text.replace("{", "").replace("}", "")


def plain(text: str) -> str:
    r"""A line of a comment with Greek letters for their commands: ``\alpha`` as α."""
    text = _COMMAND.sub(lambda found: GREEK.get(found[1], {"ell": "ell"}.get(found[1], found[0])), text)
    return re.sub(r"\^\([^()]*\)", lambda found: found[0].replace("ell", "l"), text)
