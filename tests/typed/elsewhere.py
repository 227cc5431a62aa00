# pyright: strict
"""The same of what needs PyTorch or JAX: a backend's tensors come back as these."""

from __future__ import annotations

from typing import assert_type

import jax
import torch

import einstan as es
from einstan.layers import relu
from einstan.library.factored_tensors import HostedTensor
from einstan.library.to_jax import Function
from einstan.library.to_torch import TorchFunction
from einstan.library.torch_module import NetworkModule
from einstan.machine.run.compiled import Compiled
from einstan.machine.run.hosted import Hosted

TEXT = "Z[n] = X[n,K] w[K]\nL = 1/|N| Z[N]^2"


def of_torch(X: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    net, program, line = es.Network(TEXT, parameters={"w": "zeros"}), es.Program(TEXT), es.parse("y[i] = x[i]^2")
    found = program.backward("L").compile(backend="torch")
    assert_type(found, Hosted)
    assert_type(found(X=X, w=w), dict[str, torch.Tensor])
    assert_type(line.compile(backend="torch")(x=w), dict[str, torch.Tensor])
    assert_type(program.compile(backend="numpy"), Compiled)
    assert_type(
        (program.to_torch("L"), line.to_torch(), relu.to_torch(), net.to_torch())[0], TorchFunction[torch.Tensor]
    )
    assert_type(program.to_torch(["Z", "L"])(X, w), tuple[torch.Tensor, ...])
    module = net.to_torch_module({"w": w})
    assert_type(module, NetworkModule[torch.Tensor])
    assert_type(module(X), torch.Tensor)
    loss, gradients = net.value_and_grad("L").compile(backend="torch")({"w": w}, X=X)
    assert_type((loss, gradients), tuple[torch.Tensor, dict[str, torch.Tensor]])
    assert_type(net.evaluator("Z", backend="torch")({"w": w}, X=X), dict[str, torch.Tensor])
    hessian = program.hessian("L", "w").compile(backend="torch")
    assert_type(hessian(X=X, w=w), HostedTensor[torch.Tensor])
    assert_type(hessian(X=X, w=w) @ w, torch.Tensor)
    each = program.per_example("L").gradients("w").compile(backend="torch")
    assert_type(each.dense(X=X, w=w), dict[str, torch.Tensor])
    return hessian.dense(X=X, w=w) @ found(X=X, w=w)["dw"]


def of_jax(X: jax.Array, w: jax.Array) -> jax.Array:
    net, program, line = es.Network(TEXT, parameters={"w": "zeros"}), es.Program(TEXT), es.parse("y[i] = x[i]^2")
    assert_type((program.to_jax("L"), line.to_jax(), relu.to_jax(), net.to_jax())[0], Function[jax.Array])
    assert_type(program.to_jax(["Z", "L"])(X, w), tuple[jax.Array, ...])
    assert_type(program.specs({"n": "data"}), dict[str, jax.sharding.PartitionSpec])
    assert_type(net.value_and_grad("L").specs({"n": "data"}), dict[str, jax.sharding.PartitionSpec])
    loss, gradients = net.value_and_grad("L").compile(backend="jax")({"w": w}, X=X)
    assert_type((loss, gradients), tuple[jax.Array, dict[str, jax.Array]])
    found = program.backward("L").compile(backend="jax")
    return program.hessian("L", "w").compile(backend="jax").dense(X=X, w=w) @ found(X=X, w=w)["dw"]
