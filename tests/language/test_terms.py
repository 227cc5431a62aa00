"""Nodes: one object for one content, frozen, picklable; substitution never captures."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from einstan.language import (
    Add,
    Affine,
    Apply,
    Const,
    Delta,
    Equation,
    Extent,
    Index,
    Indexed,
    Iverson,
    Mul,
    Reduce,
    Sum,
    affine,
    parse,
    slot,
)  # fmt: skip
from einstan.language.collecting import collecting_seldom
from einstan.language.node import Node, holds, preorder
from einstan.language.term import mul, substitute

i, j, k = Index("i", "X.0"), Index("j", "X.1"), Index("K", "X.1")


def x(*indices: Index) -> Indexed:
    return Indexed("X", tuple(slot(index) for index in indices))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Index("i", "X.0"),
        lambda: Affine(((i, 2), (j, -1)), 3),
        lambda: Const("1/2"),
        lambda: x(i, j),
        lambda: Delta(slot(i), slot(j)),
        lambda: Iverson((slot(i), slot(j)), ("<",)),
        lambda: Apply("exp", (x(i, j),)),
        lambda: Add((x(i, j), Const(1))),
        lambda: Mul((x(i, j), Const(2))),
        lambda: Sum((k,), x(i, k)),
        lambda: Reduce("max", (k,), x(i, k)),
        lambda: Equation("Z", (i,), Sum((k,), x(i, k))),
    ],
)
def test_equal_content_is_one_object(make: object) -> None:
    node = make()  # type: ignore[operator]
    assert node is make()  # type: ignore[operator]
    assert pickle.loads(pickle.dumps(node)) is node
    assert copy.copy(node) is node
    assert copy.deepcopy(node) is node
    with pytest.raises(AttributeError):
        node.fields = ()
    with pytest.raises(AttributeError):
        del node.digest


def test_numbers_are_exact() -> None:
    assert Const(0.1) is Const("0.1")
    assert Const("1e-5").value.denominator == 100000


def test_substitution_does_not_capture() -> None:
    term = Sum((k,), mul((x(i, k), Indexed("b", (slot(k),)))))
    moved = substitute(term, {i: k})
    assert k in moved.free
    assert moved.indices[0] is not k
    assert moved.body.factors[0].slots[0].index is k
    assert moved.body.factors[0].slots[1].index is moved.indices[0]


def test_substitution_leaves_bound_indices_alone() -> None:
    term = Sum((k,), x(i, k))
    moved = substitute(term, {k: j})
    assert moved.free == (i,)


def test_substitution_of_a_form_is_collected() -> None:
    term = Indexed("X", (affine((i, 2), (j, 1), constant=1),))
    assert substitute(term, {i: affine((j, 1), constant=-1)}).slots[0] is Affine(((j, 3),), -1)


def test_swapping_two_indices() -> None:
    assert substitute(x(i, j), {i: j, j: i}) is x(j, i)


def test_a_node_knows_what_kinds_are_below() -> None:
    equation = parse("Z[i] = exp(X[i,K] W[K]) + |i|")
    assert holds(equation, Sum, Apply, Delta)
    assert holds(equation.rhs, Extent)
    assert not holds(equation.rhs, Delta, Reduce)
    assert not holds(equation.lhs, Sum)


def test_reading_order_is_that_of_a_walk() -> None:
    def walk(node: Node, seen: dict[Node, None]) -> dict[Node, None]:
        if node not in seen:
            seen[node] = None
            for child in node.children:
                walk(child, seen)
        return seen

    for text in ("Z[i] = X[i,K] W[K] + exp(X[i,K] W[K])", "y = sum[K](x[K] (x[K] + z)) z", "q = x[2I+J-1] w[J] |x.0|"):
        rhs = parse(text).rhs
        for _ in range(2):  # the second time it is remembered
            assert preorder(rhs) == tuple(walk(rhs, {}))
    parts = " + ".join(f"x{k}[i]" for k in range(100))
    rhs = parse(f"y[i] = {parts}").rhs
    assert preorder(rhs) == preorder(rhs) == tuple(walk(rhs, {}))
    assert rhs.below is None  # too many to be remembered


def test_threads_make_one_object() -> None:
    def make(_: int) -> list[Node]:
        return [Index(f"thread{k}") for k in range(2000)]

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(make, range(4))
    assert all(one is other for made in others for one, other in zip(first, made, strict=True))


def test_the_collector_is_as_it_was() -> None:
    before = gc.get_threshold()
    with collecting_seldom():
        assert gc.get_threshold()[0] >= before[0]
        with collecting_seldom():
            pass
        assert gc.get_threshold()[0] >= 50_000
    assert gc.get_threshold() == before
    with pytest.raises(ZeroDivisionError), collecting_seldom():
        raise ZeroDivisionError
    assert gc.get_threshold() == before
    gc.set_threshold(0)
    try:
        with collecting_seldom():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)


def test_terms_that_outlive_the_numbers_in_them_die_in_silence():
    """At the end of a process Python takes its modules apart before the last terms die."""
    code = (
        "import atexit, builtins, fractions\n"
        "from einstan.language.term import Const\n"
        "builtins.kept = Const(fractions.Fraction(3, 7))\n"
        "atexit.register(lambda: setattr(fractions.Fraction, '__hash__', None))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
