"""Training on the handwritten digits as one of several processes: ``digits_on_mesh FILE [PORT PROCESSES NUMBER]``.

Each process reads its part of every batch alone, and keeps its part of the parameters and of the optimiser's state; the
first one writes the parameters.  Without a port one device does everything, without a mesh.
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.multihost_utils import process_allgather

import einstan as es
from einstan.layers import cross_entropy, dense, relu, softmax
from einstan.library.data import digits

BATCH, BATCHES = 128, 14  # 14 batches are an epoch, but for three images


def main(path: str, port: int = 0, processes: int = 1, number: int = 0) -> None:
    jax.config.update("jax_enable_x64", True)
    options: dict[str, Any] = {}
    if processes > 1:
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, number)
        mesh = jax.make_mesh((jax.device_count(),), ("data",))
        options = {"mesh": mesh, "shard": {"n": "data"}, "shard_params": "data"}
    net = es.Network(
        dense("H", X="X", W="W1", b="b1", j=32), relu("A", Z="H"), dense("Z", X="A", W="W2", b="b2", j=10),
        softmax("S", Z="Z"), cross_entropy("L", S="S", Y="Y"),
    )  # fmt: skip
    adam, table = es.Adam(0.01), digits()
    step = net.value_and_grad("L").compile(backend="jax", update=adam, **options)
    images, labels = table.features / 16, np.eye(10)[table.labels]
    params = {name: jnp.asarray(array) for name, array in net.init(0, X=(BATCH, 64), Y=(BATCH, 10)).items()}
    state: Any = adam.init(params)

    def part(name: str, array: np.ndarray, start: int) -> Any:
        size = BATCH // processes
        own = array[start + number * size : start + (number + 1) * size]
        return jax.make_array_from_process_local_data(step.sharding(name), own) if options else jnp.asarray(own)

    for start in range(0, BATCH * BATCHES, BATCH):
        loss, params, state = step(params, state, X=part("X", images, start), Y=part("Y", labels, start))
    if options:
        assert all(array.addressable_shards[0].data.size * processes == array.size for array in params.values())
        params = process_allgather(params, tiled=True)
    if number == 0:
        np.savez(path, loss=loss, **params)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
