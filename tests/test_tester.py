"""Test the tester: errors are planted one at a time, and the checks of the suite must go red.

Each plant names what it breaks and the check that has to notice; the check is the function that the suite itself
calls, and it is green before the plant.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

import pytest

from einstan.calculus import (
    alpha,
    backward,
    canonical,
    collect,
    delta,
    factors,
    forward,
    naming,
    partial,
    passes,
    proof,
    simplify,
    stable,
)
from einstan.language import Const, Delta, Equation, Index, Indexed, Mul, functions, parse
from einstan.language.errors import ClaimError, EinstanError
from einstan.language.term import ONE, neg, sum_over
from einstan.library.layer import Layer
from einstan.machine.graph import products
from einstan.machine.meaning import loops
from einstan.machine.passes import arrange, seeds, windows
from einstan.machine.paths import layouts, pairs
from einstan.machine.plan import plan, recompute
from einstan.machine.sizes import operations
from tests.calculus.properties import PROPERTIES, RejectedError, every_function_has_its_derivative
from tests.machine import validation

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
CACHES: tuple[tuple[Any, str], ...] = ((alpha, "_alpha"), (simplify, "_known"), (canonical, "_canonical"))


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """What was computed before a plant hides it, and what is computed under it must not stay."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for module, name in CACHES:
        getattr(module, name, {}).clear()
    partial.parsed_partial.cache_clear()


def red(check: Callable[[], object]) -> bool:
    """Whether a check fails.  A plant that does not fit the code any more must not pass for one that was noticed."""
    try:
        check()
    except EinstanError:  # some are TypeErrors too
        return True
    except (AttributeError, NameError, TypeError):
        raise
    except Exception:
        return True
    return False


def over_seeds(name: str, count: int = 80) -> Callable[[], None]:
    """A property of `tests.calculus.test_properties` on some of its examples."""

    def check() -> None:
        told = 0
        for seed in range(count):
            try:
                PROPERTIES[name](Random(seed))
                told += 1
            except RejectedError:
                continue
        assert told > count // 10

    return check


def rows(path: str, test: str, argnames: int = 2) -> Callable[[], None]:
    """A parametrised test of the suite, on all its rows."""
    import importlib

    function = getattr(importlib.import_module(path), test)

    def check() -> None:
        (mark,) = [mark for mark in function.pytestmark if mark.name == "parametrize"]
        for row in mark.args[1]:
            function(*row)

    return check


def goes_red(monkeypatch: pytest.MonkeyPatch, check: Callable[[], object], *plants: tuple[Any, str, Any]) -> None:
    assert not red(check), "the check is red without a plant"
    _forget()
    for where, name, wrong in plants:
        monkeypatch.setitem(where, name, wrong) if isinstance(where, dict) else monkeypatch.setattr(where, name, wrong)
    assert red(check), "the plant was not noticed"


# ---- the table of functions ------------------------------------------------------------------------------------------

WRONG_ROWS = [
    ("tanh", ("1 - tanh(x)",)),
    ("exp", ("x exp(x)",)),
    ("sigmoid", ("sigmoid(x) (1 + sigmoid(x))",)),
    ("sin", ("-cos(x)",)),
    ("softplus", ("tanh(x)",)),
    ("pow", ("y x^y", "x^y log(x)")),
]


@pytest.mark.parametrize(("function", "partials"), WRONG_ROWS)
def test_a_wrong_partial_of_a_function(
    monkeypatch: pytest.MonkeyPatch, function: str, partials: tuple[str, ...]
) -> None:
    wrong = dataclasses.replace(functions.FUNCTIONS[function], partials=partials)
    goes_red(monkeypatch, every_function_has_its_derivative, (functions.FUNCTIONS, function, wrong))


# ---- passes of the calculus ------------------------------------------------------------------------------------------


def test_deltas_solved_without_their_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    plant = (delta, "range_guard", lambda form, index: ONE)
    goes_red(monkeypatch, over_seeds("partial_is_the_derivative", 100), plant)


def test_deltas_forgotten_between_free_indices(monkeypatch: pytest.MonkeyPatch) -> None:
    right = delta.eliminate

    def wrong(factors: Any, bound: Any) -> Any:
        rest, summed, changed = right(factors, bound)
        kept = [factor for factor in rest if not isinstance(factor, Delta)]
        return kept, summed, changed or len(kept) < len(rest)

    goes_red(monkeypatch, over_seeds("partial_is_the_derivative"), (simplify, "eliminate", wrong))


def test_a_sign_flipped_in_a_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    right = simplify.neg_simplified
    plant = (simplify, "neg_simplified", lambda term: term if isinstance(term, Indexed) else right(term))
    goes_red(monkeypatch, over_seeds("forms_keep_the_value", 170), plant)


def test_the_extent_of_an_unused_index_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    right = simplify.simplify_product

    def wrong(factors: Any, bound: Any = ()) -> Any:
        listed = list(factors)
        used = {index for factor in listed for index in factor.free}
        return right(listed, [index for index in bound if index in used])

    goes_red(monkeypatch, over_seeds("forms_keep_the_value", 50), (simplify, "simplify_product", wrong))


def test_a_sum_flattened_without_renaming(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_red(monkeypatch, over_seeds("forms_keep_the_value", 80), (factors, "rename_bound", lambda root, names: root))


def test_a_derivative_term_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.calculus.test_regressions import test_a_definition_that_binds_a_letter_of_its_reader as check

    goes_red(monkeypatch, check, (partial.Term, "apart_from", lambda self, indices: self))


def test_a_factor_lost_while_collecting(monkeypatch: pytest.MonkeyPatch) -> None:
    right = collect._key

    def wrong(factor: Any) -> Any:  # two entries of one tensor are taken for one
        return Indexed(factor.tensor) if isinstance(factor, Indexed) else right(factor)

    goes_red(monkeypatch, over_seeds("forms_keep_the_value", 140), (collect, "_key", wrong))


def test_a_product_rule_without_its_second_half(monkeypatch: pytest.MonkeyPatch) -> None:
    right = partial.Differentiator._rule

    def wrong(self: Any, node: Any) -> Any:
        return right(self, node)[:1] if isinstance(node, Mul) else right(self, node)

    goes_red(monkeypatch, over_seeds("partial_is_the_derivative"), (partial.Differentiator, "_rule", wrong))


def test_letters_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A printer that gives two bound indices one letter."""
    right = naming.well_named

    def wrong(equation: Equation, written: bool = True) -> Equation:
        made = right(equation, written)
        text = str(made).replace("J", "I").replace("M", "K")
        return parse(text) if text != str(made) else made

    check = over_seeds("backward_is_the_gradient", 25)
    goes_red(monkeypatch, check, (naming, "well_named", wrong), (stable, "well_named", wrong))


def test_a_name_for_what_is_not_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    right = naming.pattern

    def wrong(expr: Any) -> Any:  # the order of the free indices is forgotten
        key, order = right(expr)
        return key, tuple(sorted(order, key=lambda index: index.name))

    unlike = naming, "unified", lambda *_: None  # what is laid on letter by letter is not asked for its pattern
    goes_red(monkeypatch, over_seeds("forward_names_are_equal", 400), (naming, "pattern", wrong), unlike)


def test_a_name_laid_on_the_wrong_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    right = naming.unified

    def wrong(*arguments: Any) -> Any:  # as many letters, in another order
        found = right(*arguments)
        return found and dict(zip(found, sorted(found.values(), key=lambda index: index.name), strict=True))

    goes_red(monkeypatch, over_seeds("forward_names_are_equal", 400), (naming, "unified", wrong))


# ---- the contractor --------------------------------------------------------------------------------------------------


def test_one_of_two_readers_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    right = backward.Differentiator
    seen: list[Any] = []  # of one pass, which has names of its own

    class Wrong(right):  # type: ignore[misc, valid-type]
        def terms(self, expr: Any) -> Any:
            if (self.rename, self.tensor) in seen:
                return ()
            seen.append((self.rename, self.tensor))
            return super().terms(expr)

    from tests.calculus.test_backward import ROWS, test_backward

    def check() -> None:
        test_backward(*ROWS["shared weights"])

    goes_red(monkeypatch, check, (backward, "Differentiator", Wrong))
    _forget()
    assert red(over_seeds("backward_is_the_gradient", 25))


def test_a_seed_that_is_not_transposed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = backward._access

    def wrong(cotangent: Any, batch: Any, slots: Any) -> Any:
        return right(cotangent, batch, tuple(slots)[::-1])

    goes_red(monkeypatch, over_seeds("backward_is_the_gradient", 25), (backward, "_access", wrong))


def test_one_of_two_accesses_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    right = partial.Differentiator.terms

    from tests.calculus.test_forward import ROWS, test_tangents

    def check() -> None:
        test_tangents(*ROWS["a tensor used twice"])

    goes_red(monkeypatch, check, (partial.Differentiator, "terms", lambda self, expr: right(self, expr)[:1]))


def test_a_tangent_read_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    right = partial.Term.along

    def wrong(self: Any, tensor: Any, tangent: Any, *others: Any) -> Any:
        pairs = tuple((read, own) for (read, _), (_, own) in zip(self.pairs[::-1], self.pairs, strict=True))
        return right(dataclasses.replace(self, pairs=pairs), tensor, tangent, *others)

    check = over_seeds("passes_are_products_with_the_jacobian", 25)
    goes_red(monkeypatch, check, (partial.Term, "along", wrong))


def test_a_tangent_with_the_size_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    right = passes.pass_equation

    def wrong(*given: Any, sized: bool = True, **options: Any) -> Any:
        return right(*given, sized=False, **options)

    from tests.calculus.test_forward import ROWS, test_tangents

    def check() -> None:
        test_tangents(*ROWS["a bias alone"])

    goes_red(monkeypatch, check, (forward, "pass_equation", wrong))


# ---- proofs ----------------------------------------------------------------------------------------------------------


def test_a_prover_that_believes(monkeypatch: pytest.MonkeyPatch) -> None:
    plant = (proof, "canonical", lambda expr: ONE)
    goes_red(monkeypatch, over_seeds("only_what_is_true_is_proved"), plant)
    _forget()
    assert red(rows("tests.calculus.test_proof", "test_claimed_partial"))


def test_a_prover_that_ignores_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    right = proof.canonical
    plant = (proof, "canonical", lambda expr: min(right(expr), right(neg(expr)), key=lambda e: e.digest))
    goes_red(monkeypatch, over_seeds("only_what_is_true_is_proved", 80), plant)


def test_an_assumption_used_where_its_index_is_used_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from einstan.calculus import assume

    def wrong(node: Any, number: Any, factors: Any, bound: Any, value: Any) -> Any:
        coefficient, flat, summed = simplify.flattened((node,))
        for chosen, _ in assume.matches(factors, flat, {}):
            others = [f for k, f in enumerate(flat) if k not in chosen]
            return sum_over(summed, simplify.mul((Const(coefficient), *others, value)))
        return None

    check = rows("tests.calculus.test_assume", "test_not_used")
    goes_red(monkeypatch, check, (assume, "_used", wrong))


WRONG_PARTIALS = [
    "dZ[n,j]/dX[m,p] = δ[n,m] W[j,p]",
    "dZ[n,j]/dX[m,p] = W[p,j]",
    "dZ[n,j]/dX[m,p] = -δ[n,m] W[p,j]",
    "dZ[n,j]/dX[m,p] = 1/|n| δ[n,m] W[p,j]",
    "dZ[n,j]/dX[m,p] = δ[n,m] W[p,j] + b[j]",
]


@pytest.mark.parametrize("claim", WRONG_PARTIALS)
def test_a_wrong_declared_partial(claim: str) -> None:
    with pytest.raises(ClaimError):
        Layer("Z[n,j] = X[n,K] W[K,j] + b[j]", partials=[claim])


# ---- the machine -----------------------------------------------------------------------------------------------------


def test_loops_that_ignore_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    right = loops.Loops.loop

    def wrong(self: Any, indices: tuple[Index, ...], env: Any) -> Iterator[Any]:
        for inner in right(self, indices, env):
            yield {**inner, indices[0]: 0}

    check = over_seeds("derived_equations_print_and_mean_what_they_say", 25)
    goes_red(monkeypatch, check, (loops.Loops, "loop", wrong))


def test_a_compiled_function_with_a_swapped_transpose(monkeypatch: pytest.MonkeyPatch) -> None:
    from einstan.machine.schedule.scheduler import Scheduler
    from tests.machine.rows import ROWS, arrays
    from tests.machine.test_compile import check

    def wrong(self: Any, seen: Any, *orders: Any) -> Any:
        return seen

    def every_row() -> None:
        for row in ROWS:
            data = arrays(row)
            check(row, data, data)

    goes_red(monkeypatch, every_row, (Scheduler, "ordered", wrong))


# ---- passes over graphs ----------------------------------------------------------------------------------------------


def noticed(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, wrong: Any, made: Any = validation.of_graph
) -> None:
    """Whether the comparison of graphs before and after every pass goes red."""
    green(made)
    monkeypatch.setattr(where, name, wrong)
    assert red(lambda: validation.validated(made, 0, range(COUNTS[made]))), "the plant was not noticed"


COUNTS = {validation.of_graph: 600, validation.of_program: 60}


@cache
def green(made: Any) -> None:
    assert not red(lambda: validation.validated(made, 0, range(COUNTS[made]))), "the check is red without a plant"


def test_folds_that_do_not_know_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two factors, of which one is at the end of the other's chain: both ends are dropped, and one factor is made."""

    def wrong(flat: Any, extents: Any) -> Any:
        folds = seeds._Search(flat, extents).run()
        for fold in folds:
            for other in folds:
                if other.seed in fold.ends:
                    reached = fold.reached | other.reached | {other.seed}
                    both = dataclasses.replace(fold, ends=(fold.ends | other.ends) - reached, reached=reached)
                    return seeds._rebuilt(flat, [both])
        return seeds._rebuilt(flat, folds) if folds else flat

    noticed(monkeypatch, plan, "folded", wrong)


def test_a_factor_moved_through_a_divisor(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = lambda self, reader, value, reached: self.operations[reader].kind in seeds.LINEAR  # noqa: E731
    noticed(monkeypatch, seeds._Search, "linear", wrong)


def test_a_scalar_lost_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    right = seeds._times

    def wrong(new: Any, operation: Any, array: Any, coefficient: Any, factor: Any, where: Any) -> Any:
        return right(new, operation, array, coefficient, seeds.Factor(factor.coefficient, factor.values[:1]), where)

    noticed(monkeypatch, seeds, "_times", wrong)


def test_a_read_of_the_wrong_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    noticed(monkeypatch, operations.Reading, "turned", lambda self, axes: self)


def test_a_window_with_another_stride(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(form: Any, label: int, value: Any) -> Any:
        held = dict(form.labels).get(label, 0)
        return operations.combined(((form, 1), (operations.plain(label), -held), (value, 1))) if held else form

    noticed(monkeypatch, windows, "put", wrong)


def test_an_overlap_without_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = lambda self, form, label: self.add("number", ONE, (), ())  # noqa: E731
    noticed(monkeypatch, windows._Solver, "in_range", wrong)


def test_a_guard_that_only_these_sizes_do_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    right = arrange.Arrangement.read

    def wrong(self: Any, *given: Any) -> Any:
        held, self.general = self.general, False
        made = right(self, *given)
        self.general = held
        return made

    noticed(monkeypatch, arrange.Arrangement, "read", wrong)


def test_a_block_that_begins_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    right = arrange.Arrangement.vector_window

    def wrong(self: Any, ref: Any) -> Any:
        found = right(self, ref)
        return found and dataclasses.replace(found, form=found.form._replace(constant=0))

    noticed(monkeypatch, arrange.Arrangement, "vector_window", wrong)


def test_a_divisor_that_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    noticed(monkeypatch, pairs.Expansion, "reciprocal", lambda self, operation, ref: ref)


def test_a_product_taken_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    right = pairs.Expansion.product

    def wrong(self: Any, operation: Any, numerators: int, first: Any, second: Any, out: Any) -> Any:
        """One that has the same factors, whatever axes they share."""
        for (count, one, other, *_), (value, order) in self.pairs.items():
            same = (count, one, other, len(order)) == (numerators, first.value, second.value, len(out))
            if same and self.graph.dims(value) == tuple(operation.dims[x] for x in out):
                return operations.Ref(value, out)
        return right(self, operation, numerators, first, second, out)

    noticed(monkeypatch, pairs.Expansion, "product", wrong)


def test_a_tree_turned_round_without_its_root(monkeypatch: pytest.MonkeyPatch) -> None:
    right = pairs.turned
    noticed(monkeypatch, pairs, "turned", lambda *given: right(*given)[:-1], made=validation.of_program)


def test_a_product_that_is_not_symmetric(monkeypatch: pytest.MonkeyPatch) -> None:
    right = pairs.halves

    def wrong(operands: Any, out: Any, summed: Any) -> Any:
        found = right(operands, out, summed)
        return found and dataclasses.replace(found, shared=found.shared[1:])

    noticed(monkeypatch, pairs, "halves", wrong)


def test_axes_in_an_order_that_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    right = layouts.Layouts.seen

    def wrong(self: Any, value: int) -> Any:
        seen, old = right(self, value), self.graph.operations[value]
        return dataclasses.replace(seen, operands=old.operands)

    noticed(monkeypatch, layouts.Layouts, "seen", wrong)


def test_a_result_in_an_order_that_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    right = layouts.Layouts.run

    def wrong(self: Any) -> Any:
        return right(self)[0], dict(self.tensors)

    noticed(monkeypatch, layouts.Layouts, "run", wrong)


def test_a_value_made_again_that_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    right = recompute.again

    def wrong(made: Any, value: int, later: int, chain: Any) -> Any:
        found = right(made, value, later, chain)
        made_again = found.graph.operations[later]
        kept = dataclasses.replace(made_again, detail=("scale", Const(2))) if made_again.kind == "map" else made_again
        found.graph.operations[later] = kept if len(kept.operands) == 1 else made_again
        return found

    noticed(monkeypatch, recompute, "again", wrong)


def test_a_mask_taken_for_a_range(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = lambda self, brackets, factors, guards: set(range(len(brackets)))  # noqa: E731
    noticed(monkeypatch, products.Products, "redundant", wrong, made=validation.of_program)


# ---- optimisation ----------------------------------------------------------------------------------------------------


def test_a_delta_of_one_term_taken_for_one_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    from einstan.optimize import structure

    def wrong(block: Any) -> Any:
        found = [term.axes for term in block.apart.terms]
        rank = len(found[0]) - block.rank if block.turned else block.rank
        joined = {
            (p, q) for axes in found for p in range(rank) for q in range(len(axes) - rank) if axes[p] == axes[rank + q]
        }
        return {(q, p) for p, q in joined} if block.turned else joined

    check = rows("tests.optimize.test_curvature", "test_equations_and_products_agree")
    goes_red(monkeypatch, check, (structure.Block, "pairs", property(wrong)))


def test_a_step_that_leads_up_along_negative_curvature(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    from einstan.optimize import systems

    def wrong(matrix: Any, right: Any) -> Any:
        return np.linalg.solve(matrix, right[..., None])[..., 0], []

    check = rows("tests.optimize.test_systems", "test_descent")
    goes_red(monkeypatch, check, (systems, "_by_eigenvalues", wrong))
