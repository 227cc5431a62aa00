"""Where tensors lie on a mesh, by their letters; and what cannot be."""

from typing import Any

import pytest

import einstan as es
from einstan.language.errors import EinstanError
from einstan.machine.sizes.specs import partition, specs_of

DENSE = "Z[n,j] = X[n,K] W[K,j] + b[j]\nA[n,j] = relu(Z[n,j])\nL = 1/|N| A[N,J]^2"
MESH = {"data": 4, "model": 2}
ATTENTION = "S[t,s] = Q[t,D] M[s,D]"


def laid(text: str, wrt: str = "", **options: Any) -> dict[str, tuple[Any, ...]]:
    program = es.Program(text)
    if wrt:
        program = program.backward("L", wrt.split())
    found = specs_of(program.whole, MESH, **{"shard": None, **options}, **program._placing())
    return {str(name): partition(spec) for name, spec in found.kept.items()}


ROWS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "rows": (DENSE, "", {"shard": {"n": "data"}},
             {"X": ("data", None), "W": (None, None), "b": (None,), "Z": ("data", None), "L": ()}),
    "columns": (DENSE, "", {"shard": {"j": "model"}},
                {"X": (None, None), "W": (None, "model"), "b": ("model",), "A": (None, "model")}),
    "several mesh axes": (DENSE, "", {"shard": {"n": ("data", "model")}}, {"X": (("data", "model"), None)}),
    "an input has the letters of its first reader": ("Y[i] = X[i]\nZ[k] = X[k]", "", {"shard": {"k": "data"}},
                                                     {"X": ("data",), "Z": ("data",), "Y": ("data",)}),
    "gradients": (DENSE, "W b", {"shard": {"n": "data", "j": "model"}},
                  {"dW": (None, "model"), "db": ("model",), "dZ": ("data", "model")}),
    "a gradient lies as its tensor, whatever its letters": (
        "S[t,s] = Q[t,D] M[s,D]\nO[t,d] = S[t,S] M[S,d]\nL = O[T,D]^2", "Q M", {"shard": {"t": "data"}},
        {"S": ("data", None), "dS": ("data", None), "dQ": ("data", None), "dM": (None, None)},
    ),
    "entry by entry": ("B[x,y] = tanh(A[x,y])\nA[n,j] = X[n,K] W[K,j]", "", {"shard": {"n": "data"}},
                       {"A": ("data", None), "B": ("data", None)}),
    "parameters in parts": (DENSE, "W b", {"shard": {"n": "data"}, "shard_params": "data"},
                            {"W": ("data", None), "dW": ("data", None), "b": ("data",), "X": ("data", None)}),
    "parameters in smaller parts": (DENSE, "W b", {"shard": {"j": "model"}, "shard_params": "data"},
                                    {"W": ("data", "model"), "b": (("model", "data"),)}),
    "an input with a gradient that is on the mesh axis already": (
        DENSE, "X W", {"shard": {"n": "data"}, "shard_params": "data"}, {"X": ("data", None), "W": ("data", None)},
    ),
    "parameters by name": (DENSE, "W b", {"shard_params": {"W": {"j": "data"}, "b": None, "*": "model"}},
                           {"W": (None, "data"), "b": (None,)}),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_tensors_lie_as_their_letters_say(row: str) -> None:
    text, wrt, options, expected = ROWS[row]
    found = laid(text, wrt, **options)
    assert {name: found[name] for name in expected} == expected


def test_a_step_keeps_the_state_of_its_optimiser_as_its_parameters() -> None:
    net = es.Network(DENSE, parameters={"W": "he", "b": "zeros"})
    plan = net.value_and_grad("L").plan(
        {"n": 8, "k": 8, "j": 8}, update=es.Adam(0.1), mesh=MESH, shard={"n": "data"}, shard_params="data"
    )
    layouts = {step.result: step.layout for step in plan.steps}
    assert {layouts[name] for name in ("W^(new)", "mNew^(W)", "vNew^(W)")} == {"data, ·"}
    assert "reduce-scatter data" in {step.call for step in plan.steps}


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a size that devices do not divide": (
        DENSE, {"mesh": {"data": 3}, "shard": {"n": "data"}},
        "axis 0 of X has 8 entries, which 3 devices do not divide\n"
        "  Z[n,j] = X[n,K] W[K,j] + b[j]\n"
        "             ^\n"
        "  inferred: it is cut along data, 3 devices\n"
        "  repair:   |n| = 6 or 9\n"
        "            or no mesh axis for n: it is whole everywhere then",
    ),
    "a parameter that devices do not divide": (
        DENSE, {"mesh": {"data": 3}, "shard_params": {"W": "data", "b": None}},
        "axis 0 of W has 8 entries, which 3 devices do not divide\n"
        "  Z[n,j] = X[n,K] W[K,j] + b[j]\n"
        "                    ^\n"
        "  inferred: it is cut along data, 3 devices\n"
        "  repair:   shard_params={'W': {'j': 'data'}, 'b': None}\n"
        "            or |k| = 6 or 9",
    ),
    "two indices on one mesh axis": (
        DENSE, {"shard": {"n": "data", "j": "data"}},
        "two indices of Z are on the mesh axis 'data'\n"
        "  Z[n,j] = X[n,K] W[K,j] + b[j]\n"
        "      ^\n"
        "  inferred: n is on 'data' already, so j cannot be\n"
        "  repair:   shard={'n': 'data'}",
    ),
    "a repeated index": (
        "D[i] = A[i,i]", {"shard": {"i": "data"}},
        "two indices of A are on the mesh axis 'data'\n"
        "  D[i] = A[i,i]\n"
        "             ^\n"
        "  inferred: i is on 'data' already, so i cannot be\n"
        "  repair:   shard={}",
    ),
    "one dimension on two mesh axes": (
        "T[t,s] = P[t] P[s]", {"shard": {"t": "data", "s": "model"}},
        "t and s are one dimension, and it would be on two mesh axes\n"
        "  T[t,s] = P[t] P[s]\n"
        "      ^\n"
        "  inferred: t is on 'data', s on 'model'\n"
        "  repair:   shard={'t': 'data'}",
    ),
    "an unknown letter": (
        DENSE, {"shard": {"n": "data", "i": "model"}},
        "i is no index of a tensor\n"
        "  shard={'n': 'data', 'i': 'model'}\n"
        "                       ^\n"
        "  inferred: there are n, j, k\n"
        "  repair:   name one of these",
    ),
    "a capital": (
        DENSE, {"shard": {"N": "data"}},
        "N is no index of a tensor\n"
        "  shard={'N': 'data'}\n"
        "          ^\n"
        "  inferred: there are n, j, k\n"
        "  repair:   'n'",
    ),
    "an unknown mesh axis": (
        DENSE, {"shard": {"j": "modle"}},
        "the mesh has no axis 'modle'\n"
        "  Z[n,j] = X[n,K] W[K,j] + b[j]\n"
        "      ^\n"
        "  inferred: its axes are 'data' (4 devices), 'model' (2 devices)\n"
        "  repair:   did you mean model?",
    ),
    "an unknown mesh axis for a parameter": (
        DENSE, {"shard_params": {"W": "dat"}},
        "the mesh has no axis 'dat'\n"
        "  Z[n,j] = X[n,K] W[K,j] + b[j]\n"
        "                    ^\n"
        "  inferred: its axes are 'data' (4 devices), 'model' (2 devices)\n"
        "  repair:   did you mean data?",
    ),
    "an unknown parameter": (
        DENSE, {"shard_params": {"V": "data"}},
        "V is no input of the program\n"
        "  shard_params={'V': 'data'}\n"
        "                 ^\n"
        "  inferred: there are X, W, b\n"
        "  repair:   name one of these",
    ),
    "a letter that a parameter does not have": (
        DENSE, {"shard_params": {"b": {"k": "data"}}},
        "k is no index of b\n"
        "  shard_params={'b': {'k': 'data'}}\n"
        "                       ^\n"
        "  inferred: there are j\n"
        "  repair:   name one of these",
    ),
    "parameters of which there are none": (
        DENSE, {"shard_params": "data"},
        "shard_params does not say of which parameters, and this program has no gradients that would\n"
        "  repair:   shard_params={'X': 'data'}",
    ),
    "no name of a mesh axis": (
        DENSE, {"shard": {"n": 0}},
        "n is laid out on 0\n"
        "  inferred: the name of an axis of the mesh is meant, or several\n"
        '  repair:   {"n": "data"}',
    ),
    "no letters": (DENSE, {"shard": "n"}, "shard = 'n' has no letters\n  repair:   shard={\"n\": \"data\"}"),
    "no mesh": (
        DENSE, {"mesh": "data", "shard": {"n": "data"}},
        "mesh = 'data' is no mesh of devices\n  repair:   mesh={\"data\": 8}, or jax.make_mesh((8,), (\"data\",))",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", REFUSED)
def test_what_cannot_be_is_refused(row: str) -> None:
    text, options, message = REFUSED[row]
    program = es.Program(text)
    sizes = {"n": 8, "k": 8, "j": 9} if text is DENSE else {"i": 8} if "D[" in text else {"t": 8}
    with pytest.raises(EinstanError) as found:
        program.plan(sizes, **{"mesh": MESH, **options})
    assert str(found.value) == message


def test_a_mesh_is_asked_for() -> None:
    net = es.Network(DENSE, parameters={"W": "he", "b": "zeros"})
    with pytest.raises(EinstanError) as found:
        net.value_and_grad("L").compile().sharding("X")
    assert str(found.value) == (
        'this step is compiled for no mesh of JAX\n  repair:   compile(backend="jax", mesh=mesh, shard=...)'
    )
    with pytest.raises(EinstanError) as found:
        es.Program(DENSE).plan({"n": 8, "k": 8, "j": 8}, shard={"n": "data"})
    assert str(found.value) == 'shard says where on a mesh, and there is none\n  repair:   mesh={"data": 8}'
    with pytest.raises(EinstanError) as found:
        es.Program(DENSE).compile(mesh=MESH, shard={"n": "data"})
    assert str(found.value) == ("a mesh of devices is for JAX, and the backend is 'numpy'\n  repair:   backend=\"jax\"")
    with pytest.raises(EinstanError) as found:
        es.Program(DENSE).compile(backend="jax", mesh=MESH, shard={"n": "data"})
    assert str(found.value) == (
        "mesh = {'data': 4, 'model': 2} is no mesh of devices\n  repair:   mesh=jax.make_mesh((8,), (\"data\",))"
    )
