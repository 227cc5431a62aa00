"""Loops that tell on which sides comparisons and kinks are (`points.switches`), wherever they look at them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

from einstan.language.index import Arithmetic
from einstan.language.node import Node, fold
from einstan.language.term import Apply, Delta, Iverson, Mul, Reduce
from einstan.machine.meaning.loops import Closure, Environment, Loops
from einstan.machine.meaning.numbers import DomainError, Number
from einstan.machine.points.switches import AWAY, ORDER, Outcome, Side, Watch, known, side_of, truths
from einstan.machine.sizes.guards import is_index_bracket


class WatchedLoops(Loops):
    """The loops of an equation, which tell of ``nodes`` on what side they are, once for each value of their indices."""

    def __init__(self, nodes: Mapping[Node, Sequence[Side]], watch: Watch, *arguments: Any) -> None:
        self.nodes, self.watch = nodes, watch
        self.ordered: frozenset[Node] = frozenset()  # whose ties are told with what is equal there
        super().__init__(*arguments)

    def closure(self, node: Node, below: tuple[Closure, ...]) -> Closure:
        value = super().closure(node, below)
        if node not in self.nodes:
            return value
        return self.telling(node, value, _brackets(node, below) if isinstance(node, Mul) else below)

    def telling(self, node: Node, value: Closure, below: tuple[Closure, ...]) -> Closure:
        told: dict[tuple[int, ...], Number] = {}
        self.known.append(told)
        unknowns = next((side.unknowns for side in self.nodes[node] if side.unknowns), ())
        away = [fold(unknown, self.kept) for unknown in unknowns]

        def telling(env: Environment) -> Number:
            found = value(env)
            key = tuple([env[index] for index in node.free])
            if key not in told:
                told[key] = found
                with suppress(DomainError, ValueError, OverflowError):  # no number is on no side
                    for outcome in self.outcomes(node, below, env):
                        self.watch(node, outcome, key)
                        if away and all(unknown(env) != 0 for unknown in away):
                            self.watch(node, (outcome[0], outcome[1] + AWAY, *outcome[2:]), key)
            return found

        return telling

    def outcomes(self, node: Node, below: tuple[Closure, ...], env: Environment) -> Iterator[Outcome]:
        """On what sides a node is for some values of its indices."""
        match node:
            case Iverson(relations=relations):
                for k, (a, relation, b) in enumerate(zip(below, relations, below[1:], strict=False)):
                    left, right = a(env), b(env)
                    held = self.numbers.holds(left, relation, right)
                    if node in self.ordered and relation in ORDER and self.numbers.holds(left, "==", right):
                        yield k, int(held), 0, hash(known(left))
                    else:
                        yield k, int(held), side_of(left, right)
                    if not held:
                        return
            case Delta():
                left, right = (part(env) for part in below)
                yield 0, int(left == right), side_of(left, right)
            case Apply(function="minimum") if truths(node):
                if all(part(env) != 0 for part in below):
                    yield (1,)
            case Apply(function="maximum" | "minimum"):
                yield 0, side_of(below[0](env), below[1](env))
            case Apply(function="clip"):
                yield from ((k, side_of(below[0](env), end(env))) for k, end in enumerate(below[1:]))
            case Apply(function="floor"):
                yield (math.floor(below[0](env)),)
            case Apply(function="mod"):
                reciprocal = self.numbers.apply("pow", below[1](env), self.numbers.of(-1))
                yield (math.floor(self.numbers.mul(below[0](env), reciprocal)),)
            case Apply(function="arctan2"):
                yield 0, side_of(below[1](env), 0)
            case Apply():
                yield 0, side_of(below[0](env), 0)
            case Arithmetic():
                yield (below[0](env) // below[1](env),)
            case Reduce(operation=operation, indices=indices) if truths(node):
                true = [below[0](inner) != 0 for inner in self.loop(indices, env)]
                if len(true) > 1 and (any(true) if operation == "max" else all(true)):
                    yield (1,)
            case Reduce(operation=operation, indices=indices):
                entries = list(map(known, (below[0](inner) for inner in self.loop(indices, env))))
                yield (entries.index(max(entries) if operation == "max" else min(entries)),)
            case Mul():
                if all(bracket(env) != 0 for bracket in below):
                    yield (1,)


class TyingLoops(WatchedLoops):
    """The loops of an equation, which tell of comparisons of values also what is equal where both sides are."""

    def __init__(
        self, nodes: Mapping[Node, Sequence[Side]], watch: Watch, ordered: frozenset[Node], *arguments: Any
    ) -> None:
        super().__init__(nodes, watch, *arguments)
        self.ordered = ordered


class GapLoops(WatchedLoops):
    """The loops of an equation, which tell by how much what is compared is apart."""

    def outcomes(self, node: Node, below: tuple[Closure, ...], env: Environment) -> Iterator[Outcome]:
        values = [known(part(env)) for part in below]
        if not isinstance(node, Iverson):
            values.append(self.zero)
        for k, (left, right) in enumerate(pairwise(values)):
            yield k, self.numbers.add(left, self.numbers.mul(self.numbers.of(-1), right))


def _brackets(node: Mul, below: tuple[Closure, ...]) -> tuple[Closure, ...]:
    """Those of a product, before all those of indices, which keep the others inside."""
    brackets = [pair for pair in zip(node.factors, below, strict=True) if truths(pair[0])]
    brackets.sort(key=lambda pair: not is_index_bracket(pair[0]))
    return tuple(bracket for _, bracket in brackets)
