"""Claims that are one claim but for names: ``dW^(2)[j,k] = ...`` for ``dW^(1)[j,k] = ...``, layer after layer.

Every part of a document is put into standard names, tensors T0, T1, ... and letters ia, ib, ... in the order in which
they occur.  Parts and claims that are equal then are judged once, and what was found is told in the names of each.
Nothing in the mathematics depends on a name but for two things, which are kept: ``dX`` belongs to ``X``, and ``K2``
and ``k`` to ``K``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from einstan.language.dims import is_axis
from einstan.language.effort import EffortError, effort
from einstan.language.index import Affine, Index, capitalised, is_capital, lowered
from einstan.language.node import Node, fold, preorder
from einstan.language.statement import Claim, Convention, Document, Given, Statement
from einstan.language.term import Equation, Expr, Extent, Indexed, Name, Partial, Reduce, Sum, rebound
from einstan.library.claims import STEPS, decided, holds, judge
from einstan.library.conditions import conditions
from einstan.library.judgements import Judgement, Outcome, worded
from einstan.library.part import Part

LOOKED = STEPS // 4  # steps, or a second, to look for assumptions under which a claim would hold
HOPELESS = 25  # claims of a document without such assumptions, after which none are looked for


class Alike:
    """The claims of one document that have been judged, in standard names."""

    def __init__(self) -> None:
        self._parts: dict[Document, tuple[Part, dict[tuple[Expr, Expr], Judgement]]] = {}
        self._hopeless: set[tuple[Document, Expr, Expr, tuple[tuple[Index, Affine], ...]]] = set()

    def judge(self, claim: Claim, part: Part, setting: Setting) -> Outcome:
        """Decide one claim of a part whose setting is given."""
        if claim.where:  # extents have no standard names
            return judge(claim, part)
        names = setting.names.copy()
        names.seen(claim.lhs, claim.rhs)
        key = names.renamed(claim.lhs), names.renamed(claim.rhs)
        if setting.document not in self._parts:
            self._parts[setting.document] = Part(setting.document), {}
        standard, judged = self._parts[setting.document]
        if key not in judged:
            judged[key] = decided(Claim(*key), standard)
        found = judged[key]
        if found.verdict == "undecided":  # the reason speaks of names
            return judge(claim, part)
        try:
            return worded(told(found, names.inverse()))
        except KeyError:  # a name that came up on the way
            return judge(claim, part)

    def under(self, claim: Claim, part: Part, setting: Setting) -> tuple[str, ...]:
        """The assumptions under which a refuted claim would hold; none where a claim like it has none, or
        many others."""
        names = setting.names.copy()
        names.seen(claim.lhs, claim.rhs)
        key = setting.document, names.renamed(claim.lhs), names.renamed(claim.rhs), claim.where
        found: tuple[str, ...] = ()
        if key not in self._hopeless and len(self._hopeless) <= HOPELESS:
            with suppress(EffortError), effort(LOOKED, 1):
                found = conditions(claim, part, holds)
        if not found:
            self._hopeless.add(key)
        return found


class Setting:
    """What a part defines, is given and assumes, in standard names."""

    def __init__(self, document: Document) -> None:
        self.names = Renaming({}, {})
        kept = [s for s in document.statements if s.kind in ("equation", "given", "assume", "convention")]
        self.document = Document(tuple(Statement(s.kind, self._renamed(s.content), 0) for s in kept))

    def _renamed(self, content: Equation | Claim | Given | Convention | None) -> Any:
        names = self.names
        match content:
            case Equation():
                return names.renamed(content)
            case Claim(lhs=lhs, rhs=rhs):
                names.seen(lhs, rhs)
                return Claim(names.renamed(lhs), names.renamed(rhs))
            case Given(lhs=lhs, arguments=arguments, capitals=capitals):
                given = names.renamed(lhs), tuple(map(names.renamed, arguments)), tuple(map(names.index, capitals))
                return Given(*given)
            case _:
                return content


def told(found: Judgement, names: Renaming) -> Judgement:
    """A judgement in other names."""
    numbers = found.numbers
    if numbers is not None:
        numbers = replace(
            numbers,
            extents={names.dim(letter): pair for letter, pair in numbers.extents.items()},
            sizes={names.dim(dim): size for dim, size in numbers.sizes.items()},
            arrays={names.spelled(name): value for name, value in numbers.arrays.items()},
            at={names.letter(index): value for index, value in numbers.at.items()},
        )
    left, right = (None if side is None else names.renamed(side) for side in (found.left, found.right))
    kink = found.kink
    if kink is not None:
        kink = replace(kink, left=names.renamed(kink.left), right=names.renamed(kink.right))
    difference = tuple(map(names.renamed, found.difference))
    times = None if found.times is None else names.renamed(found.times)
    slip = found.slip
    if slip is not None:
        slip = replace(slip, written=names.renamed(slip.written), meant=names.renamed(slip.meant))
    matter = None if found.matter is None else tuple(map(names.spelled, found.matter))
    found = replace(found, numbers=numbers, left=left, right=right, slip=slip, matter=matter)
    return replace(found, difference=difference, kink=kink, times=times)


class Renaming:
    """Names for names.  New ones are made as they come up, unless ``closed``: then they raise a `KeyError`."""

    def __init__(
        self,
        tensors: Mapping[str, str],
        letters: Mapping[str, str],
        spellings: Mapping[str, str] | None = None,
        closed: bool = False,
    ) -> None:
        self.tensors, self.letters, self.spellings = dict(tensors), dict(letters), dict(spellings or {})
        self.closed = closed

    def copy(self) -> Renaming:
        return Renaming(self.tensors, self.letters, self.spellings)

    def inverse(self) -> Renaming:
        tensors, letters, spellings = (
            {new: old for old, new in names.items()} for names in (self.tensors, self.letters, self.spellings)
        )
        return Renaming(tensors, letters, spellings, closed=True)

    def renamed(self, root: Any) -> Any:
        if isinstance(root, Equation):
            self.name(root.name)
        self.seen(root)

        def rule(node: Node, children: tuple[Node, ...]) -> Node:
            if isinstance(node, Index):
                return self.index(node)
            if isinstance(node, Indexed):
                return Indexed(self.name(node.tensor), children)  # type: ignore[arg-type]
            if isinstance(node, Extent):
                return Extent(self.index(node.index))
            if isinstance(node, Sum | Reduce):
                return rebound(node, tuple(map(self.index, node.indices)), children[0])
            if isinstance(node, Equation):
                where = tuple((self.index(index), fold(form, rule)) for index, form in node.where)
                return Equation(self.name(node.name), tuple(map(self.index, node.indices)), children[0], where)  # type: ignore[arg-type]
            return node.over(children)

        return fold(root, rule)

    def seen(self, *roots: Node) -> None:
        """The tensors that are read: they have their names first, since dimensions are named by them, on one side of a
        claim by the tensors of the other too."""
        for node in preorder(*roots):
            if isinstance(node, Indexed):
                self.name(node.tensor)

    # ---- tensors -------------------------------------------------------------------------------------------------

    def name(self, old: Name) -> Name:
        new: Name
        if isinstance(old, Partial):
            new = Partial(self._tensor(old.of), old.rank, tuple((self._tensor(t), rank) for t, rank in old.wrt))
        else:
            new = self._tensor(old)
        self.spellings[str(old)] = str(new)
        return new

    def spelled(self, old: str) -> str:
        """The spelling of a name, which may be that of a derivative."""
        return self.spellings.get(old) or self._tensor(old)

    def _tensor(self, old: str) -> str:
        if old in self.tensors:
            return self.tensors[old]
        if " " in old:  # of a question about a claim, and of nobody's tensor
            return old
        if old.startswith("d") and len(old) > 1:  # a gradient, where the rest is a tensor
            return "d" + self._tensor(old[1:])
        if old.startswith("∂"):  # the parts of a stand-in for what is given
            of, _, wrt = old[1:].partition("/∂")
            wrt, bar, held = wrt.partition("|")
            return f"∂{self._tensor(of)}/∂{self._tensor(wrt)}{bar}" + ",".join(
                map(self._tensor, held.split(",") if bar else ())
            )
        if old.endswith("(0)") and not old.endswith("^(0)"):
            return self._tensor(old.removesuffix("(0)")) + "(0)"
        if self.closed or "/" in old:
            raise KeyError(old)
        new = self.tensors[old] = f"T{len(self.tensors)}"
        return new

    # ---- indices -------------------------------------------------------------------------------------------------

    def index(self, old: Index) -> Index:
        return Index(self.dim(old.name) if is_axis(old.name) else self.letter(old.name), self.dim(old.dim))

    def dim(self, old: str) -> str:
        """``X.0`` by its tensor, ``Z:r`` by its equation and letter, ``r`` by its letter."""
        if is_axis(old):
            tensor, _, position = old.rpartition(".")
            return f"{self.dim(tensor) if ':' in tensor else self.spelled(tensor)}.{position}"
        equation, colon, letter = old.rpartition(":")
        return f"{self.spelled(equation)}:{self.letter(letter)}" if colon else self.letter(old)

    def letter(self, old: str) -> str:
        """One base for ``k``, ``K`` and ``K2``."""
        stem = old.rstrip("0123456789")
        base = lowered(stem)
        if base not in self.letters:
            if not old.isalnum():
                return old  # of a canonical form, and of nobody
            if self.closed:
                raise KeyError(old)
            self.letters[base] = "ix" + _word(len(self.letters))
        new = self.letters[base]
        return (capitalised(new) if is_capital(stem) else new) + old[len(stem) :]


def _word(number: int) -> str:
    """a, b, ..., z, ba, bb, ...: digits in letters, since the digits of a letter have a meaning."""
    text = chr(ord("a") + number % 26)
    while number >= 26:
        number //= 26
        text = chr(ord("a") + number % 26) + text
    return text
