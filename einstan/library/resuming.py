"""Whether a training run can be carried on: with this network, this data and this optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from einstan.language.arguments import shown
from einstan.language.errors import DataError
from einstan.language.term import Name
from einstan.library.data import require_finite, require_names
from einstan.library.optimisers import Optimiser
from einstan.library.state import Arrays, State
from einstan.machine.sizes.inference import infer

if TYPE_CHECKING:
    from einstan.library.network import Network


def check_fits(network: Network, data: Arrays, optimiser: Optimiser, state: State) -> None:
    """Refuse a run of another network, of another optimiser, or with numbers that no run has."""
    require_names(state.params, network.params, "a parameter of the network", network.program)
    for name, array in state.params.items():
        if array.dtype.kind != "f":
            raise DataError(
                f"{name} holds {array.dtype}, where parameters are floating", repair=f"{name}.astype(float)"
            )
        require_finite(name, array)
    shapes: dict[Name, tuple[int, ...]] = {name: array.shape for name, array in (state.params | data).items()}
    infer(network.program, shapes, network.sizes, nominal=1)
    if not state.optimiser:
        return
    expected = optimiser.init(state.params)
    if state.optimiser.keys() != expected.keys():
        raise _of_another(optimiser, f"it holds {', '.join(list(state.optimiser)[:4])}, ...")
    for name, array in state.optimiser.items():
        like = np.asarray(expected[name])
        right = array.dtype == like.dtype if like.dtype.kind == "f" else array.dtype.kind == like.dtype.kind
        if array.shape != like.shape or not right:
            raise _of_another(
                optimiser, f"{name} has shape {array.shape} and holds {array.dtype}, not {like.shape} and {like.dtype}"
            )
        if array.dtype.kind == "i" and (array < 0).any():
            raise _of_another(optimiser, f"{name} = {shown(array.tolist())} counts from 0 on")
        require_finite(name, array)


def _of_another(optimiser: Optimiser, found: str) -> DataError:
    return DataError(
        f"the checkpoint was not made by {optimiser}",
        inferred=found,
        repair="resume with the optimiser that the run began with",
    )
