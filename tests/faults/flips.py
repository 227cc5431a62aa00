"""What one flipped bit of a saved run does: it is refused as an error of ours, or the run is the same as before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from einstan.language.errors import DataError
from einstan.library import bit_generators
from einstan.library.state import FIELDS, State


def small_run() -> State:
    """A run with everything in it, in few bytes."""
    return State(
        {"W": np.array([[1.5, -2.0]])}, {"step": np.array(3), "v.W": np.array([[0.25, 0.5]])},
        np.random.default_rng(7), 1, [{"epoch": 1, "loss": 0.1 + 0.2}], {"W": np.array([[1.0, 2.0]])}, 1, 0.25, 1,
        {"θ": [1, None]},
    )  # fmt: skip


def told(state: State) -> object:
    """All of a run, to be compared."""
    arrays = {
        (part, name): (array.dtype.str, array.shape, array.tobytes())
        for part in ("params", "optimiser", "best")
        for name, array in (getattr(state, part) or {}).items()
    }
    page = {name: getattr(state, name) for name in FIELDS}
    return arrays, {**page, "generator": bit_generators.page_of(state.generator)}


def flipped(path: Path, bits: Iterable[int]) -> Counter[str]:
    """How many flips were refused, and how many changed nothing; an AssertionError for one that changed the run, and
    whatever else is raised."""
    raw, expected = path.read_bytes(), told(State.load(path))
    count: Counter[str] = Counter()
    for bit in bits:
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            found = told(State.load(path))
        except DataError:
            count["refused"] += 1
            continue
        assert found == expected, f"bit {bit} of {8 * len(raw)} changed the run"
        count["harmless"] += 1
    path.write_bytes(raw)
    return count
