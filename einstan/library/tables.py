"""Tables read from files: rows of features and a label or a value for each, from ``.npz`` or ``.csv``.

A file that cannot be used is refused by name, place and count.  A ``.csv`` is read in blocks into one array, so that
what it takes is its numbers and one block.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import BinaryIO, TypeVar

import numpy as np

from einstan.language.errors import DataError, nearest
from einstan.library.data import Table, require_finite, require_numbers
from einstan.library.files import Path, named, open_regular, reason
from einstan.library.npz import opened
from einstan.machine.sizes.memory import refuse_more

BLOCK = 2**24  # bytes of a .csv; no line is longer
AT_ONCE = 2**21  # of them are read: as texts of cells they are ten times as much
ROWS = 20_000  # of a .csv with quotes, at once
NAMES = ("X", "y", "X_train", "y_train", "X_test", "y_test")
Told = Callable[[int, int], object]  # how many bytes have been read, and of how many
Part = tuple[np.ndarray, np.ndarray]  # features and labels
Cell = TypeVar("Cell")


def read_table(path: Path, told: Told | None = None, label: str = "") -> Table:
    """A table from ``.npz`` (arrays ``X`` and ``y``, or ``X_train``, ``y_train``, ``X_test``, ``y_test``) or ``.csv``
    (a header if there is one; the label in the last column, or in the ``label``, by its name or its number from 1).
    Labels that are numbers, and not all whole, are the values of a regression.  ``told`` is called as a ``.csv`` is
    read."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".npz", ".csv"):
        raise DataError(
            f"{named(path)} has the ending {suffix or '(none)'}", repair="give a file that ends in .npz or .csv"
        )
    if label and suffix == ".npz":
        raise DataError(f"{named(path)} has its labels in y, and no columns", repair="leave out --label")
    return read_npz(path) if suffix == ".npz" else read_csv(path, told, label)


# ---- archives --------------------------------------------------------------------------------------------------------


def read_npz(path: Path) -> Table:
    name = named(path)
    with opened(path) as archive:
        known = [member for member in NAMES if member in archive.sizes]
        if known:
            needed = 2 * sum(archive.sizes[member] for member in known)
            refuse_more(f"the arrays of {name} and the numbers made of them", needed, "give fewer rows")
        found = {member: archive[member] for member in known}
        held = list(archive.sizes)
    if {"X_train", "y_train", "X_test", "y_test"} <= found.keys():
        parts = [(_features(name, found[f"X_{part}"]), _labels(name, found[f"y_{part}"])) for part in ("train", "test")]
        if parts[0][0].shape[1] != parts[1][0].shape[1]:
            raise DataError(
                f"{name}: X_train has {parts[0][0].shape[1]} features and X_test has {parts[1][0].shape[1]}",
                repair="save both with the same features",
            )
        features = np.concatenate([part[0] for part in parts])
        labels = np.concatenate([part[1] for part in parts])
        return _labelled(path, features, labels, np.arange(len(parts[0][0]), len(features)))
    if {"X", "y"} <= found.keys():
        return _labelled(path, _features(name, found["X"]), _labels(name, found["y"]))
    raise DataError(
        f"{name} does not hold X and y",
        inferred=f"it holds {', '.join(map(named, held)) or 'nothing'}",
        repair=("np.savez('file.npz', X=X, y=y)", "or X_train, y_train, X_test and y_test"),
    )


def read_features(path: Path, wanted: int, label: str = "", columns: Sequence[str] = ()) -> np.ndarray:
    """Rows of so many features, from ``X`` of an ``.npz`` or a ``.csv``, whose label is passed over if it has one.
    Where the ``columns`` that were learned have names and the ``.csv`` has a header, they are found by their names."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".npz":
        with opened(path) as archive:
            if "X" not in archive.sizes:
                raise DataError(f"{named(path)} does not hold X", repair="np.savez('file.npz', X=X)")
            refuse_more(f"the rows of {named(path)}", 2 * archive.sizes["X"], "give fewer rows")
            found = _features(named(path), archive["X"])
        if found.shape[1] != wanted:
            raise _misfit(named(path), found.shape[1], wanted)
    elif suffix == ".csv":
        with _reading(path), open_regular(path) as file:
            found = _Rows(named(path), file, None, label, wanted, columns).all()[0]
    else:
        raise DataError(
            f"{named(path)} has the ending {suffix or '(none)'}", repair="give a file that ends in .npz or .csv"
        )
    require_finite("X", found)
    return found


def _misfit(name: str, found: int, wanted: int) -> DataError:
    told = f"{name} has {found} column{'s' * (found != 1)}, and {wanted} features were learned"
    return DataError(told, repair="give the same columns")


def _features(name: str, array: np.ndarray) -> np.ndarray:
    require_numbers("X", array)
    if array.ndim < 2:
        raise DataError(
            f"{name}: X has {array.ndim} axes, where rows and features are needed", repair="X = X.reshape(len(X), -1)"
        )
    return array.reshape(len(array), int(np.prod(array.shape[1:]))).astype(float, copy=False)


def _labels(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.dtype.kind in "biuf":
        if not (np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()):
            raise DataError(
                f"{name}: the rows of y are not one-hot", repair="give one label per row, or rows with a single 1"
            )
        return array.argmax(axis=1)
    if array.ndim != 1:
        raise DataError(
            f"{name}: y has shape {array.shape}, where one label per row is needed", repair="save y with one axis"
        )
    if array.dtype.kind == "f":
        require_finite("y", array)
        if not (array == np.round(array)).all():
            return array.astype(float)
    if array.dtype.kind not in "biufUS":
        raise DataError(
            f"{name}: y holds {array.dtype}, where labels are whole numbers or strings", repair="save y.astype(str)"
        )
    return array.astype(int) if array.dtype.kind in "bf" else array


# ---- values between commas -------------------------------------------------------------------------------------------


def read_csv(path: Path, told: Told | None = None, label: str = "") -> Table:
    with _reading(path), open_regular(path) as file:
        rows = _Rows(named(path), file, told, label)
        features, spelled, labels = rows.all()
    columns = tuple(rows.titles())
    if all(map(_is_number, spelled)) and not all(map(_is_whole, spelled)):
        return _regression(path, features, np.array([float(value) for value in spelled])[labels], columns=columns)
    if all(map(_is_whole, spelled)):
        names, places = np.unique([round(float(name)) for name in spelled], return_inverse=True)
    else:
        names, places = np.unique(spelled, return_inverse=True)
    return _table(path, features, names, places[labels], columns=columns)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever happens while a ``.csv`` is read is told of it."""
    try:
        yield
    except (UnicodeDecodeError, csv.Error) as problem:
        raise DataError(
            f"{named(path)} is not a text file in UTF-8 with values between commas", repair="save it as CSV, UTF-8"
        ) from problem
    except (OSError, ValueError) as problem:  # a name that holds a zero byte is a ValueError
        if isinstance(problem, DataError):
            raise
        raise DataError(
            f"{named(path)} cannot be read: {reason(problem)}", repair="give the path of a .npz or .csv file"
        ) from problem


class _Rows:
    """The rows of an open file: its lines in blocks, and the number of the line where each begins.  Of so many features
    as are ``wanted`` the label may be missing, and those that were ``learned`` by names may stand in any order."""

    def __init__(
        self, name: str, file: BinaryIO, told: Told | None, label: str = "", wanted: int | None = None,
        learned: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.name, self.file, self.told, self.label, self.wanted = name, file, told, label, wanted
        self.size = os.fstat(file.fileno()).st_size
        self.header: list[str] | None = None
        self.width = 0
        self.place = -1  # of the label in a row, behind the end where there is none
        self.learned = list(learned)
        self.order: list[int] = []  # of the features, where it is not that of the file

    def all(self) -> tuple[np.ndarray, list[str], np.ndarray]:
        """Features of all rows in one array, whose length is guessed from the first block; the labels as they are
        spelled, each once, and which of them each row has."""
        features, labels, count = np.empty((0, 1)), [], 0
        known: dict[str, int] = {}
        for own, names in self.parts():
            if count + len(own) > len(features):
                guess = round(1.02 * (count + len(own)) * self.size / max(1, self.file.tell())) + 1
                rows = max(guess, count + len(own))
                refuse_more(f"the {own.shape[1]} columns of {self.name}", 8 * rows * own.shape[1], "give fewer rows")
                features.resize((rows, own.shape[1]), refcheck=False)
            features[count : count + len(own)] = own
            spelled, which = np.unique(names, return_inverse=True)
            numbers = [known.setdefault(name, len(known)) for name in spelled.tolist()]
            labels.append(np.array(numbers, np.int32)[which])
            count += len(own)
        if not count:
            raise DataError(f"{self.name} has no rows", repair="one row per example: features, then the label")
        features.resize((count, features.shape[1]), refcheck=False)
        return features, list(known), np.concatenate(labels)

    def parts(self) -> Iterator[Part]:
        """Features and labels block by block: at once where nothing is quoted, else row by row."""
        blocks = self.blocks()
        for number, lines in blocks:
            if not self.width:
                number, lines = self.begun(number, lines)
            if any('"' in line for line in lines):
                rest = chain([(number, lines)], blocks)
                rows = csv.reader(line + "\n" for _, block in rest for line in block)
                numbered = ((number + rows.line_num - 1, row) for row in rows)
                while some := list(islice(numbered, ROWS)):
                    yield from self.checked(some)
                return
            yield from self.quickly(number, lines)

    def blocks(self) -> Iterator[tuple[int, list[str]]]:
        number, left = 1, self.file.read(3).removeprefix(b"\xef\xbb\xbf")
        while True:
            got = self.file.read(min(AT_ONCE, BLOCK))
            if self.told is not None:
                self.told(self.file.tell(), self.size)
            data = left + got
            end = max(data.rfind(b"\n"), data.rfind(b"\r") if b"\n" not in data else -1) + 1 if got else len(data)
            if len(data) - end > BLOCK:
                raise DataError(
                    f"{self.name}, line {number}: it is longer than {BLOCK:,} bytes", repair="a line for each example"
                )
            lines = data[:end].decode("utf-8").replace("\r\n", "\n").replace("\r", "\n").split("\n")
            left = data[end:]
            if end and not lines[-1]:
                lines.pop()
            yield number, lines
            number += len(lines)
            if not got:
                return

    def begun(self, number: int, lines: list[str]) -> tuple[int, list[str]]:
        """The lines after the header, if there is one, which tell how many columns there are."""
        for position, line in enumerate(lines):
            if _is_blank(line):
                continue
            rows = csv.reader(line + "\n" for line in lines[position:])
            first = next(rows)
            if self.wanted is not None and len(first) not in (self.wanted, self.wanted + 1):
                raise _misfit(self.name, len(first), self.wanted)
            self.place = self.column(first) if len(first) != self.wanted else len(first)
            skipped = position + rows.line_num if not all(map(_is_number, self.features(first))) else position
            self.header = first if skipped > position else None
            following = next((row for row in csv.reader(lines[skipped:]) if any(map(str.strip, row))), first)
            self.width = len(following)
            if self.wanted is not None and self.width - (self.place < len(first)) != self.wanted:
                raise _misfit(self.name, self.width, self.wanted)
            if self.wanted is None and self.width < 2:
                raise DataError(
                    f"{self.name} has one column, where features and then a label are needed",
                    repair="put commas between the values",
                )
            if self.wanted is None:
                self.place = self.column(first) if self.label else self.width - 1
            if self.wanted is None and self.place >= self.width:
                told = f"{self.name}: the first row has {len(first)} values, and the next {self.width}"
                raise DataError(told, repair="give every row the same columns")
            self.order = self.ordered()
            return number + skipped, lines[skipped:]
        return number + len(lines), []

    def column(self, first: Sequence[str]) -> int:
        """Where the label stands, by its number or by its name in the first row."""
        names = [name.strip() for name in first]
        if not self.label:
            return len(first) - 1
        if self.label.isascii() and self.label.isdigit() and 1 <= int(self.label) <= len(first):
            return int(self.label) - 1
        if (count := names.count(self.label)) == 1:
            return names.index(self.label)
        close = "" if count else nearest(self.label, names)
        raise DataError(
            f"{self.name} has {count or 'no'} column{'s' * (count > 1)} {_short(self.label)}",
            inferred=f"the columns are {', '.join(map(_short, names[:20]))}{', ...' * (len(names) > 20)}",
            repair=close or f"--label {len(first)}, the number of a column, or its name",
        )

    def features(self, row: Sequence[Cell]) -> list[Cell]:
        """The cells of a row without the label, in the order in which they were learned."""
        cells = [*row[: self.place], *row[self.place + 1 :]]
        return [cells[k] for k in self.order] if self.order else cells

    def titles(self) -> list[str]:
        """The names of the features, if the file has a header with one for each."""
        header = self.header or []
        return [name.strip() for name in self.features(header)] if len(header) == self.width else []

    def ordered(self) -> list[int]:
        """Where the features that were learned by names stand in the file; nothing where that is their own order."""
        names = self.titles()
        if not (names and self.learned) or names == self.learned:
            return []
        if len(set(names)) < len(names) or set(names) != set(self.learned):
            raise DataError(
                f"the columns of {self.name} are not those that were learned",
                inferred=f"they are {', '.join(map(_short, names[:20]))}{', ...' * (len(names) > 20)}",
                repair=f"give {','.join(map(_short, self.learned[:20]))}{',...' * (len(names) > 20)}",
            )
        return [names.index(name) for name in self.learned]

    def quickly(self, number: int, lines: list[str]) -> Iterator[Part]:
        """The rows of lines without quotes."""
        full = [line for line in lines if not _is_blank(line)]
        if not full:
            return
        try:
            if any(line.count(",") != self.width - 1 for line in full):
                raise ValueError
            columns = self.features(range(self.width))
            features = np.loadtxt(full, delimiter=",", usecols=columns, comments=None, ndmin=2)
        except ValueError:  # which row it is, and which cell
            numbered = [(number + k, line.split(",")) for k, line in enumerate(lines)]
            yield from self.checked(numbered)
            return
        yield features, np.array([self.cell(line) for line in full])

    def cell(self, line: str) -> str:
        """The label of a line without quotes."""
        if self.place >= self.width:
            return ""
        if self.place == self.width - 1:
            return line.rpartition(",")[2].strip()
        return line.split(",", self.place + 1)[self.place].strip()

    def checked(self, rows: Sequence[tuple[int, list[str]]]) -> Iterator[Part]:
        rows = [(number, row) for number, row in rows if any(map(str.strip, row))]
        columns = self.features(range(self.width))
        features = np.empty((len(rows), len(columns)))
        for position, (number, row) in enumerate(rows):
            if len(row) != self.width:
                raise DataError(
                    f"{self.name}, line {number}: {len(row)} values, where the first row has {self.width}",
                    repair="give every row the same columns",
                )
            for place, column in enumerate(columns):
                cell = row[column]
                if not _is_number(cell):
                    header = self.header or []
                    title = f" ({_short(header[column])})" if column < len(header) else ""
                    raise DataError(
                        f"{self.name}, line {number}, column {column + 1}{title}: {_short(cell)!r} is not a number",
                        repair=f"features are numbers; only column {self.place + 1}, the label, may be text",
                    )
                features[position, place] = float(cell)
        if len(rows):
            yield features, np.array(["".join(row[self.place : self.place + 1]).strip() for _, row in rows])


def _is_blank(line: str) -> bool:
    return not line.replace(",", "").strip(' \t"')


def _short(cell: str) -> str:
    cell = cell.strip()
    return cell if len(cell) <= 40 else cell[:40] + "..."


def _is_number(cell: str) -> bool:
    """Whether a cell is a number as every program writes it: Python's own 1_000 is none, nor are other digits."""
    if "_" in cell or not cell.isascii():
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_whole(label: str) -> bool:
    return _is_number(label) and float(label).is_integer() and abs(float(label)) < 2**53


# ---- both ------------------------------------------------------------------------------------------------------------


def _labelled(path: Path, features: np.ndarray, labels: np.ndarray, test: np.ndarray | None = None) -> Table:
    """A table of what `_labels` gives: floats are the values of a regression."""
    if labels.dtype.kind == "f":
        return _regression(path, features, labels, test)
    names, numbers = np.unique(labels, return_inverse=True)
    return _table(path, features, names, numbers.reshape(-1), test)


def _regression(
    path: Path, features: np.ndarray, values: np.ndarray, test: np.ndarray | None = None, columns: tuple[str, ...] = ()
) -> Table:
    require_finite("y", values)
    _refuse_misfit(path, features, len(values))
    return Table(features, np.zeros(len(values), int), (), test, os.fspath(path), values, columns)


def _refuse_misfit(path: Path, features: np.ndarray, labels: int) -> None:
    name = named(path)
    if len(features) != labels:
        told = f"{name}: X has {len(features)} rows and y has {labels} labels"
        raise DataError(told, repair="save one label per row")
    if not features.size:
        raise DataError(f"{name} holds no data: X has shape {features.shape}", repair="save rows with features")
    require_finite("X", features)


def _table(
    path: Path, features: np.ndarray, names: np.ndarray, numbers: np.ndarray, test: np.ndarray | None = None,
    columns: tuple[str, ...] = (),
) -> Table:  # fmt: skip
    name = named(path)
    _refuse_misfit(path, features, len(numbers))
    if len(names) < 2:
        raise DataError(
            f"{name}: all labels are {_short(str(names[0]))}, and a classifier needs at least two classes",
            repair="give rows of another class; the label is the last column of a .csv file, or --label",
        )
    return Table(features, numbers, tuple(str(name) for name in names), test, os.fspath(path), columns=columns)
