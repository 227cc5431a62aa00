"""Random graphs of operations, made one operation at a time: long linear chains with scalars on their way.

What equations give is seldom as dense in factors that can be moved as these are, and takes a hundred times as long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from einstan.calculus.program import Program
from einstan.language import Const, Extent, Index, Indexed, parse
from einstan.language.term import MINUS_ONE, ONE, reciprocal
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.operations import OTHERS, Flat, Form, Graph, Linked, Reading, Ref, Scan, Stored, combined

DIMS = ("a", "a", "b", "b", "c")  # of the labels 0 to 4
INPUTS = {"X": (0, 2), "Y": (2, 0), "S": (0, 1), "u": (0,), "v": (2,), "w": (4,), "s": (), "t": (), "T": (0,)}
COEFFICIENTS = (MINUS_ONE, Const(2), Const(Fraction(-1, 2)), Const(3), Const(0), reciprocal(Extent(Index("n", "a"))))
EQUATION = parse("O[i] = u[i]")
LINEAR = ("scale", "scale", "scale", "scalar", "scalar", "product", "product", "sum", "expand", "embed", "scatter")
OTHER = ("linked", "linked", "window", "fork", "fork", "function", "add", "square", "bracket",
         "reduce", "ratio", "ratio", "diagonal", "twice", "scan", "running", "running")  # fmt: skip


class Chain:
    """A graph of which most values are read by the next."""

    def __init__(self, random: Random) -> None:
        self.random, self.graph = random, Graph()
        self.refs: list[Ref] = [self.add("input", name, (), labels) for name, labels in INPUTS.items() if name != "T"]
        self.indices = self.add("input", "T", (), INPUTS["T"])
        self.begin = len(self.refs)

    def add(self, kind: str, detail: Any, operands: Sequence[Ref], out: Sequence[int]) -> Ref:
        own = self.graph.dims(operands[0].value) if kind == "read" else ()

        def space(label: int) -> tuple[str, str]:
            return (DIMS[label], "aAbBc"[label]) if label < len(DIMS) else (own[label - len(DIMS)], "x")

        return self.graph.add(kind, detail, operands, out, space, kind)

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[self.random.randrange(len(choices))]

    def some(self, recent: bool = True) -> Ref:
        """A value, often one of the last, with labels that fit its dimensions."""
        ref = self.refs[-1] if recent and self.random.randrange(5) else self.pick(self.refs)
        return self.relabelled(ref)

    def relabelled(self, ref: Ref) -> Ref:
        labels: list[int] = []
        for dim in self.graph.dims(ref.value):
            labels.append(self.pick([x for x in range(len(DIMS)) if DIMS[x] == dim and x not in labels]))
        return Ref(ref.value, tuple(labels))

    def scalar(self) -> Ref:
        return self.pick([ref for ref in self.refs if not ref.labels])  # type: ignore[no-any-return]

    def shuffled(self, labels: Sequence[int]) -> tuple[int, ...]:
        return tuple(self.random.sample(list(labels), len(labels))) if self.random.randrange(2) else tuple(labels)

    def onward(self, one: Ref) -> Ref:
        """A value times an input, some labels summed."""
        two = self.refs[self.random.randrange(self.begin)]
        every = dict.fromkeys((*one.labels, *two.labels))
        return self.add("contract", 2, (one, two), [x for x in every if self.random.randrange(3)][:2])

    def times(self, one: Ref, coefficient: Any, scalar: Ref | None) -> Ref:
        if scalar is None:
            return self.add("map", ("scale", coefficient), (one,), one.labels)
        return self.add("contract", 2, (one, scalar), one.labels)

    def form(self, near: Sequence[int]) -> Form:
        """``a i + b j + c``, with no label twice."""
        labels = self.random.sample(range(len(DIMS)), 1 + self.random.randrange(2))
        terms = {x: self.pick((1, 1, 1, -1, 2)) for x in labels}
        return Form(tuple(sorted(terms.items())), (), (), self.random.randrange(-1, 2))

    def rest(self, form: Form, dim: str) -> Form:
        """``n - 1 - form``"""
        return combined(((Form((), (), ((dim, 1),), 0), 1), (form, -1)), -1)

    def linked(self, one: Ref) -> Ref:
        """A product of which only some terms count: those where one or two forms are zero."""
        factors = [one, *(self.refs[self.random.randrange(self.begin)] for _ in range(self.random.randrange(3)))]
        divides = len(factors) > 1 and self.random.randrange(5) == 0
        forms = []
        for _ in range(1 + self.random.randrange(2)):
            labels = self.random.sample(range(len(DIMS)), 2 + self.random.randrange(2))
            terms = {x: self.pick((1, -1, 1, -1, 2)) for x in labels}
            forms.append(Form(tuple(sorted(terms.items())), (), (), self.random.randrange(-1, 2)))
        every = dict.fromkeys((*(x for ref in factors for x in ref.labels), *(x for f in forms for x, _ in f.labels)))
        out = [x for x in every if self.random.randrange(2)][:3]
        detail = Linked(len(factors) - divides, tuple(forms), EQUATION)
        return self.add("linked", detail, factors, self.shuffled(out))

    def scan(self, one: Ref, own: int, target: int) -> Ref:
        flags = self.random.randrange(2) > 0, self.random.randrange(2) > 0
        scan = OTHERS if DIMS[own] == DIMS[target] else Scan(self.pick(("add", "multiply")), *flags)
        return self.add("scan", scan, (one,), self.shuffled([target if x == own else x for x in one.labels]))

    def running(self, one: Ref, own: int, target: int) -> Ref:
        """A sum or a product of the entries that a comparison of two positions keeps, and what is nearly one."""
        places = [self.add("iota", None, (), (label,)) for label in (own, target)]
        if len(self.refs) % 5 == 0:  # every other one of the places, which is no scan
            two = self.add("number", Const(2), (), ())
            places[0] = self.add("whole", "mod" if own < target else "floor", (places[0], two), places[0].labels)
        self.random.shuffle(places)
        relation = self.pick(("<", "<=", ">", ">=", "<", "!="))
        held = self.add("map", (relation,), places, [place.labels[0] for place in places])
        out = [target if x == own else x for x in one.labels]
        if self.random.randrange(2):
            further = [self.relabelled(self.pick(self.refs[: self.begin])) for _ in range(self.random.randrange(2))]
            factors = [one, held, *further]
            every = dict.fromkeys(x for ref in factors for x in ref.labels if x != own)
            self.random.shuffle(factors)
            return self.add("contract", len(factors), factors, self.shuffled(tuple(every)[:3]))
        other = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}.get(relation, "==")
        rest = self.add("map", (self.pick((other, other, "==")),), places, [place.labels[0] for place in places])
        terms = [self.add("map", ("select",), (held, one), (*one.labels, target)), rest]
        self.random.shuffle(terms)
        body = self.add("map", ("add", (ONE, ONE)), terms, (*one.labels, target))
        return self.add("reduce", "prod", (body,), self.shuffled(out))

    def gram(self, weighted: bool) -> Ref:
        """A matrix times itself under other labels, perhaps with weights, some of them for each of a batch."""
        one = self.relabelled(self.pick([ref for ref in self.refs if len(ref.labels) == 2]))
        row, column = self.random.sample(one.labels, 2)
        twin = {0: 1, 1: 0, 2: 3, 3: 2}.get(column)
        if twin is None or twin == row:
            return self.gram(weighted)
        factors, out = [one, one.renamed({column: twin})], [column, twin]
        ref = self.pick([ref for ref in self.refs if len(ref.labels) > self.random.randrange(2)]) if weighted else None
        fitting = [x for x in range(len(DIMS)) if x not in (row, column, twin)]
        if ref is not None and (weights := self.beside(ref, row, fitting)) is not None:
            factors.append(weights)
            out += [x for x in weights.labels if x != row]
        self.random.shuffle(factors)
        return self.add("contract", len(factors), factors, self.shuffled(out))

    def turned(self) -> Ref:
        """A batch of products of a vector and a matrix, in an order of axes that no matrix product has."""
        one = self.relabelled(self.pick([ref for ref in self.refs if len(ref.labels) == 2 and 4 not in ref.labels]))
        batch = self.pick(one.labels)
        vector = self.pick([ref for ref in self.refs if ref.labels == (4,)])
        wide = self.add("contract", 2, (one, vector), self.random.sample((*one.labels, 4), 3))
        return self.add("contract", 2, (wide, one), self.shuffled((4, batch)))

    def window(self, one: Ref) -> Ref:
        """A value read at forms of labels, with something outside."""
        slots = tuple(self.form(one.labels) for _ in one.labels)
        guards = [g for slot, x in zip(slots, one.labels, strict=True) for g in (slot, self.rest(slot, DIMS[x]))]
        order = tuple(range(len(slots)))
        detail = Reading(slots, tuple(guards), self.random.randrange(2), Indexed("O"), EQUATION, order)
        own = Ref(one.value, tuple(len(DIMS) + k for k in order))  # its axes are no labels here
        made = dict.fromkeys(x for slot in slots for x, _ in slot.labels)
        return self.add("read", detail, (own,), self.shuffled(tuple(made)))

    def beside(self, ref: Ref, row: int, free: Sequence[int]) -> Ref | None:
        """A value that has a label, and others that are free."""
        labels: list[int] = []
        for dim in self.graph.dims(ref.value):
            fits = [x for x in (row, *free) if DIMS[x] == dim and x not in labels]
            if not fits:
                return None
            labels.append(fits[0])
        return Ref(ref.value, tuple(labels)) if row in labels else None

    def step(self) -> Ref:
        one = self.some()
        labels = one.labels
        match self.pick(LINEAR if self.random.randrange(6) else OTHER):
            case "scale":
                return self.add("map", ("scale", self.pick(COEFFICIENTS)), (one,), labels)
            case "scalar":
                factors = [one, *(self.scalar() for _ in range(1 + self.random.randrange(2)))]
                self.random.shuffle(factors)
                return self.add("contract", len(factors), factors, self.shuffled(labels))
            case "product":
                factors = [one, *(self.some(False) for _ in range(1 + self.random.randrange(2)))]
                every = tuple(dict.fromkeys(x for ref in factors for x in ref.labels))
                return self.add(
                    "contract", len(factors), factors, self.shuffled([x for x in every if self.pick((0, 1, 1))][:3])
                )
            case "sum" if labels:
                return self.add("contract", 1, (one,), [x for x in labels if self.random.randrange(2)])
            case "expand" if len(labels) < 3:
                extra = [x for x in range(len(DIMS)) if x not in labels]
                return self.add("expand", None, (one,), self.shuffled((*labels, self.pick(extra))))
            case "embed" if 0 in labels and 1 not in labels and len(labels) < 3:
                return self.add("embed", (labels.index(0),), (one,), (*labels, 1))
            case "scatter" if 0 in labels and 2 not in labels:
                at = Ref(self.indices.value, (0,))
                return self.add("scatter", None, (at, one), (2, *(x for x in labels if x != 0)))
            case "diagonal" if 0 in labels and 1 in labels:
                same = tuple(0 if x == 1 else x for x in labels)
                return self.add("diagonal", None, (Ref(one.value, same),), dict.fromkeys(same))  # type: ignore[arg-type]
            case "fork":
                coefficient, scalar = self.pick(COEFFICIENTS), self.scalar() if self.random.randrange(2) else None
                sides = [self.times(self.onward(one), coefficient, scalar) for _ in range(2)]
                return self.add(
                    "map", ("add", (ONE, MINUS_ONE)), sides, dict.fromkeys((*sides[0].labels, *sides[1].labels))
                )  # type: ignore[arg-type]
            case "linked":
                return self.linked(one)
            case "window" if labels and len(labels) < 3:
                return self.window(one)
            case "function":
                return self.add("map", (self.pick(("tanh", "sin", "relu", "abs")),), (one,), labels)
            case "add":
                coefficients = tuple(self.pick((ONE, ONE, *COEFFICIENTS)) for _ in range(2))
                two = self.some()
                return self.add("map", ("add", coefficients), (one, two), dict.fromkeys((*labels, *two.labels)))  # type: ignore[arg-type]
            case "square":
                return self.add("contract", 2, (one, one), labels)
            case "bracket":
                two = self.pick((one, self.scalar()))
                held = self.add("map", (">",), (two, self.scalar()), two.labels)
                return self.add("contract", 2, (one, held), labels)
            case "reduce" if labels:
                return self.add("reduce", self.pick(("max", "min", "prod")), (one,), labels[1:])
            case "scan" if labels:
                own = self.pick(labels)
                return self.scan(one, own, self.pick([x for x in range(len(DIMS)) if x not in labels]))
            case "running" if labels:
                own = self.pick(labels)
                return self.running(one, own, self.pick([x for x in range(len(DIMS)) if x not in labels]))
            case "ratio":
                below = self.pick(self.refs[: self.begin])
                every = dict.fromkeys((*labels, *below.labels))
                return self.add("contract", 1, (one, below), [x for x in every if self.random.randrange(3)])
            case "twice" if labels in ((0, 1), (1, 0)):
                square = self.refs[2]
                sides = [self.add("contract", 2, (one, Ref(square.value, way)), (0,)) for way in ((0, 1), (1, 0))]
                return self.add("map", ("add", (ONE, MINUS_ONE)), sides, (0,))
        return self.step()


def blocks(random: Random) -> tuple[Flat, Extents, dict[str, np.ndarray]]:
    """A long sum over a window of one axis: ``y[i] = x[a i + b j + c] w[j]``, x zero outside, i long or j long."""
    graph, extents = Graph(), Extents(Program(()))
    sizes = [random.randrange(64, 90), random.choice((8, 9, 5))]
    random.shuffle(sizes)
    extents.known.update({"x": random.randrange(20, 130), "i": sizes[0], "j": sizes[1]})

    def space(label: int) -> tuple[str, str]:
        return "ijx"[label], "ijx"[label]

    whole = graph.add("input", "x", (), (2,), space)
    form = Form(tuple((x, random.choice((1, -1, 1, 2, -2))) for x in (0, 1)), (), (), random.randrange(-5, 40))
    guards = (form, combined(((Form((), (), (("x", 1),), 0), 1), (form, -1)), -1))
    detail = Reading((form,), guards, 0, Indexed("O"), EQUATION, (0,))
    window = graph.add("read", detail, (whole,), random.choice(((0, 1), (1, 0))), space)
    kept = random.randrange(2)
    vector = graph.add("input", "w", (), (1 - kept,), space)
    factors = [window, vector]
    random.shuffle(factors)
    made = graph.add("contract", 2, factors, (kept,), space, "blocks")
    stored = Stored(None, made.value, (0,), ("ij"[kept],))
    given = {"x": np.array([random.uniform(-1, 1) for _ in range(extents.known["x"])])}
    given["w"] = np.array([random.uniform(-1, 1) for _ in range(sizes[1 - kept])])
    return Flat(graph, {"O": stored}, ("O",), {}, []), extents, given


def chain(random: Random) -> tuple[Flat, Extents, dict[str, np.ndarray]]:
    """A graph with outputs, extents, and arrays for what it reads."""
    maker = Chain(random)
    while len(maker.refs) < maker.begin + 4 + random.randrange(12):
        made = maker.step()
        if len(made.labels) < 4:
            maker.refs.append(made)
    if random.randrange(5) == 0:
        maker.refs.append(maker.window(maker.turned()))
    elif random.randrange(5) == 0:
        maker.refs.append(maker.gram(random.randrange(3) > 0))
    wanted = (
        {maker.refs[-1].value, random.choice(maker.refs[maker.begin :]).value}
        if random.randrange(3) == 0
        else {maker.refs[-1].value}
    )
    names = [f"O{value}" for value in sorted(wanted)]
    tensors: dict[Any, Stored] = {}
    for name, value in zip(names, sorted(wanted), strict=True):
        dims = maker.graph.dims(value)
        tensors[name] = Stored(None, value, tuple(range(len(dims))), dims)
    extents = Extents(Program(()))
    extents.known.update(sizes(random))
    return Flat(maker.graph, tensors, tuple(names), {}, []), extents, arrays(extents.known, random)


def sizes(random: Random) -> dict[str, int]:
    return {dim: random.choice((1, 2, 3, 3, 4, 4)) for dim in dict.fromkeys(DIMS)}


def arrays(known: Mapping[str, int], random: Random) -> dict[str, np.ndarray]:
    made: dict[str, np.ndarray] = {}
    for name, labels in INPUTS.items():
        shape = tuple(known[DIMS[x]] for x in labels)
        entries = np.array([random.choice((-1, 1)) * (0.3 + random.random()) for _ in range(math.prod(shape))])
        made[name] = entries.reshape(shape)
    made["T"] = np.array([random.randrange(known["b"]) for _ in range(known["a"])])
    return made
