"""Plans: paths, costs, the table, and what is refused."""

import random

import numpy as np
import opt_einsum
import pytest

import einstan as es
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.errors import DataError, ExtentError, ProgramError
from einstan.language.functions import FUNCTIONS
from einstan.machine.paths import paths
from einstan.machine.paths.pairs import pair_order
from einstan.machine.plan.plan import plan
from einstan.machine.run.compile import compile
from einstan.machine.sizes.memory import available_memory, human_bytes

CHAIN = "Z[i,l] = A[i,J] B[J,K] C[K,l]"
SIZES = {"i": 2, "j": 30, "k": 40, "l": 50}


def test_the_table():
    made = plan(parse("Z[n,j] = X[n,K] W[K,j] + b[j]"), {"n": 256, "k": 64, "j": 10})
    equation, rule = "Z[n,j] = X[n,K] W[K,j] + b[j]", "-" * 118
    assert str(made) == (
        "result  einsum     call         FLOPs     read  written  scaling  shape     buffer       equation\n"
        f"{rule}\n"
        f"t3      nK,Kj->nj  matmul     327,680   136 kB  20.5 kB        3  256 x 10  m0           {equation}\n"
        f"Z       nj,j->nj   ufunc add    2,560  20.6 kB  20.5 kB        2  256 x 10  in place m0  {equation}\n"
        f"{rule}\n"
        "FLOPs 330,240 (naive 330,240, separate paths 330,240)   paths by auto\n"
        "largest intermediate 2,560   peak memory 61.5 kB predicted "
        "(20.5 kB laid out beforehand, inputs 136 kB)"
    )


def test_as_data():
    made = plan(parse(CHAIN), SIZES).to_dict()
    assert [step["einsum"] for step in made["steps"]] == ["iJ,JK->iK", "iK,Kl->il"]
    assert made["flops"] == 2 * (2 * 30 * 40 + 2 * 40 * 50)
    assert made["naive_flops"] == 3 * 2 * 30 * 40 * 50
    assert made["largest_intermediate"] == 100
    assert made["input_memory"] == 8 * (2 * 30 + 30 * 40 + 40 * 50)
    assert made["peak_memory"] == 8 * (2 * 40 + 2 * 50) + 64  # a block begins at a cache line


@pytest.mark.parametrize("optimize", ["auto", "optimal", "dp", "greedy", "random-greedy", opt_einsum.RandomGreedy()])
def test_every_optimizer(optimize):
    made = plan(parse(CHAIN), SIZES, optimize=optimize)
    assert 12_800 <= made.flops < made.naive_flops
    data = {"A": np.ones((2, 3)), "B": np.ones((3, 4)), "C": np.ones((4, 5))}
    assert compile(parse(CHAIN), optimize=optimize)(data)["Z"].tolist() == [[12.0] * 5] * 2


def test_a_path_by_hand():
    equations = [parse(CHAIN), parse("Q[i,l] = A[i,J] B[J,K] D[K,l]")]
    made = plan(Program(equations), SIZES, optimize={"Z": [(1, 2), (0, 1)]})
    assert next(step.einsum for step in made.steps if step.equation.startswith("Z")) == "JK,Kl->Jl"
    assert next(step.einsum for step in made.steps if step.equation.startswith("Q")) == "iJ,JK->iK"
    one = plan(parse(CHAIN), SIZES, optimize=[(0, 1, 2)])
    assert len(one.steps) == 2


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ([(0, 1)], "2 operands are left where it ends"),
        ([(0, 1, 2), (0, 1)], "the step (0, 1) does not name different positions below 1"),
        ([(0, 3), (0, 1)], "the step (0, 3) does not name different positions below 3"),
        ([(0, 0), (0, 1)], "the step (0, 0) does not name different positions below 3"),
        ([()], "the step () does not name different positions below 3"),
    ],
)
def test_a_path_by_hand_that_does_not_fit(path, why):
    with pytest.raises(ProgramError) as error:
        plan(parse(CHAIN), SIZES, optimize={"Z": path})
    assert str(error.value) == (
        f"the path {path} does not contract 3 operands\n"
        f"  {CHAIN}\n"
        f"  {' ' * CHAIN.index('A[')}{'^' * len(CHAIN[CHAIN.index('A[') :])}\n"
        f"  inferred: {why}\n"
        "  repair:   give pairs of positions; each step removes its operands and appends its result"
    )


def test_gradients_share_intermediates():
    made = plan(
        Program([parse("Z[i,l] = A[i,J] B[J,K] C[K,l]"), parse("Q[i,m] = A[i,J] B[J,K] D[K,m]")]), {**SIZES, "m": 60}
    )
    assert [step.einsum for step in made.steps] == ["iJ,JK->iK", "iK,Kl->il", "iK,Km->im"]


def test_more_letters_than_the_alphabet():
    factors = " ".join(f"A{k}[I{k},I{k + 1}]" for k in range(1, 71))
    made = plan(parse(f"y = {factors}"), {f"i{k}": 2 for k in range(1, 72)})
    assert len(made.steps) > 60
    data = {f"A{k}": np.full((2, 2), 0.5) for k in range(1, 71)}
    assert compile(parse(f"y = {factors}"))(data)["y"] == 2


def test_a_tensor_train_of_sixteen():
    factors = " ".join(f"A{k}[R{k},n{k},R{k + 1}]" for k in range(1, 7))
    equation = parse(f"y[{','.join(f'n{k}' for k in range(1, 7))}] = {factors}")
    made = plan(equation, {**{f"n{k}": 2 for k in range(1, 7)}, **{f"r{k}": 3 for k in range(1, 8)}})
    assert made.flops < made.naive_flops


def test_what_does_not_fit_is_refused_before_it_is_allocated():
    equation = parse("H[n,j,m,p] = δ[n,m] W[p,j]")
    with pytest.raises(DataError) as error:
        plan(equation, {"n": 100_000, "W.0": 1000, "j": 1000})
    taken, available = str(error.value).splitlines()[0].split(", and ")
    assert taken == "H[n,j,m,p] would take 80 PB"
    assert available.endswith(" are available")
    assert str(error.value).splitlines()[1:] == [
        "  H[n,j,m,p] = δ[n,m] W[p,j]",
        "  ^^^^^^^^^^",
        "  inferred: |n| = 100,000, |j| = 1,000, |m| = 100,000, |p| = 1,000",
        "  repair:   ask for the factored form (deltas kept as factors), a product with a vector, or smaller sizes",
    ]
    with pytest.raises(DataError):
        compile(equation, sizes={"n": 100_000})(W=np.ones((1000, 1000)))


def test_a_memory_limit():
    equation = parse("y[i,j] = a[i] b[j]")
    made = plan(equation, {"i": 10, "j": 10}, memory_limit=2400)
    assert made.peak_memory == 2400  # NumPy buffers both operands, because neither has a single stride
    with pytest.raises(DataError) as error:
        plan(equation, {"i": 10, "j": 10}, memory_limit=2399)
    assert str(error.value) == (
        "computing y would take 2.4 kB, and 2.4 kB are allowed\n"
        "  y[i,j] = a[i] b[j]\n"
        "  ^^^^^^\n"
        "  inferred: values that are cheap to compute again are not kept already\n"
        "  repair:   allow more, ask for fewer results at once, or for smaller sizes"
    )
    with pytest.raises(DataError) as error:
        plan(equation, {"i": 10, "j": 10}, memory_limit=799)
    assert str(error.value) == (
        "y[i,j] would take 800 bytes, and 799 bytes are allowed\n"
        "  y[i,j] = a[i] b[j]\n"
        "  ^^^^^^\n"
        "  inferred: |i| = 10, |j| = 10\n"
        "  repair:   ask for a product with a vector, or for smaller sizes"
    )


def test_a_limit_is_for_what_a_call_makes_not_for_what_it_is_given():
    made = plan(parse("y[i] = A[i,J] x[J]"), {"i": 10, "j": 1000}, memory_limit=1000)
    assert made.input_memory > 80_000
    assert made.peak_memory <= 1000


def test_memory_is_measured():
    assert available_memory() > 2**20
    assert [human_bytes(n) for n in (5, 5000, 999_600, 551e9)] == ["5 bytes", "5 kB", "1 MB", "551 GB"]


def test_the_order_of_a_product():
    assert pair_order((0, 1), (1, 2), {0, 2}, None) == (0, 2)
    assert pair_order((0, 1), (1, 2), {0, 2}, (2, 0)) == (2, 0)
    assert pair_order((3, 0, 1), (3, 1, 2), {0, 2, 3}, (3, 0, 2)) == (3, 0, 2)
    assert pair_order((0,), (0, 1), {0, 1}, None) == (0, 1)


def test_random_paths_are_the_same_in_every_search_and_leave_the_generator_alone() -> None:
    labels = tuple((k, k + 1) for k in range(20))
    shapes = tuple((2 + k % 5, 2 + (k + 1) % 5) for k in range(20))
    found = []
    for _ in range(3):
        paths._paths.clear()
        random.seed(7)
        found.append(paths.contraction_steps(labels, shapes, (0, 20), "random-greedy"))
        assert random.random() == random.Random(7).random()
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("text", "sizes", "axis"),
    [
        ("y[i] = x[T[i]]", {"i": 4}, "x.0"),
        ("F[n,d] = E[T[n],d] W[d,K] v[K]", {"n": 3, "d": 4, "k": 5}, "E.0"),
        ("y[i] = x[floor(i/2)]", {"i": 4}, "x.0"),
        ("y[i] = x[mod(i,3)]", {"i": 4}, "x.0"),
        ("y[i] = A[T[i],T[i]]", {"i": 4, "A.0": 2}, "A.1"),
    ],
)
def test_an_axis_that_only_the_array_tells_is_asked_for(text: str, sizes: dict[str, int], axis: str) -> None:
    program = es.Program(text)
    with pytest.raises(ExtentError) as caught:
        program.plan(sizes)
    assert caught.value.repair == (f"give sizes={{{axis!r}: ...}}",)
    assert "peak memory" in str(program.plan({**sizes, axis: 3}))


@pytest.mark.parametrize("name", [name for name, row in FUNCTIONS.items() if row.parameters])
def test_every_function_of_numbers_alone_has_a_plan(name: str) -> None:
    letters = ("a", "b", "c")[: len(FUNCTIONS[name].parameters)]
    program = es.Program(f"y = {name}({', '.join(letters)})" if name != "pow" else "y = a^b")
    assert "peak memory" in str(program.plan({}))
    with np.errstate(all="ignore"):
        program.compile(memory_limit=10_000)(dict.fromkeys(letters, 0.5))
