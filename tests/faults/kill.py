"""Runs that are killed at random instants, for as long as one likes:

    python tests/faults/kill.py --minutes 30 [--kills N] [--seed N] [--minute SECONDS]

A third of them are ``einstan train --save``, the others scripts that use `fit` with a `Saver`, with short epochs and
with long ones; each is forked from this process, ended by SIGKILL, SIGTERM, SIGHUP or SIGINT, and carried on by the
next.  Of each is asked that

- its file loads, and is to the last bit what a run without kills has after that epoch;
- no more is lost than the time that a saver lets pass (a minute, which is `WAIT` here, a tenth of a second unless
  ``--minute 60`` makes it the real one: then runs rest most of their time, so that many fit beside each other); after
  SIGTERM, SIGHUP and SIGINT the command loses no epoch, and says so by its exit code;
- what a killed save has left behind is gone after the next.

Then a save is killed at each of its calls of the system.  Ends with 1 if there was a finding.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # a fork has one thread

import numpy as np  # noqa: E402

from einstan.layers import cross_entropy, dense, softmax, tanh  # noqa: E402
from einstan.library import callbacks, command_train, files, training  # noqa: E402
from einstan.library.callbacks import Saver  # noqa: E402
from einstan.library.cli import main  # noqa: E402
from einstan.library.network import Network  # noqa: E402
from einstan.library.optimisers import Adam  # noqa: E402
from einstan.library.state import State  # noqa: E402
from einstan.library.training import fit  # noqa: E402
from tests.faults.disk import Disk, killed  # noqa: E402
from tests.faults.flips import small_run  # noqa: E402

WAIT = 0.1
REST = 0.0  # seconds after an epoch and within a long one: 3 where the minute is real
Place = tuple[int, int]  # epochs, and rows of the next
ENDLESS = 10**6
ENDED = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
LABELS = np.arange(90) % 3
POINTS = np.random.default_rng(0).standard_normal((90, 2)) + 2 * np.eye(3, 2)[LABELS]
DATA = {"X": POINTS, "Y": np.eye(3)[LABELS]}


class Watched(Saver):
    """Writes the epoch, the rows of the next, when they came and when their saving was over into a file."""

    def on_start(self, state: State, epochs: int) -> None:
        super().on_start(state, epochs)
        self.note(state, time.monotonic())

    def on_epoch_end(self, state: State) -> bool | None:
        came = time.monotonic()
        super().on_epoch_end(state)
        self.note(state, came)
        return None

    def on_pause(self, state: State) -> bool:
        came = time.monotonic()
        kept = super().on_pause(state)
        self.note(state, came)
        return kept

    def note(self, state: State, came: float) -> None:
        with open("log", "a", encoding="ascii") as log:
            log.write(f"{state.epoch} {state.begun} {came} {time.monotonic()}\n")
        time.sleep(REST)


def digest(state: State) -> str:
    parts = {**state.params, **{f"state {name}": array for name, array in state.optimiser.items()}}
    text = b"".join(name.encode() + parts[name].tobytes() for name in sorted(parts))
    return hashlib.sha256(text + repr(state.generator.bit_generator.state).encode()).hexdigest()


def train(epochs: int) -> int:
    if os.path.exists("run.npz"):
        return main(["train", "--resume", "run.npz", "--epochs", str(epochs)])
    np.savez("data.npz", X=POINTS, y=LABELS)
    options = ["--data", "data.npz", "--hidden", "4", "--lr", "0.3", "--save", "run.npz"]
    return main(["train", *options, "--epochs", str(epochs)])


def long(epochs: int) -> int:
    return script(epochs, {name: np.tile(array, (100, 1)) for name, array in DATA.items()}, 3)


def script(epochs: int, data: dict[str, np.ndarray] = DATA, batch: int = 32) -> int:
    layers = (dense("H", X="X", W="V", b="a", j=4), tanh("A", Z="H"), dense("Z", X="A", W="W", b="b"),
              softmax("S", Z="Z"), cross_entropy("L", S="S", Y="Y"))  # fmt: skip
    resume = "run.npz" if os.path.exists("run.npz") else None
    fit(Network(*layers), "L", data, epochs=epochs, batch=batch, optimiser=Adam(0.001), callbacks=[Watched("run.npz")],
        resume=resume)  # fmt: skip
    return 0


def forked(run: object, *arguments: object, pause: float | None = None) -> int:
    """A child that does that, told nothing on its outputs."""
    child = os.fork()
    if child:
        return child
    code = 1
    with contextlib.suppress(BaseException):
        quiet = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(quiet, stream)
        faulthandler.register(signal.SIGUSR1)
        for number in (signal.SIGTERM, signal.SIGHUP):  # which nohup would have it ignore
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        training.PAUSE = min(WAIT / 5, 1.0) if pause is None else pause
        callbacks.MINUTE, command_train.Saver = WAIT, Watched  # type: ignore[misc]
        code = run(*arguments)  # type: ignore[operator]
    os._exit(code)


def reaped(child: int, again: int = 0, minutes: int = 1) -> int:
    """The exit code of a child, minus a signal; one that hangs is killed.

    ``again`` is sent every ten seconds: of an interrupt that comes while a weak reference dies Python makes a message,
    and a script goes on; whoever pressed Ctrl-C does so once more.  The command looks again by itself."""
    for tries in range(1, 1200 * minutes):
        if again and tries % 200 == 0:
            os.kill(child, again)
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, signal.SIGUSR1)  # which tells where it is
    time.sleep(1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"it did not end within {minutes} minutes:\n{Path('said').read_text()[-4000:]}")


def after(kind: object, number: int, code: int, ended: float) -> tuple[Place, float, str]:
    """Of a run that this signal has ended: the place that the file holds, the seconds lost, and the digest.

    A real minute is counted to the kill, a scaled one to the last thing that was done: a busy machine may wait longer.
    """
    log = [line.split() for line in Path("log").read_text().splitlines()]
    log = [line for line in log if len(line) == 4]  # the last may be cut
    last = int(log[-1][0]) if log else 0
    if not os.path.exists("run.npz"):
        assert last == 0, f"epoch {last} was over and no file is there"
        return (0, 0), 0.0, ""
    state = State.load("run.npz")
    place = state.epoch, state.begun
    if kind is train and number != signal.SIGKILL and code != -number:  # not before it listens
        assert code == 130, f"the exit code is {code}"
        assert state.epoch >= last, f"the file is of epoch {state.epoch}, and {last} was over"
    saved = {(int(epoch), int(begun)): float(over) for epoch, begun, _, over in log}.get(place)
    lost = (ended if REST else float(log[-1][2])) - saved if log and saved is not None else 0.0
    assert lost < WAIT, f"{lost} seconds are lost"
    assert last - state.epoch < 1 or saved is not None
    return place, max(lost, 0.0), digest(state)


def kills(kind: object, dice: random.Random, count: int, stop: float) -> tuple[int, float, int]:
    """So many kills of one run: how many there were, the most that was lost, and the epochs that it came to."""
    seen: dict[Place, str] = {}
    worst, done = 0.0, 0
    while done < count and time.monotonic() < stop:
        Path("log").write_text("")
        child = forked(kind, ENDLESS)
        time.sleep(wait := dice.uniform(0, min(10 * WAIT, 150)))
        number = dice.choice(ENDED)
        os.kill(child, number)
        ended = time.monotonic()
        try:
            place, lost, found = after(kind, number, reaped(child, 0 if kind is train else number), ended)
        except AssertionError as problem:
            raise AssertionError(f"{number.name} after {wait} seconds: {problem}") from problem
        worst, done = max(worst, lost), done + 1
        if found:
            seen[place] = found
    left = [name for name in os.listdir() if name.endswith(".tmp")]
    assert len(left) <= 1, f"{len(left)} files are left behind"
    if seen:
        check_bits(kind, seen)
    return done, worst, max(seen, default=(0, 0))[0]


def check_bits(kind: object, seen: dict[Place, str]) -> None:
    """Compare with a run that nobody kills."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):

        class Compared(Saver):
            def compare(self, state: State) -> bool:
                place = state.epoch, state.begun
                if place in seen and seen[place] != digest(state):
                    Path("differs").write_text(str(place))
                if place in seen:
                    with open("compared", "a", encoding="ascii") as compared:
                        compared.write(f"{place}\n")
                return place >= max(seen)

            def on_epoch_end(self, state: State) -> bool | None:
                return self.compare(state)

            def on_pause(self, state: State) -> bool:
                if self.compare(state):
                    os._exit(0)
                return False

            def on_end(self, state: State, reason: str) -> None:
                pass

        Path("compared").write_text("")
        globals()["Watched"], watched = Compared, Watched
        try:
            reaped(forked(kind, ENDLESS, pause=0.0), minutes=20)
        finally:
            globals()["Watched"] = watched
        assert not os.path.exists("differs"), f"{Path('differs').read_text()} is not what it is without kills"
        found = Path("compared").read_text().splitlines()
        assert {str(place) for place in seen if place != (0, 0)} <= set(found), f"{len(found)} of {len(seen)} compared"


def killed_at_every_call() -> int:
    """Kill a save at its first, second, ... call of the system: the file is the old or the new one."""
    old, new = small_run(), small_run()
    new.begun = 1
    calls = 0
    while True:
        calls += 1
        old.save("run.npz")
        assert [name for name in os.listdir() if name.endswith(".tmp")] == []
        child = os.fork()
        if not child:
            files.os = Disk(killed, calls)  # type: ignore[assignment]
            new.save("run.npz")
            os._exit(0)
        code = reaped(child)
        assert State.load("run.npz").begun in (0, 1)
        if code == 0:
            return calls - 1
        assert code == -signal.SIGKILL, f"call {calls} ended with {code}"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--kills", type=int, default=ENDLESS)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minute", type=float, default=WAIT, metavar="SECONDS")
    return parser.parse_args()


def explore() -> int:
    options = parsed()
    globals().update(WAIT=options.minute, REST=3.0 * (options.minute > 10))
    seed = random.randrange(10**6) if options.seed is None else options.seed
    dice, stop = random.Random(seed), time.monotonic() + 60 * options.minutes
    total, worst, findings, epochs = 0, 0.0, 0, 0
    while total < options.kills and time.monotonic() < stop:
        for kind in (train, script, long):
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
                try:
                    done, lost, reached = kills(
                        kind, dice, min(10, -(-options.kills // 3), options.kills - total), stop
                    )
                    total, worst, epochs = total + done, max(worst, lost), epochs + reached
                except AssertionError as problem:
                    total, findings = total + 1, findings + 1
                    sys.stdout.write(f"{kind.__name__}: {problem}\n")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        calls = killed_at_every_call()
    sys.stdout.write(
        f"seed {seed}: {total} kills in {epochs} epochs, {findings} findings, at most {worst:.3f} of {WAIT} s lost\n"
    )
    sys.stdout.write(f"a save was killed at each of its {calls} calls\n")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(explore())
