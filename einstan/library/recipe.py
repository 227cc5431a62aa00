"""What a run of ``einstan train`` is made of: options that its checkpoint keeps, and that are checked when read."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from typing import Any

from einstan.language.errors import DataError
from einstan.library.fields import COUNT, FINITE, TEXT, number, one_of, optional, record, several, whole
from einstan.library.optimisers import NAMED
from einstan.library.state import State


@dataclass
class Recipe:
    """What a run is made of; kept in its checkpoint, so that resuming needs no option again."""

    data: str = ""
    label: str = ""
    hidden: tuple[int, ...] = (64, 32)
    activation: str = "relu"
    epochs: int = 40
    lr: float = 0.1
    batch: int = 32
    optimiser: str = "momentum"
    smoothing: float = 0.1
    validation: float = 0.1
    patience: int | None = None
    seed: int = 0
    dtype: str = "float64"
    fingerprint: int = 0  # of the data


ACTIVATIONS = ("relu", "tanh", "sigmoid")
SOME = whole(1, 10**18)
SHARE = number(lambda share: 0 <= share < 1, "a share from 0 up to 1")
FIELDS = record(
    {
        "data": TEXT, "label": TEXT, "hidden": several(SOME), "activation": one_of(ACTIVATIONS), "epochs": SOME,
        "lr": number(lambda rate: 0 < rate < float("inf"), "a positive number"), "batch": SOME,
        "optimiser": one_of(tuple(NAMED)), "smoothing": SHARE, "validation": SHARE,
        "patience": optional(SOME), "seed": COUNT, "dtype": one_of(("float32", "float64")),
        "fingerprint": whole(0, 2**32 - 1),
    }
)  # fmt: skip

# What the rows that a run was trained on measure: the names of their features, or none, the ranges of these, or one for
# all, the names of the classes, and of a regression the mean of the values and their deviation.
MEASURES = record(
    {
        "columns": several(TEXT), "low": several(FINITE), "high": several(FINITE), "classes": several(TEXT),
        "mean": FINITE, "spread": FINITE,
    }
)  # fmt: skip

# A resumed run may be longer or more patient, and read its data from elsewhere; the rest is what it is.
MAY_CHANGE = ("data", "epochs", "lr", "batch", "patience")


def recipe_of(options: argparse.Namespace, state: State | None) -> Recipe:
    """The options given, over those of the resumed run, over the defaults."""
    given = {name: value for name in asdict(Recipe()) if (value := getattr(options, name, None)) is not None}
    if state is None:
        if given.get("optimiser") == "adam":
            given.setdefault("lr", 0.005)
        return Recipe(**given)
    kept = asdict(kept_recipe(state, options.resume))
    for name, value in given.items():
        if name not in MAY_CHANGE and value != kept[name]:
            raise DataError(
                f"--{name} {_shown(value)} is not what {options.resume} was made with",
                inferred=f"it was made with --{name} {_shown(kept[name])}",
                repair=f"leave out --{name}, or begin a new run without --resume",
            )
    recipe = Recipe(**{**kept, **given})
    if state.epoch >= recipe.epochs:
        raise DataError(
            f"{options.resume} has already done {state.epoch} epochs of {recipe.epochs}",
            repair=f"ask for more in all: --epochs {2 * state.epoch}",
        )
    return recipe


def kept_recipe(state: State, path: str) -> Recipe:
    """The recipe of a saved run.  Raises `DataError` where it has none that is right."""
    kept: Any = state.notes.get("recipe")
    wrong = FIELDS("recipe", kept)
    if not wrong and state.params.keys() != {f"{name}{k + 1}" for k in range(len(kept["hidden"]) + 1) for name in "Wb"}:
        wrong = "its parameters are not those of so many layers"
    if wrong:
        raise no_run(path, wrong)
    return Recipe(**{**kept, "hidden": tuple(kept["hidden"])})


def kept_measures(state: State, path: str) -> dict[str, Any]:
    """What the training rows of a saved run measure: see `MEASURES`."""
    kept: Any = state.notes.get("measures")
    wrong = MEASURES("measures", kept)
    features, classes = state.params["W1"].shape[0], state.params[f"W{len(state.params) // 2}"].shape[1]
    if not wrong and not (len(kept["low"]) == len(kept["high"]) and len(kept["low"]) in (1, features)):
        wrong = f"it has ranges of {len(kept['low'])} features, and parameters for {features}"
    if not wrong and len(kept["columns"]) not in (0, features):
        wrong = f"it has names of {len(kept['columns'])} features, and parameters for {features}"
    if not wrong and len(kept["classes"] or [""]) != classes:
        wrong = f"it has {len(kept['classes'])} classes, and parameters for {classes}"
    if wrong:
        raise no_run(path, wrong)
    return dict(kept)


def no_run(path: str, wrong: str) -> DataError:
    told = f"{path} holds no run of this command"
    return DataError(told, inferred=wrong, repair="give a file that einstan train --save wrote")


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
