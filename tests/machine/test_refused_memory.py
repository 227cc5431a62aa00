"""What does not fit into memory is refused with its size before it is allocated, on every way to a number."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import einstan as es
from einstan import optimize
from einstan.language.errors import EinstanError
from einstan.library.comparison import compare
from einstan.machine.sizes import memory

LIMIT = 10**8  # bytes that these tests pretend are free
N = 5000
x = np.ones(N)


def many(count: int) -> str:
    """Results of which each fits and all together do not."""
    return "\n".join(f"Z{k}[i,j] = x[i] x[j] + {k}" for k in range(count))


SQUARES = es.Program("R[n] = A[n,K] w[K] - y[n]\nL = R[N]^2")
ROUTES: dict[str, Callable[[], Any]] = {
    "an equation": lambda: es.parse("Z[i,j] = x[i] x[j]")(x=x),
    "many results": lambda: es.Program(many(40)).compile()(x=x[:1000]),
    "code for any size": lambda: es.parse("Z[i,j] = x[i] x[j]").compile(any_size=True)(x=x),
    "a plan": lambda: es.parse("Z[i,j] = x[i] x[j]").plan({"i": N, "j": N}),
    "a dense derivative": lambda: es.parse("Z[i] = exp(x[i])").program.derivative("Z", "x")(x=x).dense(),
    "first values": lambda: es.Network("Z[n,j] = X[n,K] W[K,j]", parameters={"W": "he"}).init(X=(2, N), W=(N, N)),
    "loops": lambda: es.parse("Z[i,j] = x[i] x[j]").loops(x=x),
    "newton": lambda: optimize.newton(SQUARES, "L", {"w": x}, {"A": np.ones((2, N)), "y": np.ones(2)}),
    "gradients of examples": lambda: (
        es.Program("L = 1/|N| (X[N,K] W[K,J] - Y[N,J])^2")
        .per_example("L")
        .gradients("W")
        .compile()
        .dense(X=np.ones((200, 300)), W=np.ones((300, 300)), Y=np.ones((200, 300)))
    ),
    "paths": lambda: compare(es.parse("Z[i,k] = A[i,J] B[J,k]"), {"i": N, "j": N, "k": N}),
    "a fit": lambda: es.fit(
        es.Network("Z[n,j] = X[n,K] W[K,j]\nL = Z[N,J]^2", parameters={"W": "he"}),
        "L",
        {"X": np.ones((4, N), "f4")},
        params={"W": np.ones((N, N), "f4")},
    ),
}


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: LIMIT)


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("route", ROUTES)
def test_what_does_not_fit_is_refused_with_its_size(route: str) -> None:
    with pytest.raises(EinstanError, match=r"\d (MB|GB|TB)"):
        ROUTES[route]()


LONG = np.broadcast_to(np.float32(1), 2 * 10**7)
CONVERTED = {
    "X as float64": lambda: es.parse("s = X[I]^2").compile(dtype="float64")(X=LONG),
    "an operand as float64": lambda: es.einsum("i->", LONG, dtype="float64"),
}


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("what", CONVERTED)
def test_another_dtype_is_counted_before_there_is_an_array_of_it(what: str) -> None:
    with pytest.raises(EinstanError, match=f"{what} would take 160 MB"):
        CONVERTED[what]()


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize(("optimiser", "less"), [(es.SGD(0.1), False), (es.Momentum(0.1), True), (es.Adam(), True)])
def test_an_optimiser_that_keeps_less_is_advised_where_there_is_one(optimiser: Any, less: bool) -> None:
    network = es.Network("L = b[N]^2 x[I]^2", parameters={"x": "zeros"})
    with pytest.raises(EinstanError, match="an epoch of training") as error:
        es.fit(network, "L", {"b": np.ones(3)}, params={"x": np.broadcast_to(0.0, 3 * 10**6)}, optimiser=optimiser)
    assert ("SGD" in str(error.value.repair)) is less


def test_the_least_of_all_limits_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, left in (("machine_memory", 3), ("group_memory", 2), ("process_memory", 5)):
        monkeypatch.setattr(memory, name, lambda left=left: left)
    assert memory.available_memory() == 2
    monkeypatch.setattr(memory, "process_memory", lambda: -1)
    assert memory.available_memory() == 0


@pytest.mark.parametrize(
    ("told", "limits"),
    [
        ("0::/\n", {"": ("memory.max", "memory.current", "inactive_file")}),
        ("0::/job/step\n", {"job/": ("memory.max", "memory.current", "inactive_file")}),  # the group stands in another
        (
            "3:cpu:/a\n2:memory,hugetlb:/a/b\n0::/\n",
            {"memory/a/b/": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")},
        ),
        (
            "4:memory:/elsewhere\n",
            {"memory/": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")},
        ),
    ],
)
def test_control_groups_are_asked(
    told: str, limits: dict[str, tuple[str, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, (limit, used, kept) in limits.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, content in ((limit, "1000\n"), (used, "700\n"), ("memory.stat", f"anon 400\n{kept} 300\n")):
            (tmp_path / folder / name).write_text(content)
    content = memory._content
    monkeypatch.setattr(memory, "MOUNTED", str(tmp_path))
    monkeypatch.setattr(memory, "_content", lambda name: told if name == "/proc/self/cgroup" else content(name))
    assert memory.group_memory() == 600 - 1000 // 16
    for folder, (limit, _, _) in limits.items():
        (tmp_path / folder / limit).write_text("max\n")
    assert memory.group_memory() == memory.ENDLESS


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the process as Linux has them")
def test_the_limit_of_the_process_is_asked() -> None:
    script = (
        "import resource, numpy as np, einstan as es\n"
        "f = es.parse('Z[i,j] = x[i] x[j]').compile()\nf(x=np.ones(2))\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9,) * 2)\n"
        "try:\n    f(x=np.ones(30_000))\n"
        "except es.EinstanError as error:\n    print(str(error).splitlines()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "Z[i,j] would take 7.2 GB" in done.stdout, done.stderr
