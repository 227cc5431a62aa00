"""Every way to the derivatives of a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import einstan as es
from einstan.machine.evidence.verify import compare
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import FLOATS
from tests.routes.case import Case
from tests.routes.forward import NUMBA, executed, nested, other_sizes, resized, sensible
from tests.routes.run import Compared, Run, route


def gradients(run: Run, found: Any, case: Case | None = None) -> Iterator[Compared]:
    """The gradients among these results."""
    case = case or run.case
    for name in case.wrt:
        if f"d{name}" in found:
            yield f"d{name}", found[f"d{name}"], case.gradient(name)


def entries(case: Case, limit: int = 400) -> bool:
    return sum(case.data[name].size for name in case.wrt) <= limit


@route("backward.compile")
def backward(run: Run) -> Iterator[Compared]:
    yield from gradients(run, run.backward.compile()(run.data))


@route("backward.compile(outputs)", share=0.2)
def backward_some(run: Run) -> Iterator[Compared]:
    """Gradients and forward values."""
    names = [*(f"d{name}" for name in run.case.wrt), *(line.name for line in run.case.lines)]
    wanted = run.rng.sample(names, run.rng.randint(1, len(names)))
    found = run.backward.compile(outputs=wanted)(run.data)
    yield "outputs", sorted(found) == sorted(wanted), True
    yield from gradients(run, found)
    for name in found.keys() & run.case.by_name:
        yield name, found[name], run.case.values[name]


@route("backward by loops", share=0.06)
def backward_by_loops(run: Run) -> Iterator[Compared]:
    whole = run.backward.whole
    read = {str(name) for name in whole.inputs}
    found = evaluate(whole, {n: a for n, a in run.data.items() if n in read}, None, FLOATS)
    yield from gradients(run, {str(name): nested(tensor) for name, tensor in found.items()})


@route("backward.compile(any_size=True)", share=0.1)
def backward_any_size(run: Run) -> Iterator[Compared]:
    made = run.backward.compile(any_size=True)
    yield from gradients(run, made(run.data))
    other = other_sizes(run.case)
    if resized(other) and sensible(other) and other.derivable:
        yield from gradients(run, made(other.data), other)


@route("backward.compile(reuse_buffers=True)", share=0.06)
def backward_reuse(run: Run) -> Iterator[Compared]:
    made = run.backward.compile(reuse_buffers=True)
    first = run.data
    made(first)
    other = run.case.with_sizes(run.case.sizes, run.case.data_seed + 1)
    if sensible(other) and other.derivable:
        yield from gradients(run, made(other.data), other)
    yield from gradients(run, made(first))


@route("backward.compile(fast=True)", share=0.002, when=lambda case: NUMBA)
def backward_numba(run: Run) -> Iterator[Compared]:
    made = run.backward.compile(fast=True)
    yield from gradients(run, made(run.data))


@route("backward.source()", share=0.06, when=lambda case: case.dtype != "mixed")
def backward_source(run: Run) -> Iterator[Compared]:
    text = run.backward.source(dtype=run.dtype)
    yield from gradients(run, executed(text, run.data))
    other = other_sizes(run.case)
    if resized(other) and sensible(other) and other.derivable:
        yield from gradients(run, executed(text, other.data), other)


@route("str(backward.whole) again", share=0.06)
def backward_printed(run: Run) -> Iterator[Compared]:
    again = es.Program(str(run.backward.whole))
    made = again.compile(outputs=[f"d{name}" for name in run.case.wrt])
    read = {str(name) for name in again.inputs}
    yield from gradients(run, made({name: a for name, a in run.data.items() if name in read}))


def again(run: Run, printed: str, arrays: dict[str, Any]) -> Any:
    """What a text computes as a program of its own, which is given what it reads, and what tells it sizes."""
    made = es.Program(printed).compile(fast=False)
    return made({name: arrays[name] for name in (*made.texts, *made.unread) if name in arrays})


@route("str(backward) alone", share=0.06)
def backward_alone(run: Run) -> Iterator[Compared]:
    """A backward pass by itself reads forward values; the gradients that it defines are its own."""
    yield from gradients(run, again(run, str(run.backward), {**run.data, **run.program.compile()(run.data)}))


def directed(run: Run) -> dict[str, Any]:
    return {**run.data, **{f"t{name}": v for name, v in run.moved.items()}}


@route("str(jvp.whole) again", share=0.04, group="jvp")
def jvp_printed(run: Run) -> Iterator[Compared]:
    found = again(run, str(run.jvp.whole), directed(run))
    want = sum(np.vdot(run.case.gradient(name), v) for name, v in run.moved.items())
    yield f"t{run.case.loss}", found[f"t{run.case.loss}"], want


@route("str(hvp.whole) again", share=0.03, when=entries, second=True, group="hvp")
def hvp_printed(run: Run) -> Iterator[Compared]:
    found = again(run, str(run.hvp.whole), directed(run))
    for name in run.case.wrt:
        yield f"td{name}", found[f"td{name}"], run.bent[name]


@route("str(backward) with forward", share=0.06)
def backward_with_forward(run: Run) -> Iterator[Compared]:
    """What is printed below what was written is one program."""
    again = es.Program(f"{run.case.text}\n{run.backward}")
    made = again.compile(outputs=[f"d{name}" for name in run.case.wrt])
    yield from gradients(run, made(run.data))


@route("partial", share=0.12, group="partial")
def partial(run: Run) -> Iterator[Compared]:
    (found,) = run.partial.compile()(run.data).values()
    yield f"d{run.case.loss}/d{run.one}", found, run.case.gradient(run.one)


@route("partial of a tensor", share=0.1)
def partial_of_a_tensor(run: Run) -> Iterator[Compared]:
    of, wrt = run.inner
    made = run.program.partial(of, wrt).compile()
    (found,) = made(run.data).values()
    yield f"d{of}/d{wrt}", found, run.case.jacobians[of][wrt]


@route("derivative", share=0.04)
def derivative(run: Run) -> Iterator[Compared]:
    of, wrt = run.inner
    want = run.case.jacobians[of][wrt]
    made = run.program.derivative(of, wrt)
    found = made(run.data)
    yield "dense()", found.dense(), want
    v = run.direction(wrt)
    yield "H @ v", found @ v, np.tensordot(want, v, v.ndim)
    yield "compile().dense", made.compile().dense(run.data), want
    if want.size:
        place = tuple(run.rng.randrange(size) for size in want.shape)
        yield f"entry {place}", np.asarray(found[place].dense()), want[place]


@route("hessian", share=0.02, when=entries, second=True)
def hessian(run: Run) -> Iterator[Compared]:
    found = run.program.hessian(run.case.loss, run.one)(run.data)
    v = run.direction(run.one)
    want = run.case.hessian_product({run.one: v})[run.one]
    yield "H @ v", found @ v, want
    yield "dense", np.tensordot(found.dense(), v, v.ndim), want


@route("orders of a derivative", share=0.02)
def orders(run: Run) -> Iterator[Compared]:
    of, wrt = run.inner
    for order in ("forward", "reverse", "cross-country"):
        yield (
            f"d{of}/d{wrt} {order}",
            run.program.derivative(of, wrt, order=order)(run.data).dense(),
            run.case.jacobians[of][wrt],
        )


@route("hessian of two", share=0.01, when=entries, second=True)
def hessian_of_two(run: Run) -> Iterator[Compared]:
    other = run.rng.choice(run.case.wrt)
    found = run.program.hessian(run.case.loss, run.one, other)(run.data)
    v = run.direction(other)
    yield f"{run.one} {other}", np.tensordot(found.dense(), v, v.ndim), run.case.hessian_product({other: v})[run.one]


@route("partial of a partial", share=0.04, when=entries, second=True, group="partial")
def partial_of_a_partial(run: Run) -> Iterator[Compared]:
    v = run.direction(run.one)
    want = run.case.hessian_product({run.one: v})[run.one]
    if not np.abs(want).max(initial=0) > 1e-3:
        return  # what does not depend has no partial, and is refused
    once = run.partial
    (found,) = once.partial(str(once.equations[0].name), run.one).compile()(run.data).values()
    yield run.one, np.tensordot(found, v, v.ndim), want


@route("derivation", share=0.01)
def derivation(run: Run) -> Iterator[Compared]:
    """Every step is proved; of a random program numbers may decide, and of a row in ``unproved`` they do."""
    by_numbers = getattr(run.case, "unproved", True)
    made = run.program.derivation(run.case.loss, run.one)
    for steps in made if isinstance(made, tuple) else (made,):
        for proof in steps.check():
            true = proof or (by_numbers and compare(proof.left, proof.right, steps.program, 3, 4).verdict != "differ")
            yield "steps", "" if true else str(proof), ""


@route("jvp", share=0.06, group="jvp")
def jvp(run: Run) -> Iterator[Compared]:
    found = run.jvp.compile()(directed(run))
    want = sum(np.vdot(run.case.gradient(name), v) for name, v in run.moved.items())
    yield f"t{run.case.loss}", found[f"t{run.case.loss}"], want


@route("jvp of some", share=0.03, when=lambda case: len(case.wrt) > 1)
def jvp_of_some(run: Run) -> Iterator[Compared]:
    """Along directions of other names."""
    wrt = run.rng.sample(run.case.wrt, run.rng.randint(1, len(run.case.wrt) - 1))
    made = run.program.jvp(run.case.loss, {name: f"V{name}" for name in wrt}).compile()
    found = made({**run.data, **{f"V{name}": run.moved[name] for name in wrt}})
    want = sum(np.vdot(run.case.gradient(name), run.moved[name]) for name in wrt)
    yield f"t{run.case.loss}", found[f"t{run.case.loss}"], want


@route("vjp", share=0.08)
def vjp(run: Run) -> Iterator[Compared]:
    of, wrt = run.inner
    cotangent = run.like(run.case.values[of], of)
    made = run.program.vjp({of: "Cot"}, [wrt]).compile()
    found = made({**run.data, "Cot": cotangent})
    yield f"d{wrt}", found[f"d{wrt}"], np.tensordot(cotangent, run.case.jacobians[of][wrt], cotangent.ndim)


@route("products, batched", share=0.04)
def batched(run: Run) -> Iterator[Compared]:
    of, wrt = run.inner
    want = run.case.jacobians[of][wrt]
    v = np.stack([run.direction(wrt, salt) for salt in "ab"])
    found = run.program.jvp(of, {wrt: "Dir"}, batch="r").compile()({**run.data, "Dir": v})
    yield f"t{of}", found[f"t{of}"], np.stack([np.tensordot(want, each, each.ndim) for each in v])
    c = np.stack([run.like(run.case.values[of], of + salt) for salt in "ab"])
    found = run.program.vjp({of: "Cot"}, [wrt], batch="r").compile()({**run.data, "Cot": c})
    yield f"d{wrt}", found[f"d{wrt}"], np.stack([np.tensordot(each, want, each.ndim) for each in c])


@route("hvp", share=0.06, when=entries, second=True, group="hvp")
def hvp(run: Run) -> Iterator[Compared]:
    found = run.hvp.compile()(directed(run))
    for name in run.case.wrt:
        yield f"td{name}", found[f"td{name}"], run.bent[name]


@route("hvp of one", share=0.02, when=entries, second=True, group="hvp")
def hvp_of_one(run: Run) -> Iterator[Compared]:
    v = run.direction(run.one)
    made = run.program.hvp(run.case.loss, {run.one: f"V{run.one}"}).compile()
    found = made({**run.data, f"V{run.one}": v})
    yield f"td{run.one}", found[f"td{run.one}"], run.case.hessian_product({run.one: v})[run.one]


@route("hvp of all, batched", share=0.02, when=entries, second=True, group="hvp")
def hvp_of_all(run: Run) -> Iterator[Compared]:
    """Two directions at once, along all inputs together."""
    rows = [{name: run.direction(name, salt) for name in run.case.wrt} for salt in "ab"]
    made = run.program.hvp(run.case.loss, {name: f"V{name}" for name in run.case.wrt}, batch="r").compile()
    stacked = {f"V{name}": np.stack([row[name] for row in rows]) for name in run.case.wrt}
    found = made({**run.data, **stacked})
    wanted = [run.case.hessian_product(row) for row in rows]
    for name in run.case.wrt:
        yield f"td{name}", found[f"td{name}"], np.stack([want[name] for want in wanted])


@route("claims", share=0.01, when=lambda case: "empty" not in case.features, group="partial")
def claims(run: Run) -> Iterator[Compared]:
    """What is derived is not refuted; a line that speaks of no gradient of a tensor is a definition."""
    gradients = {f"d{name}" for name in run.program.ranks}
    lines = [f"claim {e}" if e.name in gradients else str(e) for e in run.backward]
    report = es.check("\n".join([run.case.text, *lines, f"claim {run.partial}"]))
    yield "verdicts", "\n".join(str(line) for line in report.claims if line.mark == "✗"), ""
