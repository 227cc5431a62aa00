"""How fast are Jacobians and Hessians that keep their deltas, dense and factored, beside automatic differentiation?

Eight problems, each in several sizes, float64: the closed form written by hand in NumPy, ``jax.jit(jax.hessian)`` or
``jax.jit(jax.jacrev)``, JAX batched by hand with ``vmap`` where a person would see the structure,
``torch.func.hessian`` and HIPS/autograd.  The dense array with its zeros and the factored value are rows of their own.
Then per-example gradients of a classifier, float32.  Every answer is compared with the closed form before it is timed;
contenders run in processes of their own, interleaved; rows that miss their target or lose to the closed form are
printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import common
import per_example
import workers
from contest import Case, Contest, Lost, Row, medians
from hessians import PROBLEMS, Arrays, Problem

TOLERANCE = 1e-9
HAND, OURS, FACTORED, HAND_FACTORED = "NumPy by hand", "einstan", "einstan, factored", "NumPy by hand, factored"
JAX, BATCHED, TORCH, AUTOGRAD = "jax", "jax, batched by hand", "torch.func", "autograd"
HAND_LIMIT = 1.3
AUTOGRAD_LIMIT = 150  # entries of the denominator above which HIPS/autograd, a loop in Python, is left out
RIVAL_BYTES = 3e8  # of the answer, or of what forward-over-reverse holds, above which torch is left out

Call = Callable[[], Any]


# ---- contenders ------------------------------------------------------------------------------------------------------


def by_hand(problem: Problem, given: Arrays) -> Call:
    return lambda: problem.dense(given)


def by_hand_factored(problem: Problem, given: Arrays) -> Call:
    assert problem.cores is not None
    cores = problem.cores
    return lambda: cores(given)


def ours(problem: Problem, given: Arrays, factored: bool = False) -> Call:
    import einstan as es

    compiled = es.Program(problem.text).derivative(problem.of, *[problem.wrt] * problem.order).compile()
    needed = {name: given[name] for name in compiled.inputs}
    return (lambda: compiled(needed)) if factored else (lambda: compiled.dense(needed))


def ours_factored(problem: Problem, given: Arrays) -> Call:
    return ours(problem, given, factored=True)


def by_jax(problem: Problem, given: Arrays) -> Call:
    jax = common.jax()
    transform = jax.hessian if problem.order == 2 else jax.jacrev
    return jitted(problem, given, lambda w, a: transform(lambda w: problem.function(jax.numpy, w, a))(w))


def by_jax_batched(problem: Problem, given: Arrays) -> Call:
    jax = common.jax()
    assert problem.batched is not None
    batched = problem.batched
    return jitted(problem, given, lambda w, a: batched(jax, w, a))


def jitted(problem: Problem, given: Arrays, function: Callable[[Any, Any], Any]) -> Call:
    jax = common.jax()
    others = {name: jax.numpy.asarray(a) for name, a in given.items() if name != problem.wrt}
    w = jax.numpy.asarray(given[problem.wrt])
    made = jax.jit(function)
    return lambda: made(w, others).block_until_ready()


def by_torch(problem: Problem, given: Arrays) -> Call:
    torch = common.torch()
    tensors = {name: torch.tensor(a) for name, a in given.items()}
    w = tensors.pop(problem.wrt)
    transform = torch.func.hessian if problem.order == 2 else torch.func.jacrev
    made = transform(lambda w: problem.torch(torch, w, tensors))
    return lambda: made(w).numpy()


def by_autograd(problem: Problem, given: Arrays) -> Call:
    import autograd

    transform = autograd.hessian if problem.order == 2 else autograd.jacobian
    made = transform(lambda w: problem.function(autograd.numpy, w, given))
    return lambda: made(given[problem.wrt])


MAKERS: dict[str, Callable[[Problem, Arrays], Call]] = {
    HAND: by_hand,
    OURS: ours,
    FACTORED: ours_factored,
    HAND_FACTORED: by_hand_factored,
    JAX: by_jax,
    BATCHED: by_jax_batched,
    TORCH: by_torch,
    AUTOGRAD: by_autograd,
}
NEEDS = {JAX: "jax", BATCHED: "jax", TORCH: "torch", AUTOGRAD: "autograd"}


def takes_part(name: str, problem: Problem, given: Arrays) -> bool:
    w = given[problem.wrt]
    if name in (FACTORED, HAND_FACTORED):
        return problem.target_factored is not None
    if name == BATCHED:
        return problem.batched is not None
    if name == TORCH:
        return float(w.size) * max(a.nbytes for a in given.values()) < RIVAL_BYTES
    return name != AUTOGRAD or w.size <= AUTOGRAD_LIMIT


def written_out(name: str, problem: Problem, answer: Any) -> Any:
    """What a contender gives as a dense array."""
    if name == FACTORED:
        return answer.dense()
    expanded = {HAND_FACTORED: problem.expanded, BATCHED: problem.batched_expanded}.get(name)
    return answer if expanded is None else expanded(answer)


# ---- the script ------------------------------------------------------------------------------------------------------


class Hessians(Contest):
    columns = ("ns / entry", "jax / this", "this / by hand", "target")
    needs = NEEDS
    ours = (OURS, FACTORED)
    turn, rounds, budget = 0.02, 300, 4.0

    def cases(self) -> Sequence[Case]:
        return [*self.problems(), *self.examples()]

    def problems(self) -> Iterator[Case]:
        names = self.available(MAKERS)
        for number, problem in enumerate(PROBLEMS):
            for size in problem.sizes[:1] if self.options.quick else problem.sizes:
                given = problem.data(*size)
                wanted: dict[str, dict[str, float]] = {}
                if size == problem.sizes[2]:
                    wanted[OURS] = {JAX: problem.target_dense}
                    if problem.target_factored is not None:
                        wanted[FACTORED] = {problem.factored_against: problem.target_factored}
                yield case(
                    f"{problem.name}, {' x '.join(map(str, size))}",
                    {"problem": number, "size": size},
                    [name for name in names if takes_part(name, problem, given)],
                    problem.entries(given),
                    wanted,
                )

    def examples(self) -> Iterator[Case]:
        quick = self.options.quick
        batch, widths = (32, (64, 32, 16, 10)) if quick else (256, (784, 128, 64, 10))
        for question, wanted in per_example.WANTED.items():
            yield case(
                f"per-example {question}, {'-'.join(map(str, widths))}, batch {batch}, float32",
                {"question": question, "batch": batch, "widths": widths},
                [name for name in self.available(per_example.MAKERS) if per_example.takes_part(name, question)],
                per_example.entries(question, batch, widths),
                {} if quick else {OURS: wanted},
            )

    def make(self, name: str, request: Mapping[str, Any]) -> workers.Made:
        if "question" in request:
            return per_example.make(name, request)
        problem = PROBLEMS[request["problem"]]
        given = problem.data(*request["size"])
        call = MAKERS[name](problem, given)
        answer = written_out(name, problem, call())
        return call, common.check(name, problem.name, answer, problem.dense(given), TOLERANCE)

    def judge(self, case: Case, rows: Sequence[Row]) -> list[Lost]:
        """A row is lost that misses a target, or takes more than 1.3 times as long as the closed form by hand.

        The time of one entry of the dense answer is what a problem costs against its size.
        """
        times, entries = medians(rows), case.about["entries"]
        lost: list[Lost] = []
        for row in rows:
            name = row["contender"]
            row["entries"], row["ns_per_entry"] = entries, 1e9 * times[name] / max(entries, 1)
            if JAX in times:
                row["speedup"] = times[JAX] / times[name]
            verdicts = []
            for rival, wanted in case.about["wanted"].get(name, {}).items():
                if rival in times:
                    reached = times[rival] / times[name]
                    what = f"{reached:.3g} times as fast as {rival}, wanted {wanted:g}"
                    verdicts.append(f"{what}: {'met' if reached >= wanted else 'missed'}")
                    if reached < wanted:
                        lost.append((case.name, name, what))
            row["verdict"] = "; ".join(verdicts)
            hand = {OURS: HAND, FACTORED: HAND_FACTORED}.get(name)
            if hand in times:
                row["by_hand"] = times[name] / times[hand]
                if row["by_hand"] > HAND_LIMIT:
                    lost.append((case.name, name, f"{row['by_hand']:.2f} times as slow as {hand}"))
        return lost

    def cells(self, row: Row) -> Sequence[str]:
        ratios = [f"{row[key]:.3g}" if key in row else "" for key in ("speedup", "by_hand")]
        return f"{row['ns_per_entry']:.3g}", *ratios, row["verdict"]


def case(name: str, request: Mapping[str, Any], contenders: Sequence[str], entries: int, wanted: Any) -> Case:
    about = {"entries": entries, "wanted": wanted}
    return Case(name, request, contenders, f"{name}: {entries:,} entries", about)


if __name__ == "__main__":
    common.main_guard(Hessians(__file__, __doc__).run)
