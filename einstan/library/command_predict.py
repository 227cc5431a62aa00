"""``einstan predict``: what a run of ``einstan train`` says of rows that it has not seen."""

from __future__ import annotations

import argparse
import csv
import io

import numpy as np
from rich.console import Console

from einstan.library.command_train import SCORES, classifier
from einstan.library.data import Scaling, Table
from einstan.library.files import refuse_unwritable, write_out
from einstan.library.recipe import kept_measures, kept_recipe
from einstan.library.state import State
from einstan.library.tables import read_features


def run(options: argparse.Namespace, console: Console) -> int:
    refuse_unwritable("--output", options.output)
    state = State.load(options.saved)
    recipe, measures = kept_recipe(state, options.saved), kept_measures(state, options.saved)
    features = read_features(options.data, state.params["W1"].shape[0], recipe.label, measures["columns"])
    scaling = Scaling(*(np.array(measures[end] if recipe.data else measures[end][0]) for end in ("low", "high")))
    classes = tuple(measures["classes"])
    network = classifier(Table(features, np.zeros(len(features), int), classes), recipe)
    best = state.best if recipe.patience is not None and state.best is not None else state.params
    scores = network.evaluate(SCORES, best, X=scaling(features).astype(recipe.dtype))
    rows: list[tuple[str, ...]]
    if classes:
        likely = zip(scores.argmax(axis=1), scores.max(axis=1), strict=True)
        rows = [("class", "probability"), *((classes[k], f"{share:.4f}") for k, share in likely)]
    else:
        values = scores[:, 0] * measures["spread"] + measures["mean"]
        rows = [("value",), *((f"{value:.6g}",) for value in values)]
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    if options.output is None:
        console.out(written.getvalue(), end="", highlight=False)
    else:
        write_out(options.output, written.getvalue().encode())
    return 0
