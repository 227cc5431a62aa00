"""Plans of one device of a mesh: what is exchanged, and that nothing else becomes more."""

import re

import pytest

import einstan as es
from tests.machine import spread


@pytest.mark.parametrize("row", spread.PROGRAMS)
def test_the_plan_says_what_is_exchanged(row: str) -> None:
    text, wrt, sizes, shard, expected = spread.PROGRAMS[row]
    program, outputs = spread.asked(text, wrt)
    plan = program.plan(sizes, outputs=outputs, mesh=spread.MESH, shard=shard)
    assert [step.call for step in plan.steps if step.exchanged] == expected
    assert plan.flops <= program.plan(sizes, outputs=outputs).flops


@pytest.mark.parametrize("layout", spread.LAYOUTS)
def test_a_block_exchanges_as_little_as_one_written_by_hand(layout: str) -> None:
    mesh, shard, kept, expected = spread.LAYOUTS[layout]
    made = spread.network().value_and_grad("L")
    plan = made.plan(spread.SIZES, update=es.Adam(0.1), mesh=mesh, shard=shard, shard_params=kept, itemsize=4)
    assert {f"{each.kind} {'×'.join(each.axes)}": (each.arrays, each.messages) for each in plan.traffic} == expected


def test_what_is_added_up_is_exchanged_once() -> None:
    """The cotangent of what three products read is one sum before it is exchanged: 4 times 16,384 bytes, not 6."""
    plan = spread.network().value_and_grad("L").plan(
        spread.SIZES, mesh={"model": 4}, shard={"h": "model", "f": "model"}, itemsize=4
    )  # fmt: skip
    (traffic,) = plan.traffic
    assert (traffic.arrays, traffic.bytes, traffic.sent) == (4, 65_536, 98_304)
    assert str(traffic) == "all-reduce along model: 4 arrays in 4 messages, 65.5 kB; each device sends 98.3 kB"


def test_a_part_of_a_sum_is_passed_on_by_what_is_linear_alone() -> None:
    def exchanged(text: str) -> list[tuple[str, str]]:
        plan = es.Program(text).plan({"k": 8, "n": 8, "j": 8}, outputs=["Z"], mesh={"m": 4}, shard={"k": "m"})
        return [(step.call, step.einsum or step.equation) for step in plan.steps if step.exchanged]

    assert len(exchanged("Z[n,j] = X[n,K] W[K,j] - 2 X[n,K] V[K,j]")) == 1  # added up before
    assert len(exchanged("Z[n,j] = X[n,K] W[K,j] + X[n,K] V[K,j] + b[j]")) == 1  # and the bias behind
    assert len(exchanged("Z[n,j] = exp(X[n,K] W[K,j]) + exp(X[n,K] V[K,j])")) == 2
    assert len(exchanged("Z[n] = sum[J](X[n,K] W[K,J] a[J])")) == 1


def test_one_device_along_a_mesh_axis_exchanges_nothing() -> None:
    plan = es.Program("Z[n,j] = X[n,K] W[K,j]").plan(
        {"n": 8, "k": 8, "j": 4}, mesh={"data": 1, "model": 4}, shard={"n": "data", "k": "model"}
    )
    assert [each.axes for each in plan.traffic] == [("model",)]


def test_what_is_computed_twice_to_fit_is_exchanged_once() -> None:
    made, (mesh, shard, *_) = spread.network().value_and_grad("L"), spread.LAYOUTS["both"]
    plan = made.plan(spread.SIZES, mesh=mesh, shard=shard)
    tight = made.plan(spread.SIZES, mesh=mesh, shard=shard, memory_limit=plan.peak_memory - 2000)
    assert tight.recomputed
    assert tight.peak_memory < plan.peak_memory
    assert tight.traffic == plan.traffic
    assert all(step.layout.count("·") <= len(step.shape) for step in tight.steps)
    assert {step.result: step.layout for step in plan.steps}.items() <= {
        s.result: s.layout for s in tight.steps
    }.items()


def test_the_table_says_how_values_lie_and_what_is_sent() -> None:
    plan = es.Program("Z[n,j] = X[n,K] W[K,j]").plan(
        {"n": 8, "k": 8, "j": 4}, mesh={"data": 2, "model": 4}, shard={"n": "data", "k": "model"}, itemsize=4
    )
    head, _, product, exchange, _, *totals = [re.split(r"  +", line) for line in str(plan).split("\n")]
    assert head[7:10] == ["shape", "layout", "exchanged"]
    assert product == ["t2", "nK,Kj->nj", "matmul", "64", "64 bytes", "64 bytes", "3", "4 x 4", "data, · Σ model", "m0",
                       "Z[n,j] = X[n,K] W[K,j]"]  # fmt: skip
    assert exchange == ["Z", "all-reduce model", "0", "64 bytes", "64 bytes", "2", "4 x 4", "data, ·", "64 bytes",
                        "96 bytes", "m1", "Z[n,j] = X[n,K] W[K,j]"]  # fmt: skip
    assert totals[-2:] == [
        ["each of 8 devices does this: 2 along data x 4 along model"],
        ["all-reduce along model: 1 array in 1 message, 64 bytes; each device sends 96 bytes"],
    ]
    assert plan.to_dict()["traffic"] == [
        {"kind": "all-reduce", "axes": ("model",), "arrays": 1, "messages": 1, "bytes": 64, "sent": 96}
    ]


def test_the_code_is_that_of_one_device() -> None:
    plan = es.Program("Z[n,j] = X[n,K] W[K,j] + b[j]").plan(
        {"n": 8, "k": 8, "j": 4}, mesh={"data": 2, "model": 4}, shard={"n": "data", "k": "model"}
    )
    assert plan.code.text.partition("def step")[2].split("\n") == [
        "(X, W, b):",
        '    """Returns (Z): the parts of one device of a mesh, 2 along data, 4 along model, in a shard_map."""',
        "    # Z[n,j] = X[n,K] W[K,j] + b[j]",
        "    t1 = jnp.dot(X, W)",
        "    t2 = jax.lax.psum(t1, 'model')",
        "    Z = t2 + b",
        "    return Z,",
        "",
    ]
