"""Wrong things in every argument of everything that is public: an error of ours, at once, and never another.

What does not fit a signature, an argument that is missing, unknown or too much, is one of these, or else Python's own
`TypeError`.
"""

from __future__ import annotations

import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import einstan as es

sys.path.insert(0, str(Path(__file__).parent))

import walk

SECONDS = 20  # far more than is needed, and less than for ever
SIGNATURE = re.compile(
    r"unexpected keyword|required (positional|keyword-only|argument)|positional argument|multiple values|takes no"
)


class Hostile:
    """A stranger that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


WRONG: dict[str, Callable[[], Any]] = {
    "None": lambda: None, "object": object, "hostile": Hostile, "3": lambda: 3, "-1": lambda: -1, "2.7": lambda: 2.7,
    "nan": lambda: float("nan"), "inf": lambda: float("inf"), "huge": lambda: 10**30, "True": lambda: True,
    "complex": lambda: 1j, "x": lambda: "x", "empty text": lambda: "", "a lone surrogate": lambda: "\ud800",
    "a zero byte": lambda: "a\0b", "a deep text": lambda: "(" * 5000, "bytes": lambda: b"x", "list": list,
    "tuple": tuple, "set": set, "dict": dict, "a mixed list": lambda: [1, "x", None],
    "a mixed dict": lambda: {1: 2, "x": None}, "a generator": lambda: (k for k in (1, 2)),
    "a function": lambda: lambda *_, **__: None, "a class": lambda: int, "an array": lambda: np.ones(3, np.float32),
    "five axes": lambda: np.ones((2,) * 5), "no axes": lambda: np.array(1.0), "a number of NumPy": lambda: np.int8(-3),
    "objects": lambda: np.array([1, object()], dtype=object), "strings": lambda: np.array(["a"]),
    "booleans": lambda: np.array([True]), "complex array": lambda: np.array([[1j]]),
    "dates": lambda: np.array(["2020"], "M8[D]"), "masked": lambda: np.ma.masked_array([[1.0]], [[True]]),
}  # fmt: skip
CALLED = ("callbacks", "schedule", "compute", "f", "W", "b")  # what a function of the caller raises is the caller's


class TooLate(BaseException):
    pass


@contextmanager
def in_time() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TooLate

    old = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def raw(call: Callable[[], Any]) -> str:
    """What a call raises that is no error of ours; warnings are errors."""
    try:
        with in_time(), warnings.catch_warnings():
            warnings.simplefilter("error")
            call()
    except es.EinstanError as error:
        str(error)
    except (TooLate, Exception) as error:
        if type(error) is TypeError and SIGNATURE.search(str(error)):
            return ""
        return f"{type(error).__name__}: {str(error)[:100]}"
    return ""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> walk.Walk:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("walk"))
        return walk.Walk()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a text is a file that may be written


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_an_error_of_ours(walked: walk.Walk, wrong: str) -> None:
    make, found = WRONG[wrong], {}
    for place in walked.places.values():
        for name, call in place.with_wrong(make):
            if callable(make()) and name.partition("(")[2].strip("=)*") in CALLED:
                continue
            if error := raw(call):
                found[name] = error
    assert not found


def test_a_call_that_does_not_fit_is_pythons_own_error(walked: walk.Walk) -> None:
    for place in walked.places.values():
        for positional, named in (((), {}), ((1,) * 40, {}), ((), {**place.named, "no_such": 1})):
            assert not raw(partial(place.call, *positional, **named)), place.name


def test_properties_are_read(walked: walk.Walk) -> None:
    assert not {name: error for name, read in walked.properties.items() if (error := raw(read))}


# ---- examples --------------------------------------------------------------------------------------------------------


def test_every_public_name_has_a_running_example(walked: walk.Walk) -> None:
    shown = dict(walked.examples())  # which `tests/test_examples.py` runs
    assert not [name for name, found in shown.items() if not found]
    assert {*es.__all__, *es.optimize.__all__, *es.layers.__all__} - {"__version__"} <= shown.keys()


def test_what_is_inside_is_on_no_page() -> None:
    root = Path(__file__).parents[2]
    pages = [root / "README.md", *(root / "docs").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    called = set(re.findall(r"(?<!es)\.(\w+)\(", text))
    assert not [name for name in walk.INSIDE if name.partition(".")[2] in called]


def test_a_name_without_an_example_is_seen(walked: walk.Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(es.Network, "fresh", lambda self: self, raising=False)
    assert [name for name, found in walked.examples() if not found] == ["Network.fresh"]


# ---- the walk itself -------------------------------------------------------------------------------------------------

EXTRAS = ("matplotlib", "pygraphviz", "scipy", "JAX", "PyTorch")  # without which some good calls are refused


def test_good_arguments_are_good(walked: walk.Walk) -> None:
    places = {name: each for name, each in walked.places.items() if not name.endswith("__rrshift__")}
    unknown = {name: place.unknown for name, place in places.items() if place.unknown}
    assert not unknown, "give them in walk.GOOD or walk.OWN"
    # Into one that reads several tensors nothing can be composed without saying where.
    errors = {name: str(error) for name, error in walked.errors.items() if not name.endswith("__rrshift__")}
    assert not {name: error for name, error in errors.items() if not any(extra in error for extra in EXTRAS)}


def test_everything_that_is_held_is_walked(walked: walk.Walk) -> None:
    kinds = {kind.__name__ for kind in walked.objects}
    wanted = """Equation Program Network Layer Instance Derivative CompiledDerivative FactoredTensor PerExample
        Gradients CompiledGradients ValueAndGrad Step Compiled Plan Einsum Report Line Outcome History State Saver SGD
        Momentum Adam Metric Flat FlatSystem Objective Result Layout""".split()  # noqa: SIM905
    assert set(wanted) <= kinds
    assert len(walked.places) > 250
    assert {"fit", "newton", "alternating", "huber", "dense()", "Step.__call__"} <= set(walked.places)


def test_a_new_method_is_found_and_its_errors_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def fresh(self: es.Network, loss: str) -> Any:
        return {"L": 1}[loss]

    monkeypatch.setattr(es.Network, "fresh", fresh, raising=False)
    found = walk.Walk().places["Network.fresh"]
    assert [raw(call) for _, call in found.with_wrong(lambda: "x")] == ["KeyError: 'x'"] * 2
    assert not raw(found.good)
