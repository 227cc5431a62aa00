"""What is made of portions: what the dominant one lacks of the whole, and how far values are from their mean.

Each is an equation of its own, and each once.  What they are for is said in `einstan.calculus.dominant`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from einstan.calculus.alpha import alpha
from einstan.calculus.poles import Poles
from einstan.calculus.portions import Portion, Portions, small
from einstan.calculus.simplify import simplify_product, simplify_sum
from einstan.language.index import Affine, Index, fresh_name, slot
from einstan.language.node import Node
from einstan.language.term import (
    MINUS_ONE,
    ONE,
    ZERO,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Indexed,
    Iverson,
    Name,
    Sum,
    neg,
    substitute,
)

LARGE = Const(Fraction(3, 5))


@dataclass
class Deviations:
    """The equations that were made, by what they are of."""

    portions: Portions
    poles: Poles  # what may be infinite or NaN where a bracket of a portion is false
    pieces: dict[tuple[Name, str], Name] = field(default_factory=dict)
    found: dict[tuple[str, Name, Node], Name] = field(default_factory=dict)
    means: dict[Name, tuple[Portion, tuple[Index, ...], Expr]] = field(default_factory=dict)  # whose mean is taken away

    def piece(self, portion: Portion, kind: str, letters: Sequence[Index], index: Index) -> Indexed:
        """One of the tensors that are made of a portion, at an index."""
        return self.read(portion, kind, tuple(map(slot, (*letters, index))))

    def read(self, portion: Portion, kind: str, slots: Sequence[Affine]) -> Indexed:
        """One of the tensors that are made of a portion: over the indices of the whole, then its own."""
        key = portion.name, kind
        if key not in self.pieces:
            *of, k = own = small((*portion.letters, portion.over))
            share = portion.at(of, k)
            large = share if kind in ("large", "other") else self.piece(portion, "large", of, k)
            others = self.piece(portion, "other", of, k) if kind not in ("large", "other") else large
            match kind:
                case "large":
                    rhs: Expr = Iverson((share, self.most(portion, of)), (">",))
                case "other":  # by a name: what is added to it must not be added to the one first
                    rhs = simplify_sum((ONE, neg(self.piece(portion, "large", of, k))))
                case "small":
                    rhs = simplify_product((others, share))
                case "mine":
                    rhs = simplify_product((large, share))
                case "near":
                    rhs = simplify_sum((others, simplify_product((large, self.rest(portion, of)))))
                case "apart":
                    rest = simplify_product((MINUS_ONE, large, self.rest(portion, of)))
                    rhs = simplify_sum((simplify_product((others, share)), rest))
                case _:
                    less = simplify_product((others, simplify_sum((ONE, neg(share)))))
                    rhs = simplify_sum((less, simplify_product((large, self.rest(portion, of)))))
            self.pieces[key] = self.made_of(kind, own, rhs)
        return Indexed(self.pieces[key], tuple(slots))

    def most(self, portion: Portion, letters: Sequence[Index]) -> Expr:
        """More than this at most one portion is."""
        if portion.positive:
            return LARGE
        over = Index(fresh_name("K", {i.name for i in letters}), portion.over.dim)
        each, beside = (Apply("abs", (part,)) for part in (portion.at(letters, over), portion.there(letters)))
        total = simplify_sum((Sum((over,), each), *((beside,) if portion.beside is not ZERO else ())))
        return simplify_product((LARGE, total))

    def rest(self, portion: Portion, letters: Sequence[Index]) -> Indexed:
        """What is left of the whole without what is large."""
        key = portion.name, "rest"
        if key not in self.pieces:
            own = small(portion.letters)
            over = Index(fresh_name("K", {i.name for i in own}), portion.over.dim)
            others = self.piece(portion, "other", own, over)
            rhs = simplify_sum((simplify_product((others, portion.at(own, over)), (over,)), portion.there(own)))
            self.pieces[key] = self.made_of("rest", own, rhs)
        return Indexed(self.pieces[key], tuple(map(slot, letters)))

    def labelled(self, portion: Portion, letters: Sequence[Index], index: Index, place: Affine) -> Indexed:
        """``δ[place,p] - S[p]``, with what the portion at that place lacks."""
        own = small((*letters, index))
        *of, p = own
        here = dict(zip(letters, of, strict=True))
        at = substitute(place, dict(here))
        key = "less", portion.name, alpha(Delta(at, slot(p)))
        if key not in self.found:
            there, elsewhere = (Iverson((slot(p), at), (relation,)) for relation in ("==", "!="))
            lack = simplify_product((there, self.piece(portion, "lack", of, p)))  # a bracket counts beside exponentials
            others = simplify_product((elsewhere, portion.at(of, p)))
            self.found[key] = self.made_of("less", own, simplify_sum((lack, neg(others))))
        return Indexed(self.found[key], tuple(map(slot, (*letters, index))))

    def off(self, portion: Portion, letters: Sequence[Index], over: Index, value: Expr, index: Index) -> Expr:
        """How far a value, which varies along ``over``, is at an index from its mean under portions."""
        others = [i for i in value.free if i is not over and i not in letters]
        named = small((*letters, index, *others))
        *of, k = named[: len(letters) + 1]
        here = dict(zip((*letters, over, *others), named, strict=True))
        at_k = substitute(value, here)
        plain = {i: Index(f"x{n}", i.dim) for n, i in enumerate(named)}
        key = "off", portion.name, alpha(substitute(at_k, plain))  # a[k] under S is not S[k] under a
        if key not in self.found:
            if not isinstance(at_k, Indexed):  # rounded once, or its own mean is not taken away from it
                varies = tuple(i for i in named if i in at_k.free)
                at_k = Indexed(self.made_of("value", varies, at_k), tuple(map(slot, varies)))
            each = Index(fresh_name("K", {i.name for i in named}), over.dim)
            there = substitute(at_k, {k: each})
            open_ = self.poles.has(value)
            guards = portion.implied(portion.at(of, each)) if open_ else []
            largest = simplify_product((*guards, self.piece(portion, "large", of, each), there), (each,))
            gap = Indexed(self.made_of("gap", named, simplify_sum((at_k, neg(largest)))), tuple(map(slot, named)))
            if others:  # two matrix products, and no array of all axes but that of the result
                less = simplify_product((*guards, self.piece(portion, "apart", of, each), there), (each,))
                rhs = simplify_sum((gap, neg(less)))
            else:
                gap_there = substitute(gap, {k: each})
                mean = simplify_product((*guards, portion.at(of, each), gap_there), (each,))
                beside = simplify_product((portion.there(of), largest))
                rhs = simplify_sum((gap, neg(mean), beside))
            self.found[key] = self.made_of("off", named, rhs)
            self.means[self.found[key]] = portion, named, at_k
        return Indexed(self.found[key], tuple(map(slot, (*letters, index, *others))))

    def made_of(self, kind: str, own: Sequence[Index], rhs: Expr) -> Name:
        name = fresh_name(f"{kind}1", self.portions.taken)
        self.portions.taken.add(name)
        self.portions.made.append(Equation(name, tuple(own), rhs))
        return name
