"""Every route to a number at sizes around what a real control group leaves: refused or answered, and never killed.

    python tests/faults/crowded.py [--megabytes 400] [--route outer ...]

Each call runs in a process of its own that the group holds; whoever runs this must be allowed to make a group.  Ends
with 1 if the system has killed a call, or one ended otherwise than in an answer or an error of ours.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(pool, "1")  # a fork has one thread
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402

import einstan as es  # noqa: E402
from einstan import optimize  # noqa: E402
from einstan.language.errors import EinstanError  # noqa: E402

SIZES = (2000, 3000, 4000, 5000, 5500, 6000, 6500, 7000, 8000, 10000)
PLACES = {"memory": "memory.limit_in_bytes", "": "memory.max"}  # of groups of version 1, and of version 2
PAIRS = "Y[i,j] = sin(x[i] x[j])\nL = Y[I,J]^2"
DENSE = "H[n,j] = tanh(X[n,K] W[K,j])\nL = mean[N](sum[J]((H[N,J] - Y[N,J])^2))"
RUNNING = "y[i] = sum[K](1[K <= i] x[K]) where |i| = |x.0|\nL = y[I]^3"
SQUARE = "s = y[I] W[I,J] y[J]\nL = s^2 + y[K]^2"


def pairs(**options: Any) -> Callable[[int], object]:
    def call(n: int) -> None:
        compiled = es.Program(PAIRS).backward("L", ["x"]).compile(**{"fast": False, **options})
        for _ in range(2):  # of which no results are kept: what is free is asked once for arrays of a shape
            compiled(x=np.ones(n))

    return call


def dense() -> es.Network:
    return es.Network(DENSE, parameters={"W": "glorot"})


def data(n: int) -> dict[str, np.ndarray]:
    return {"X": np.ones((4, n // 2)), "Y": np.ones((4, n // 2))}


def updated(n: int) -> object:
    params = {"W": np.ones((n // 2, n // 2))}
    step = dense().value_and_grad("L").compile(update=es.Adam(0.1))
    return step(params, es.Adam(0.1).init(params), **data(n))


def per_example(n: int) -> object:
    program = es.Program("Z[n,j] = X[n,K] W[K,j]\nL = sum[N](sum[J](Z[N,J]^2))")
    compiled = program.per_example("L").gradients(["W"]).compile(fast=False)
    return [found.dense() for found in compiled({"X": np.ones((n // 4, 100)), "W": np.ones((100, 100))}).values()]


ROUTES: dict[str, Callable[[int], object]] = {
    "equation": lambda n: es.parse("Y[i,j] = x[i] x[j]")(x=np.ones(n)),
    "forward": lambda n: es.Program(PAIRS).compile(outputs=["Y"], fast=False)(x=np.ones(n)),
    "backward": pairs(),
    "any_size": pairs(any_size=True),
    "reuse_buffers": pairs(reuse_buffers=True),
    "memory_limit": pairs(memory_limit=10**9),
    "float32": pairs(dtype="float32"),
    "jvp": lambda n: es.Program(PAIRS).jvp("L", ["x"]).compile(fast=False)({"x": np.ones(n), "tx": np.ones(n)}),
    "of one product": lambda n: es.Program("Y[i,j] = x[i,K] x[j,K]").compile()(x=np.ones((n // 2, n // 2))),
    "einsum": lambda n: es.einsum("i,j->ij", np.ones(n), np.ones(n)),
    "gradients of einsum": lambda n: es.einsum("ij,jk->ik").gradients(
        np.ones((n // 2, 5)), np.ones((5, n // 2)), cotangent=np.broadcast_to(1.0, (n // 2, n // 2))
    ),
    "init": lambda n: dense().init(**{name: array.shape for name, array in data(n).items()}),
    "update": updated,
    "fit": lambda n: es.fit(dense(), "L", data(n), epochs=1, optimiser=es.Adam(0.1)),
    "hessian": lambda n: es.Program("L = sin(sum[I](y[I]^2))").hessian("L", "y").dense({"y": np.ones(n)}),
    "newton": lambda n: optimize.newton(
        es.Program(SQUARE), "L", {"y": np.ones(n // 2)}, {"W": np.broadcast_to(1.0, (n // 2, n // 2))},
        max_iterations=1, progress=False,
    ),
    "root": lambda n: optimize.root(
        es.Program("r[i] = x[i] - A[i,J] sin(x[J]) / 2"), "r", {"x": np.ones(n // 2)}, {"A": np.eye(n // 2)},
        progress=False,
    ),
    "per example": per_example,
    "a running sum": lambda n: es.Program(RUNNING).backward("L", ["x"]).compile(fast=False)(x=np.ones(n)),
}  # fmt: skip


def ended(group: Path, route: Callable[[int], object], size: int) -> str:
    """How a call in the group ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        said = ""
        try:
            (group / "cgroup.procs").write_text(str(os.getpid()))
            route(size)
            said = "answered"
        except EinstanError as error:
            said = "refused" if any(word in str(error) for word in ("would take", "needs", "holds")) else str(error)
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(writer, said.encode(errors="replace")[:500])
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as told:
        said = told.read().decode()
    os.waitpid(child, 0)
    return said or "killed"


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("--megabytes", type=int, default=400)
    asked.add_argument("--route", action="append", choices=ROUTES)
    given = asked.parse_args()
    version = "memory" if Path("/sys/fs/cgroup/memory").exists() else ""
    group = Path("/sys/fs/cgroup", version, f"einstan-{os.getpid()}")
    group.mkdir()
    findings = 0
    try:
        (group / PLACES[version]).write_text(str(given.megabytes * 10**6))
        for name in given.route or ROUTES:
            found = {size: ended(group, ROUTES[name], size) for size in SIZES}
            odd = {size: said for size, said in found.items() if said not in ("answered", "refused")}
            findings += len(odd)
            most = max((size for size, said in found.items() if said == "answered"), default=0)
            sys.stdout.write(f"{name:22} answered up to {most}{''.join(f'; {n}: {said}' for n, said in odd.items())}\n")
            sys.stdout.flush()
    finally:
        group.rmdir()
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
