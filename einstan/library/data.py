"""Data for training: checks, splits, minibatches, one-hot labels.

A table that cannot be used is refused by name, place and count; nothing is filled in, dropped or trained on silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from einstan.calculus.program import Program
from einstan.language.errors import DataError, listed, nearest
from einstan.language.place import at
from einstan.machine.backends.arrays import np
from einstan.machine.run.handed import LossError, as_array, spellings
from einstan.machine.sizes.refusals import no_numbers, reader_of

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


def require_numbers(name: str, array: np.ndarray, kinds: str = "biuf") -> None:
    """Refuse arrays of objects, strings and dates, and of complex numbers unless these are among the ``kinds``."""
    if array.dtype.kind in kinds:
        return
    kind = {"c": "complex numbers", "O": "Python objects", "U": "strings", "S": "strings"}.get(array.dtype.kind)
    raise DataError(
        f"{name} holds {kind or array.dtype}, where real numbers are needed", repair=no_numbers(name, array.dtype)
    )


# ---- splits and batches ----------------------------------------------------------------------------------------------


def one_hot(labels: np.ndarray, classes: int, dtype: np.typing.DTypeLike = "float64") -> np.ndarray:
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

    Examples:
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
    """Rows of features, a class number for each, and the names of the classes; or of a regression a value for each, and
    no classes.

    ``test`` holds the row numbers of a test part where the file brings one, else None; ``columns`` names the features
    where the file does.
    """

    features: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    test: np.ndarray | None = None
    name: str = ""
    values: np.ndarray | None = None
    columns: tuple[str, ...] = ()

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


def require_names(
    given: Mapping[str, object], needed: tuple[str, ...], what: str, program: Program | None = None
) -> None:
    """Refuse unknown tensors by name, and missing ones where a program needs all."""
    for name in given:
        if name not in needed:
            raise DataError(
                f"{name} is not {what}",
                inferred=f"known: {listed(needed)}",
                repair=nearest(name, needed) or f"leave {name} out",
            )
    for name in needed:
        if program is not None and name not in given:
            raise DataError(
                f"{name} is missing: {what}",
                **at(reader_of(program, name), name),
                inferred=f"given: {listed(given) or 'nothing'}",
                repair=f"give {name} as well",
            )
