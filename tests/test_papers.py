"""The five texts: every line comes out as the documents say, the table is up to date, and the checker can be trusted.

Trust is tested by mutation: each true claim is spoilt in every way that a slip of the pen would, the oracle of
`papers_oracle` says whether the result is still true, and what is not must be refuted.
"""

import importlib.util
import random
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import einstan as es
from einstan.calculus.program import Program
from einstan.language import parse_document
from einstan.language.index import Affine, Index, slot
from einstan.language.node import fold, preorder
from einstan.language.statement import Claim
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Equation,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Sum,
    add,
    bound_indices,
    mul,
    neg,
    reciprocal,
    substitute,
    tensors,
)
from einstan.library.claims import judge
from einstan.library.draw import graph_of
from einstan.library.part import Part

PAPERS = Path(__file__).parent.parent / "docs" / "papers"
TEXTS = ("neoh", "park", "kumar", "jiang", "zhao")


def loaded(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracles = loaded("papers_oracle", Path(__file__).parent / "papers_oracle.py")
numpy_oracle = loaded("numpy_oracle", Path(__file__).parent / "numpy_oracle.py")
generate = loaded("generate", PAPERS / "generate.py")
listings = loaded("park_listings", PAPERS / "park_listings.py")
ranks = loaded("neoh_ranks", PAPERS / "neoh_ranks.py")
library = loaded("kumar_library", PAPERS / "kumar_library.py")


def text_of(name):
    return (PAPERS / f"{name}.ein").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reports():
    started = time.process_time()
    found = generate.reports()
    return found, time.process_time() - started


def test_every_line_is_as_the_documents_say(reports):
    for report in reports[0]:
        assert report.ok, str(report)
        assert report.counts["undecided"] == 0


def test_the_documents_are_checked_quickly(reports):
    assert reports[1] < 20  # 10 on an idle machine


@pytest.fixture(scope="module")
def typed():
    return generate.typed_reports()


@pytest.fixture(scope="module")
def others():
    return generate.written_reports()


def test_the_table_is_up_to_date(reports, typed, others):
    written = (PAPERS / "README.md").read_text(encoding="utf-8")
    assert written == generate.readme(reports[0], typed, others), "run python docs/papers/generate.py"


def test_other_derivations_are_proved_and_their_slips_refuted(others):
    """Every display is read, every formula holds, and a slip has a counterexample of a size that one can look at."""
    slips = 0
    for report in others:
        assert report.ok, str(report)
        assert report.displays["partly"] == report.displays["unread"] == 0
        for line in report.claims:
            if line.statement.kind == "refute":
                assert line.statement.comment
                assert all(size <= 3 for size in line.outcome.counterexample.sizes.values()), str(line)
                slips += 1
    assert slips >= 60
    assert sum(len(report.claims) for report in others) >= 120


def test_the_readings_are_up_to_date(typed):
    written = (PAPERS / "typed" / "readings.md").read_text(encoding="utf-8")
    assert written == generate.readings(typed), "run python docs/papers/generate.py"


def test_the_texts_as_they_are_typed_are_read(typed):
    """Most displayed formulas are read whole, every step is as its header says, and all others have a reason."""
    totals = Counter()
    for report in typed:
        totals.update(report.displays)
        assert all(line.holds for line in report.claims), str(report)
        assert report.counts["undecided"] == 0
        for line in report.lines:
            assert not line.problem or any(line.statement.error.repair), str(line)
    assert totals.total() == 250
    assert totals["read"] >= 160


def test_the_derivations_are_up_to_date():
    written = (PAPERS / "derivations.md").read_text(encoding="utf-8")
    assert written == generate.derivations(), "run python docs/papers/generate.py"


@pytest.mark.skipif(
    importlib.util.find_spec("pygraphviz") is None, reason="pygraphviz is not installed: pip install 'einstan[draw]'"
)
def test_the_figures_are_up_to_date():
    """Their nodes and arrows; where Graphviz puts them may change with its version and with the fonts."""
    drawn = generate.figures()
    assert sorted(f"{name}.svg" for name in drawn) == sorted(path.name for path in (PAPERS / "figures").iterdir())
    for name, picture in drawn.items():
        written = (PAPERS / "figures" / f"{name}.svg").read_bytes()
        assert parts_of(written) == parts_of(picture), f"run python docs/papers/generate.py ({name})"


def parts_of(svg):
    """The titles of the nodes and edges, and all that is written."""
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    titles = [node.text for node in root.iter(f"{space}title")]
    return sorted(titles), sorted(node.text for node in root.iter(f"{space}text"))


def test_zhaos_figures_have_his_nodes_and_arrows():
    """One to one, one to one, one to three, three to one, and the last two joined."""
    graphs = {
        name: graph_of(what, extents=extents, scalars=True) for name, (_, what, extents) in generate.FIGURES.items()
    }
    arrows = {name: [(edge.source, edge.target) for edge in graph.edges] for name, graph in graphs.items()}
    spread, gather = [("t", f"x[{k}]") for k in range(3)], [(f"x[{k}]", "z") for k in range(3)]
    assert arrows["zhao-1"] == [("z", "f")]
    assert arrows["zhao-2"] == [("z", "df/dz")]
    assert arrows["zhao-3"] == spread
    assert arrows["zhao-4"] == gather
    assert arrows["zhao-5"] == spread + gather


def test_parks_listings_are_what_the_networks_compute():
    found = listings.differences()
    assert len(found) == 20
    assert max(found.values()) < 1e-12, found


def test_neohs_formulas_hold_for_tensors_of_any_rank():
    report = es.check("\n---\n".join(ranks.documents()))
    assert report.ok, str(report)
    assert report.counts["proved"] == len(ranks.documents()) == 116
    assert report.counts["refuted"] == 19  # the letters as printed


def test_kumars_layers_have_their_three_passes_as_one_call():
    """Against differences of the forward pass, by each input and by the weights."""
    rng = np.random.default_rng(2020)
    x, s, w, dy = (rng.normal(size=n) for n in (4, 4, 4, 3))
    given = {"mse": {"x": x, "s": s}, "linear": {"x": x, "w": rng.normal(size=(3, 4))}, "add": {"x": x, "w": w}}
    given["correlation"] = {"x": x, "w": w[:2]}
    for name, layer in library.LAYERS.items():
        arrays, above = given[name], {"mse": 0.7, "linear": dy}.get(name, s)
        found = library.passes(layer, above, **arrays)
        for wrt, pass_ in (("x", found.backward), ("w", found.gradient)):
            if wrt not in arrays:
                assert pass_ is None
                continue
            for at in np.ndindex(arrays[wrt].shape):
                step = np.zeros_like(arrays[wrt])
                step[at] = 1e-5
                ends = [library.passes(layer, above, **arrays | {wrt: arrays[wrt] + k * step}) for k in (1, -1)]
                slope = np.sum(above * (ends[0].forward - ends[1].forward)) / 2e-5
                np.testing.assert_allclose(pass_[at], slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("partial", library.SLIPS)
def test_kumars_layers_are_refused_with_a_slip(partial):
    assert "this is not the derivative" in library.refused(partial, library.SLIPS[partial][0])


def test_parks_softmax_as_printed_is_wrong_for_samples_in_columns():
    Z = np.array([[1.0, 2.0], [3.0, 5.0]])
    np.testing.assert_allclose(listings.np_softmax(Z).sum(axis=0), 1)
    assert not np.allclose(listings.np_softmax_as_printed(Z).sum(axis=0), 1)
    np.testing.assert_allclose(listings.np_softmax_as_printed(Z.T).T, listings.np_softmax(Z))  # it is right for rows


def test_every_refuted_line_gives_its_reason(reports):
    for report in reports[0]:
        for line in report.claims:
            if line.statement.kind == "refute":
                assert line.statement.comment
                assert all(size <= 3 for size in line.outcome.counterexample.sizes.values()), str(line)


def pasted(claim, part, example):
    """The printed arrays, evaluated as Python, with what the part defines on top of them."""
    arrays = {name: eval(text, {"__builtins__": {}}) for name, text in example.arrays.items()}
    indices = tuple({index.name: index for index in (*claim.lhs.free, *claim.rhs.free)}.values())
    line = Equation("the claim", indices, Apply("=", (claim.lhs, claim.rhs)))
    whole = Program((*part.program.equations, line))
    dims = {whole.dims.find(f"{name}.{k}"): size for name, v in arrays.items() for k, size in enumerate(np.shape(v))}
    for index in indices:  # what no array tells is as long as the place that is looked at needs
        others = [i for i in indices if whole.dim(line, i) == whole.dim(line, index)]
        dims.setdefault(whole.dim(line, index), 1 + max(example.at[i.name] for i in others))
    for equation in whole:
        for index, form in equation.where:
            (extent, _), *_ = form.terms or ((None, 0),)
            dims[whole.dim(equation, index)] = dims[whole.dim(equation, extent.index)] if extent else form.constant
    for name, rank in part.program.inputs.items():  # what the two sides do not depend on can be anything
        weight = any(name in tensors(part.program[given].rhs) for given in part.given)
        if str(name) not in arrays and (weight or not part.is_derivative(name)):
            shape = [dims.get(whole.dims.find(f"{name}.{k}"), 1) for k in range(rank)]
            arrays[str(name)] = np.random.default_rng(0).random(shape)
    made = numpy_oracle.Pasted(
        arrays, part.program.equations, lambda e, i: dims.get(whole.dim(e, i), 1), part.is_derivative, part.loss
    )
    at = {index: example.at[index.name] for index in indices}
    return [made.value(side, at, line, {}) for side in (claim.lhs, claim.rhs)]


def test_printed_counterexamples_give_the_printed_values():
    seen = 0
    for name in TEXTS:
        for document in parse_document(text_of(name)).parts:
            part = Part(document)
            for statement in document.statements:
                if statement.kind == "refute":
                    example = judge(statement.content, part).counterexample
                    printed = [float(Fraction(text)) for text in (example.left, example.right)]
                    found = pasted(statement.content, part, example)
                    assert found == pytest.approx(printed, rel=1e-6, abs=1e-6), (name, statement.line)
                    assert printed[0] != printed[1]
                    seen += 1
    assert seen >= 22


# ---- mutants ---------------------------------------------------------------------------------------------------------


GUARD = "a dropped range guard"
KINDS = {
    "sign", "factor 2", "a half", "1/|n|", "an extra factor", "a dropped factor", "a dropped term", "a sign inside",
    "two indices swapped", "a neighbour's index", "a sign in a slot", GUARD,
}  # fmt: skip


def variants(expr):
    """Every expression that one slip of the pen makes of this one, with the name of the slip."""
    yield "sign", neg(expr)
    yield "factor 2", mul((Const(2), expr))
    yield "a half", mul((Const(Fraction(1, 2)), expr))
    for index in dict.fromkeys((*expr.free, *bound_indices(expr))):
        yield "1/|n|", mul((reciprocal(Extent(index)), expr))
    for access in scalars_and_entries(expr):
        yield "an extra factor", mul((access, expr))
    inside = list(dict.fromkeys(preorder(expr)))
    for node in inside:
        for change, other in node_variants(node, expr.free):
            yield change, replaced(expr, node, other)


def node_variants(node, free):
    if isinstance(node, Mul):
        for k, factor in enumerate(node.factors):
            guard = isinstance(factor, Iverson) and len(factor.relations) == 2
            yield (GUARD if guard else "a dropped factor"), mul(node.factors[:k] + node.factors[k + 1 :])
    elif isinstance(node, Add):
        for k, term in enumerate(node.terms):
            yield "a dropped term", add(node.terms[:k] + node.terms[k + 1 :])
            yield "a sign inside", add((*node.terms[:k], neg(term), *node.terms[k + 1 :]))
    elif isinstance(node, Indexed):
        slots = node.slots
        for k in range(len(slots)):
            for other in range(k + 1, len(slots)):
                if slots[k] is not slots[other]:
                    swapped = list(slots)
                    swapped[k], swapped[other] = slots[other], slots[k]
                    yield "two indices swapped", Indexed(node.tensor, tuple(swapped))
            for index in dict.fromkeys((*free, *(form.index for form in slots if form.index))):
                if slots[k].index is not None and slots[k].index is not index:
                    yield "a neighbour's index", Indexed(node.tensor, (*slots[:k], slot(index), *slots[k + 1 :]))
    elif isinstance(node, Affine) and node.index is None and len(node.terms) > 1:
        (first, k), *others = node.terms
        yield "a sign in a slot", Affine(((first, -k), *others), node.constant)


def scalars_and_entries(expr):
    """Entries that may stand in front: their indices are free."""
    bound = set(bound_indices(expr))
    found = [n for n in preorder(expr) if isinstance(n, Indexed) and not bound & set(n.free)]
    return list(dict.fromkeys(found))[:2]


def replaced(expr, old, new):
    """The expression with a node replaced; a sum whose index is gone stays a sum."""

    def rule(node, children):
        if node is old:
            return new
        return node.rebuilt(children) if children != node.children else node

    return fold(expr, rule)


def mutants(claim, generator, count):
    found = {}
    for change, rhs in variants(claim.rhs):
        if rhs is not claim.rhs and {i.name for i in rhs.free} <= {i.name for i in (*claim.lhs.free, *claim.rhs.free)}:
            found.setdefault(rhs, change)
    chosen = list(found.items())
    generator.shuffle(chosen)
    by_kind = {}
    for rhs, change in chosen:
        by_kind.setdefault(change, []).append((rhs, change))
    # One of each kind first, so that rare slips are tried as well.
    ordered = [group.pop() for group in by_kind.values()] + [pair for group in by_kind.values() for pair in group]
    return [(change, Claim(claim.lhs, rhs)) for rhs, change in ordered[:count]]


def truth(claim, made):
    """Whether the claim is wrong at some point of an oracle; None where none can tell."""
    answers = [oracle.differs(claim) for oracle in made]
    return True if True in answers else None if None in answers and False not in answers else False


@pytest.mark.slow
def test_no_mutant_passes():
    generator = random.Random(2023)
    tried, wrong, unguarded = Counter(), [], []
    for name in TEXTS:
        for document in parse_document(text_of(name)).parts:
            part = Part(document)
            made = [oracles.Oracle(document, size, seed=size) for size in (2, 3)]
            for statement in document.statements:
                if statement.kind != "claim":
                    continue
                for change, mutant in mutants(statement.content, generator, 5):
                    false = truth(mutant, made)
                    if false is None and change == GUARD:
                        false = made[0].differs_where_inside(mutant)
                    if false is None and change != GUARD:
                        continue
                    verdict = judge(mutant, part, explain=False).verdict
                    if false and verdict != "refuted":
                        wrong.append((name, statement.line, change, str(mutant), verdict))
                    if false is None and verdict in ("proved", "verified"):
                        unguarded.append((name, statement.line, str(mutant)))  # a read outside has no value
                    tried[change] += bool(false) or change == GUARD
    assert not wrong
    assert not unguarded
    assert tried.total() >= 1000
    assert set(tried) == KINDS


def renamed(claim):
    """The claim with every letter replaced, products and sums turned round, and sums over indices one in another."""
    letters = {}

    def other(index):
        letters.setdefault(index, Index(f"{index.name}z", index.dim))
        return letters[index]

    def rule(node, children):
        node = node.rebuilt(children) if children != node.children else node
        if isinstance(node, Mul | Add):
            return type(node)(tuple(reversed(node.children)))
        if isinstance(node, Sum):
            new = tuple(other(index) for index in node.indices)
            body = substitute(node.body, dict(zip(node.indices, new, strict=True)))
            for index in new:
                body = Sum((index,), body)
            return body
        return node

    sides = [fold(side, rule) for side in (claim.lhs, claim.rhs)]
    free = {index: other(index) for index in (*claim.lhs.free, *claim.rhs.free)}
    return Claim(*(substitute(side, free) for side in sides))


@pytest.mark.slow
def test_no_other_spelling_is_refuted():
    for name in TEXTS:
        for document in parse_document(text_of(name)).parts:
            part = Part(document)
            for statement in document.statements:
                if statement.kind == "claim":
                    other = renamed(statement.content)
                    outcome = judge(other, part)
                    assert outcome.verdict in ("proved", "verified"), (name, statement.line, str(other), outcome)


@pytest.mark.slow
def test_the_oracle_agrees_with_the_documents():
    """Test the tester: it calls the claims true and what is to be refuted false, wherever it can evaluate them."""
    told = 0
    for name in TEXTS:
        for document in parse_document(text_of(name)).parts:
            made = [oracles.Oracle(document, size, seed=size) for size in (2, 3)]
            for statement in document.statements:
                if statement.kind in ("claim", "refute"):
                    answer = truth(statement.content, made)
                    assert answer in (None, statement.kind == "refute"), (name, statement.line)
                    told += answer is not None
    assert told > 250
    assert es.check("claim a = b").counts["refuted"] == 1
