"""Threads, forks and pickles: the short form of `run_threads.py` and `run_forks.py`."""

import copy
import gc
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import EinstanError, NotationError
from einstan.library.training import Interrupted, TrainingError
from einstan.machine.run import specialisation
from tests.faults.forks import all_locks_held, everything, forked, forks, shared
from tests.faults.held import HELD, answered, fitted, same
from tests.faults.modes import COMPILED, DEAR, MODES, Mode, wrong

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.usefixtures("own_functions_are_gone_afterwards")
forks_exist = pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without forks")


@pytest.fixture
def _switching():
    """Threads that take turns far more often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


# ---- threads ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_switching")
@pytest.mark.parametrize("name", MODES)
def test_calls_from_threads_give_what_calls_alone_give(name: str) -> None:
    assert wrong(MODES[name], 8, 16 if name in DEAR else 48, numbers=3, again=24) == []


@pytest.mark.numba
@pytest.mark.usefixtures("_switching")
@pytest.mark.parametrize("name", COMPILED)
def test_so_do_calls_that_numba_compiles(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specialisation, "PATIENCE", 1e-4)
    assert wrong(COMPILED[name], 4, 64, numbers=2, again=64) == []


def test_a_call_that_writes_where_another_reads_is_found() -> None:
    """Test the tester: one array for all threads."""

    def call(shared: np.ndarray, k: int) -> list[np.ndarray]:
        shared[:] = k
        barrier.wait()
        return [shared]

    barrier = threading.Barrier(1)
    planted = Mode(lambda: np.zeros(3), call)
    assert wrong(planted, 1, 4, numbers=4) == []
    assert wrong(Mode(lambda: np.zeros(3), lambda shared, k: [np.array(k + (threading.active_count() > 3))]), 8, 16)


def test_results_of_reused_memory_stay_while_another_thread_calls() -> None:
    f = es.parse("y[i] = 2 x[i]").compile(reuse_buffers=True)
    mine = f(x=np.ones(3))["y"]
    other = threading.Thread(target=lambda: [f(x=np.full(3, 0.5 * k)) for k in range(4)])
    other.start()
    other.join()
    assert mine.tolist() == [2, 2, 2]


# ---- pickles and copies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HELD)
def test_a_copy_gives_the_same_bit_for_bit(name: str) -> None:
    held = HELD[name]
    thing = held.make()
    expected = held.asked(thing)
    pickled = {protocol: pickle.dumps(thing, protocol) for protocol in (2, 3, 4, 5)}
    copies = [*map(pickle.loads, pickled.values()), copy.copy(thing), copy.deepcopy(thing)]
    assert all(type(other) is type(thing) for other in copies)
    assert same(held.asked(copies[2]), expected)
    assert same(held.asked(copies[5]), expected)
    assert same(held.asked(thing), expected)


def test_what_has_been_used_is_no_larger_than_what_has_not() -> None:
    made = HELD["step"].make
    step = made()
    unused = es.Network(str(step.made.network), parameters=dict.fromkeys("WbV", "glorot"))
    size = len(pickle.dumps(unused.value_and_grad("L").compile(fast=False)))
    assert len(pickle.dumps(step)) <= size < 8_000


@pytest.mark.filterwarnings("ignore:.*fork")  # Python and JAX warn of forks beside threads
@pytest.mark.parametrize("way", ["spawn", "fork"])
def test_objects_are_sent_to_other_processes_and_back(way: str) -> None:
    names = ("compiled, called", "step of Adam", "derivative, compiled", "factored tensor", "network, evaluated")
    with multiprocessing.get_context(way).Pool(1) as pool:
        found = pool.map(answered, [(name, HELD[name].make()) for name in names])
    for name, there, back in found:
        expected = HELD[name].asked(HELD[name].make())
        assert same(there, expected), name
        assert same(HELD[name].asked(back), expected), name


def test_equations_that_are_received_are_the_ones_that_are_here() -> None:
    program = es.Program("y[i] = tanh(A[i,J] x[J])\nL = y[I]^2").backward("L", ["A"])
    assert pickle.loads(pickle.dumps(program)).equations == program.equations
    assert all(a is b for a, b in zip(pickle.loads(pickle.dumps(program)), program, strict=True))


def test_own_functions_that_are_not_known_are_refused() -> None:
    es.function("sentx(x)", partials=["cos(x)"], numpy="np.sin(x)")
    es.function("writtenx(x) = x / (1 + abs(x))")
    sent = pickle.dumps(es.parse("y[i] = sentx(x[i])").compile())
    written = pickle.dumps(es.parse("y[i] = writtenx(x[i])").compile())
    assert pickle.loads(sent)(x=[0.5])["y"] == np.sin(0.5)
    receive = "import pickle, sys, numpy as np\nf = pickle.loads(sys.stdin.buffer.read())\nprint(f(x=[1.0])['y'])"
    declare = 'import einstan as es\nes.function("sentx(x)", partials=["%s"], numpy="np.sin(x)")\n'

    def received(what: bytes, before: str = "") -> str:
        command = [sys.executable, "-c", before + receive]
        done = subprocess.run(command, check=False, input=what, capture_output=True, cwd=ROOT)
        return (done.stdout + done.stderr).decode()

    assert received(written) == "[0.5]\n"
    assert "sentx(x) is no function in this process" in received(sent)
    assert received(sent, declare % "cos(x)").startswith("[0.84")
    known = es.language.functions.FUNCTIONS["sentx"]
    other = type(known)("sentx", ("x",), ("sin(x)",), known.latex)
    with pytest.raises(EinstanError, match=r"sentx\(x\) is another function in this process"):
        pickle.loads(pickle.dumps(other))


def test_errors_keep_what_they_hold() -> None:
    trouble = TrainingError("the loss is not finite")
    trouble.history = fitted()
    there = pickle.loads(pickle.dumps(trouble))
    assert str(there) == str(trouble)
    assert there.history.state.epoch == 2
    assert pickle.loads(pickle.dumps(Interrupted(trouble.history))).history.state.epoch == 2
    assert type(pickle.loads(pickle.dumps(NotationError("no", text="a", span=(0, 1))))) is NotationError


# ---- forks -----------------------------------------------------------------------------------------------------------


@forks_exist
def test_a_child_hangs_at_no_lock_that_another_thread_holds() -> None:
    everything()  # which makes them
    mine = shared()
    with all_locks_held() as locks:
        assert locks >= 5 + len(mine)
        assert forked(everything) == "done"


@forks_exist
def test_children_forked_beside_threads_that_do_everything() -> None:
    assert forks(1) == ["done"]


@forks_exist
def test_a_child_collects_as_often_as_before() -> None:
    before = gc.get_threshold()

    def as_before() -> None:
        assert gc.get_threshold() == before

    with all_locks_held():
        assert gc.get_threshold() != before
        assert forked(as_before) == "done"
    assert gc.get_threshold() == before


@forks_exist
def test_a_fork_waits_for_what_is_imported() -> None:
    script = (
        "import threading, time, warnings\nwarnings.simplefilter('ignore')\n"
        "import einstan\nfrom tests.faults.forks import forked\n"
        "def use():\n    from einstan.library.command_paths import show\n"
        "worker = threading.Thread(target=use)\nworker.start()\n"
        "print(*[forked(use) for _ in range(6)])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.split() == ["done"] * 6, done.stderr


@forks_exist
@pytest.mark.numba
def test_a_fork_waits_for_numba() -> None:
    """In a process of its own, where numba is imported first, and with what that asks for: the lock of `logging`."""
    script = (
        "import threading, time\nfrom tests.faults.forks import compiled, forked\n"
        "worker = threading.Thread(target=compiled)\nworker.start()\n"
        "for k in range(3):\n    time.sleep(0.2)\n    print(forked(compiled))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False, timeout=120
    )
    assert done.stdout.split() == ["done"] * 3, done.stderr


def test_there_are_no_other_locks() -> None:
    own = re.compile(r"threading\.(R?Lock|Condition|Semaphore)\b|from functools import .*\bcached_property\b")
    sources = [*(ROOT / "einstan").rglob("*.py"), *(ROOT / "layers").rglob("*.py")]
    found = [path.name for path in sources if own.search(path.read_text(encoding="utf-8"))]
    assert found == ["threads.py"]
