"""Data for training: checks, splits, minibatches, one-hot labels, and tables read from files.

A table that cannot be used is refused by name, place and count; nothing is filled in, dropped or trained on silently.
"""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from einstan.calculus.program import Program
from einstan.language.errors import DataError, nearest
from einstan.language.place import at
from einstan.machine.handed import LossError, as_array, spellings
from einstan.machine.refusals import no_numbers, reader_of

# ---- checks ----------------------------------------------------------------------------------------------------------


def require_finite(name: str, array: np.ndarray) -> None:
    """Refuse NaN and infinity, naming the tensor, the count and the first position."""
    if array.dtype.kind not in "fc":
        return
    bad = ~np.isfinite(array)
    count = int(np.count_nonzero(bad))
    if not count:
        return
    first = np.unravel_index(int(bad.argmax()), array.shape)
    place = f"[{','.join(str(int(k)) for k in first)}]" if array.ndim else ""
    nans = int(np.count_nonzero(np.isnan(array)))
    raise DataError(
        f"{name} holds {count} value{'s' if count > 1 else ''} that {'are' if count > 1 else 'is'} not finite",
        inferred=(
            f"{nans} NaN and {count - nans} infinite of {array.size}",
            f"the first is {name}{place} = {array[first]}",
        ),
        repair="drop or fill these rows before training",
    )


def plain_array(name: str, data: object, program: Program | None = None) -> np.ndarray:
    """What is given as an array, where nothing of it would be lost without a word."""
    try:
        return as_array(name, data, () if program is None else spellings(program, name))
    except LossError as error:
        raise DataError(f"{name} {error.reason}", repair=error.repair) from error


def require_numbers(name: str, array: np.ndarray) -> None:
    """Refuse arrays of objects, strings and complex numbers."""
    if array.dtype.kind in "biuf":
        return
    kind = {"c": "complex numbers", "O": "Python objects", "U": "strings", "S": "strings"}.get(array.dtype.kind)
    raise DataError(
        f"{name} holds {kind or array.dtype}, where real numbers are needed", repair=no_numbers(name, array.dtype)
    )


# ---- splits and batches ----------------------------------------------------------------------------------------------


def one_hot(labels: np.ndarray, classes: int, dtype: np.typing.DTypeLike = np.float64) -> np.ndarray:
    """``Y[n,c] = 1[labels[n] = c]``"""
    labels = plain_array("labels", labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"labels are a list of class numbers, not an array of {labels.dtype} with shape {labels.shape}",
            repair="give one whole number per row",
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        raise DataError(
            f"labels run from {labels.min()} to {labels.max()}, and there are {classes} classes, 0 to {classes - 1}",
            repair="number the classes from 0 on: np.unique(labels, return_inverse=True)[1]",
        )
    return (labels[:, None] == np.arange(classes)).astype(dtype)


def stratified(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of two parts, the second with ``fraction`` of the rows of every class; both in a random order.

    >>> rest, part = stratified(np.repeat([0, 1], 10), 0.2, seed=0)
    >>> sorted(np.repeat([0, 1], 10)[part].tolist())
    [0, 0, 1, 1]
    """
    generator = np.random.default_rng(seed)
    rest, part = [], []
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        count = round(fraction * len(rows))
        part.append(rows[:count])
        rest.append(rows[count:])
    return generator.permutation(np.concatenate(rest)), generator.permutation(np.concatenate(part))


def batches(rows: int, size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """All row numbers once, shuffled, in pieces of ``size``; the last piece may be smaller."""
    order = generator.permutation(rows)
    for start in range(0, rows, size):
        yield order[start : start + size]


# ---- tables ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Rows of features, a class number for each, and the names of the classes.

    ``test`` holds the row numbers of a test part where the file brings one, else None.
    """

    features: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    test: np.ndarray | None = None
    name: str = ""

    def split(self, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers for training and for testing."""
        if self.test is not None:
            return np.setdiff1d(np.arange(len(self.labels)), self.test), self.test
        return stratified(self.labels, fraction, seed)


@dataclass(frozen=True)
class Scaling:
    """``(x - low) / (high - low)`` with one range for all features, so that images keep their contrast, or one for
    each (``per_feature``); taken from the training part.  A constant feature becomes 0."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, per_feature: bool = True) -> Scaling:
        axis = 0 if per_feature else None
        return cls(np.asarray(features.min(axis=axis)), np.asarray(features.max(axis=axis)))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        width = self.high - self.low
        return (features - self.low) / np.where(width > 0, width, 1.0)


def digits() -> Table:
    """The 1,797 handwritten digits of 8×8 pixels that come with scikit-learn (Alpaydin and Kaynak, 1998)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as problem:
        raise DataError(
            "the handwritten digits come with scikit-learn, which is not installed",
            repair=("pip install 'einstan[demo]'", "or train on your own data: --data file.npz or --data file.csv"),
        ) from problem
    bunch = load_digits()
    return Table(bunch.data.astype(float), bunch.target, tuple("0123456789"), name="handwritten digits")


def read_table(path: str | os.PathLike[str]) -> Table:
    """A table from ``.npz`` (arrays ``X`` and ``y``, or ``X_train``, ``y_train``, ``X_test``, ``y_test``) or ``.csv``
    (the label in the last column, a header if there is one)."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".npz", ".csv"):
        raise DataError(f"{path} has the ending {suffix or '(none)'}", repair="give a file that ends in .npz or .csv")
    try:
        return read_npz(path) if suffix == ".npz" else read_csv(path)
    except OSError as problem:
        reason = problem.strerror or problem
        raise DataError(f"{path} cannot be read: {reason}", repair="give the path of a .npz or .csv file") from problem


def read_npz(path: str | os.PathLike[str]) -> Table:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} holds one array, not X and y", repair="np.savez('file.npz', X=X, y=y)")
            found = {name: archive[name] for name in archive.files if name in NPZ_NAMES}
            others = [name for name in archive.files if name not in NPZ_NAMES]
    except (ValueError, EOFError, zipfile.BadZipFile) as problem:
        if isinstance(problem, DataError):
            raise
        repair = "save numbers, not Python objects" if "pickle" in str(problem) else "np.savez('file.npz', X=X, y=y)"
        raise DataError(f"{path} cannot be read as .npz", inferred=str(problem), repair=repair) from problem
    if {"X_train", "y_train", "X_test", "y_test"} <= found.keys():
        parts = [(_features(path, found[f"X_{part}"]), _labels(path, found[f"y_{part}"])) for part in ("train", "test")]
        if parts[0][0].shape[1] != parts[1][0].shape[1]:
            raise DataError(
                f"{path}: X_train has {parts[0][0].shape[1]} features and X_test has {parts[1][0].shape[1]}",
                repair="save both with the same features",
            )
        features = np.concatenate([part[0] for part in parts])
        labels = np.concatenate([part[1] for part in parts])
        test = np.arange(len(parts[0][0]), len(features))
    elif {"X", "y"} <= found.keys():
        features, labels, test = _features(path, found["X"]), _labels(path, found["y"]), None
    else:
        names = [*found, *others]
        raise DataError(
            f"{path} does not hold X and y",
            inferred=f"it holds {', '.join(names) or 'nothing'}",
            repair=("np.savez('file.npz', X=X, y=y)", "or X_train, y_train, X_test and y_test"),
        )
    return _table(path, features, labels, test)


NPZ_NAMES = ("X", "y", "X_train", "y_train", "X_test", "y_test")


def _features(path: str | os.PathLike[str], array: np.ndarray) -> np.ndarray:
    require_numbers("X", array)
    if array.ndim < 2:
        raise DataError(
            f"{path}: X has {array.ndim} axes, where rows and features are needed", repair="X = X.reshape(len(X), -1)"
        )
    return array.reshape(len(array), int(np.prod(array.shape[1:]))).astype(float)


def _labels(path: str | os.PathLike[str], array: np.ndarray) -> np.ndarray:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.dtype.kind in "biuf":
        if not (np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()):
            raise DataError(
                f"{path}: the rows of y are not one-hot", repair="give one label per row, or rows with a single 1"
            )
        return array.argmax(axis=1)
    if array.ndim != 1:
        raise DataError(
            f"{path}: y has shape {array.shape}, where one label per row is needed", repair="save y with one axis"
        )
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.round(array)).all()):
        raise DataError(
            f"{path}: y holds numbers that are not whole, so they are not classes",
            repair="this command trains a classifier; write a network with mean_squared_error for a regression",
        )
    if array.dtype.kind not in "biufUS":
        raise DataError(
            f"{path}: y holds {array.dtype}, where labels are whole numbers or strings", repair="save y.astype(str)"
        )
    return array.astype(int) if array.dtype.kind in "bf" else array


def read_csv(path: str | os.PathLike[str]) -> Table:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            numbered = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(c.strip() for c in row)]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise DataError(
            f"{path} is not a text file in UTF-8 with values between commas", repair="save it as CSV, UTF-8"
        ) from problem
    header = numbered[0][1] if numbered and not all(_is_number(cell) for cell in numbered[0][1][:-1]) else None
    rows = numbered[1:] if header else numbered
    if not rows:
        raise DataError(f"{path} has no rows", repair="one row per example: features, then the label")
    width = len(rows[0][1])
    if width < 2:
        raise DataError(
            f"{path} has one column, where features and then a label are needed", repair="put commas between the values"
        )
    features = np.empty((len(rows), width - 1))
    for position, (number, row) in enumerate(rows):
        if len(row) != width:
            raise DataError(
                f"{path}, line {number}: {len(row)} values, where the first row has {width}",
                repair="give every row the same columns",
            )
        for column, cell in enumerate(row[:-1]):
            if not _is_number(cell):
                name = f" ({header[column].strip()})" if header and column < len(header) else ""
                raise DataError(
                    f"{path}, line {number}, column {column + 1}{name}: {cell.strip()!r} is not a number",
                    repair="features are numbers; only the last column, the label, may be text",
                )
            features[position, column] = float(cell)
    labels = np.array([row[-1].strip() for _, row in rows])
    if all(_is_number(label) and float(label).is_integer() for label in labels):
        labels = np.array([round(float(label)) for label in labels])
    return _table(path, features, labels, None)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _table(path: str | os.PathLike[str], features: np.ndarray, labels: np.ndarray, test: np.ndarray | None) -> Table:
    if len(features) != len(labels):
        raise DataError(
            f"{path}: X has {len(features)} rows and y has {len(labels)} labels", repair="save one label per row"
        )
    if not features.size:
        raise DataError(f"{path} holds no data: X has shape {features.shape}", repair="save rows with features")
    require_finite("X", features)
    names, numbers = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"{path}: all labels are {names[0]}, and a classifier needs at least two classes",
            repair="give rows of another class; the label is the last column of a .csv file",
        )
    return Table(features, numbers.reshape(-1), tuple(str(name) for name in names), test, str(path))


def require_names(
    given: Mapping[str, object], needed: tuple[str, ...], what: str, program: Program | None = None
) -> None:
    """Refuse unknown tensors by name, and missing ones where a program needs all."""
    for name in given:
        if name not in needed:
            raise DataError(
                f"{name} is not {what}",
                inferred=f"known: {', '.join(needed)}",
                repair=nearest(name, needed) or f"leave {name} out",
            )
    for name in needed:
        if program is not None and name not in given:
            raise DataError(
                f"{name} is missing: {what}",
                **at(reader_of(program, name), name),
                inferred=f"given: {', '.join(given) or 'nothing'}",
                repair=f"give {name} as well",
            )
