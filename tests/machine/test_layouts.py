"""The order of axes: products whose groups stand side by side need no copy, and what is computed stays the same."""

import numpy as np
import pytest

from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.machine.run.compile import compile

NETWORKS = {
    "Tucker": ("T[i,j,k] = G[A,B,C] U[i,A] V[j,B] W[k,C]", "abc,ia,jb,kc->ijk"),
    "CP": ("T[i,j,k] = A[i,R] B[j,R] C[k,R]", "ir,jr,kr->ijk"),
    "train": ("T[p,q,r,s] = A[p,I] B[I,q,J] C[J,r,K] D[K,s]", "pi,iqj,jrk,ks->pqrs"),
    "batched": ("T[n,i,l] = A[n,i,J] B[n,J,K] C[n,K,l]", "nij,njk,nkl->nil"),
    "bilinear": ("T[b,k] = X[b,I] W[k,I,J] Y[b,J]", "bi,kij,bj->bk"),
    "crossed": ("T[i,l] = A[i,J,K,M] B[K,M,J,l] C[l]", "ijkm,kmjl,l->il"),
}
SIZES = dict(zip("abcijklmnpqrs", (3, 4, 5, 6, 7, 2, 3, 4, 5, 2, 3, 4, 5), strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_and_its_gradients_in_any_order_of_axes(name):
    text, spec = NETWORKS[name]
    inputs, _, out = spec.partition("->")
    rng = np.random.default_rng(0)
    names = [factor.split("[")[0] for factor in text.split(" = ")[1].split()]
    arrays = {key: rng.normal(size=[SIZES[x] for x in own]) for key, own in zip(names, inputs.split(","), strict=True)}
    cotangent = rng.normal(size=[SIZES[x] for x in out])
    slots = ",".join(x.upper() for x in out)
    program = Program([parse(text), parse(f"L = G0[{slots}] T[{slots}]")])
    program = joined(program, backward(program, "L", tuple(names)))
    step = compile(program, ["T", *(f"d{key}" for key in names)], fast=False)
    found = step(G0=cotangent, **arrays)
    np.testing.assert_allclose(found["T"], np.einsum(spec, *arrays.values()), rtol=1e-12, atol=1e-12)
    for k, (key, own) in enumerate(zip(names, inputs.split(","), strict=True)):
        specs, given = inputs.split(","), list(arrays.values())
        specs[k], given[k] = out, cotangent
        wanted = np.einsum(f"{','.join(specs)}->{own}", *given)
        np.testing.assert_allclose(found[f"d{key}"], wanted, rtol=1e-12, atol=1e-12)
    if name != "crossed":  # there the operands themselves stand in orders that no product can read
        forward = compile(parse(text), fast=False)
        forward(**arrays)
        assert "[...] =" not in forward.source()


def test_a_copy_that_two_products_need_is_made_once():
    step = compile(Program([parse("Y[i] = A[i,J,K,L] B[J,L]"), parse("Z[k] = Y[I] A[I,J,k,L] C[J,L]")]), fast=False)
    rng = np.random.default_rng(0)
    A, B, C = rng.normal(size=(3, 4, 5, 6)), rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
    found = step(A=A, B=B, C=C)
    Y = np.einsum("ijkl,jl->i", A, B)
    np.testing.assert_allclose(found["Y"], Y, rtol=1e-12)
    np.testing.assert_allclose(found["Z"], np.einsum("i,ijkl,jl->k", Y, A, C), rtol=1e-12)
