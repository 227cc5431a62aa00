"""Data: splits, batches, and tables that are read or refused with the place that is wrong."""

import numpy as np
import pytest

from einstan.language.errors import DataError
from einstan.library import data, tables


def test_stratified_parts_are_disjoint_and_hold_the_share_of_each_class():
    labels = np.repeat([0, 1, 2], [50, 100, 7])
    rest, part = data.stratified(labels, 0.2, seed=0)
    assert sorted([*rest, *part]) == list(range(157))
    assert np.bincount(labels[part]).tolist() == [10, 20, 1]
    again = data.stratified(labels, 0.2, seed=0)
    assert (again[0] == rest).all()
    assert (again[1] == part).all()
    assert not np.array_equal(data.stratified(labels, 0.2, seed=1)[1], part)


def test_batches_cover_all_rows_once():
    seen = list(data.batches(10, 4, np.random.default_rng(0)))
    assert [len(rows) for rows in seen] == [4, 4, 2]
    assert sorted(np.concatenate(seen)) == list(range(10))


def test_digits():
    table = data.digits()
    assert table.features.shape == (1797, 64)
    train, test = table.split(0.2, 0)
    assert (len(train), len(test)) == (1438, 359)


def test_scaling():
    features = np.array([[0.0, 5.0, 2.0], [4.0, 5.0, 8.0]])
    assert data.Scaling.of(features)(features).tolist() == [[0, 0, 0], [1, 0, 1]]
    assert data.Scaling.of(features, per_feature=False)(features).tolist() == [[0, 0.625, 0.25], [0.5, 0.625, 1]]


def test_one_hot():
    assert data.one_hot(np.array([1, 0]), 3).tolist() == [[0, 1, 0], [1, 0, 0]]
    with pytest.raises(DataError) as caught:
        data.one_hot(np.array([3]), 3)
    assert caught.value.problem == "labels run from 3 to 3, and there are 3 classes, 0 to 2"


def test_not_finite_names_count_and_first_place():
    array = np.ones((3, 4))
    array[1, 2], array[2, 0] = np.nan, -np.inf
    with pytest.raises(DataError) as caught:
        data.require_finite("X", array)
    assert str(caught.value) == (
        "X holds 2 values that are not finite\n"
        "  inferred: 1 NaN and 1 infinite of 12\n"
        "            the first is X[1,2] = nan\n"
        "  repair:   drop or fill these rows before training"
    )
    data.require_finite("y", np.array([1, 2]))


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.array([1j]), "X holds complex numbers, where real numbers are needed"),
        (np.array([object()]), "X holds Python objects, where real numbers are needed"),
        (np.array(["a"]), "X holds strings, where real numbers are needed"),
    ],
)
def test_not_numbers(array, problem):
    with pytest.raises(DataError) as caught:
        data.require_numbers("X", array)
    assert caught.value.problem == problem


# ---- files -----------------------------------------------------------------------------------------------------------

TABLES = {
    # what is in the file                   features                labels    classes
    "1,2,a\n3,4,b\n": ([[1, 2], [3, 4]], [0, 1], ("a", "b")),
    "x,y,label\n1,2,b\n3,4,a\n": ([[1, 2], [3, 4]], [1, 0], ("a", "b")),
    "1,10\n2,9\n\n3,10\n": ([[1], [2], [3]], [1, 0, 1], ("9", "10")),
    "\ufeff1,2,1.0\r\n3,4,0.0\r\n": ([[1, 2], [3, 4]], [1, 0], ("0", "1")),
    ' 1 ,"2", yes\n-3e1,.5,no\n': ([[1, 2], [-30, 0.5]], [1, 0], ("no", "yes")),
}


@pytest.mark.parametrize("text", TABLES)
def test_csv(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    table = tables.read_table(path)
    features, labels, classes = TABLES[text]
    assert table.features.tolist() == features
    assert table.labels.tolist() == labels
    assert table.classes == classes


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "{path} has no rows"),
        (b"x,y,label\n", "{path} has no rows"),
        (b"1\n2\n", "{path} has one column, where features and then a label are needed"),
        (b"1,2,a\n3,b\n", "{path}, line 2: 2 values, where the first row has 3"),
        (b"x,y,label\n1,2,a\n1,dog,b\n", "{path}, line 3, column 2 (y): 'dog' is not a number"),
        (b"1,2,a\n1,,b\n", "{path}, line 2, column 2: '' is not a number"),
        (b"1,nan,a\n1,2,b\n", "X holds 1 value that is not finite"),
        (b"1,2,a\n1,2,a\n", "{path}: all labels are a, and a classifier needs at least two classes"),
        (b"\xff\xfe\x00", "{path} is not a text file in UTF-8 with values between commas"),
    ],
)
def test_bad_csv(tmp_path, text, problem):
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    with pytest.raises(DataError) as caught:
        tables.read_table(path)
    assert caught.value.problem == problem.format(path=path)


# Of a text and a label: the features, and the classes of the rows, or their values.
LABELS = {
    ("a,kind,b\n1,x,2\n3,y,4\n", "kind"): ([[1, 2], [3, 4]], ["x", "y"]),
    ("a,kind,b\n1,x,2\n3,y,4\n", "2"): ([[1, 2], [3, 4]], ["x", "y"]),
    ("x,1,2\ny,3,4\n", "1"): ([[1, 2], [3, 4]], ["x", "y"]),
    ('1,"x",2\n3,y,4\n', "2"): ([[1, 2], [3, 4]], ["x", "y"]),
    ("a,price,b\n1,0.5,2\n3,7,4\n", "price"): ([[1, 2], [3, 4]], [0.5, 7.0]),
    ("1,2,0.5\n3,4,-1e-3\n", ""): ([[1, 2], [3, 4]], [0.5, -0.001]),
    ("2,1,x\n4,3,y\n", "3"): ([[2, 1], [4, 3]], ["x", "y"]),
}


@pytest.mark.parametrize(("text", "label"), LABELS)
def test_the_label_of_a_csv(tmp_path, text, label):
    (tmp_path / "t.csv").write_text(text)
    table = tables.read_table(tmp_path / "t.csv", label=label)
    features, labels = LABELS[text, label]
    assert table.features.tolist() == features
    found = [table.classes[k] for k in table.labels] if table.classes else table.values.tolist()
    assert found == labels


@pytest.mark.parametrize(
    ("label", "problem", "repair"),
    [
        ("prize", "{path} has no column prize", "did you mean price?"),
        ("0", "{path} has no column 0", "--label 3, the number of a column, or its name"),
        ("4", "{path} has no column 4", "--label 3, the number of a column, or its name"),
        ("a", "{path} has 2 columns a", "--label 3, the number of a column, or its name"),
        ("price", "y holds 1 value that is not finite", None),
    ],
)
def test_a_label_that_is_none(tmp_path, label, problem, repair):
    path = tmp_path / "t.csv"
    path.write_text("a,price,a\n1,0.5,2\n1,nan,2\n")
    with pytest.raises(DataError) as caught:
        tables.read_table(path, label=label)
    assert caught.value.problem == problem.format(path=path)
    assert repair is None or caught.value.repair == (repair,)


def test_values_in_an_archive(tmp_path):
    np.savez(tmp_path / "v.npz", X=X, y=Y + 0.5)
    table = tables.read_table(tmp_path / "v.npz")
    assert (table.classes, table.values.tolist()) == ((), (Y + 0.5).tolist())
    with pytest.raises(DataError, match="has its labels in y, and no columns"):
        tables.read_table(tmp_path / "v.npz", label="y")


X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])


def test_npz(tmp_path):
    np.savez(tmp_path / "a.npz", X=X.reshape(6, 1, 2), y=np.array(list("abcabc")))
    table = tables.read_table(tmp_path / "a.npz")
    assert table.features.tolist() == X.tolist()
    assert table.classes == ("a", "b", "c")
    np.savez(tmp_path / "b.npz", X=X, y=np.eye(3)[Y])
    assert tables.read_table(tmp_path / "b.npz").labels.tolist() == Y.tolist()
    np.savez(tmp_path / "c.npz", X_train=X[:4], y_train=Y[:4], X_test=X[4:], y_test=Y[4:])
    train, test = tables.read_table(tmp_path / "c.npz").split(0.2, 0)
    assert (train.tolist(), test.tolist()) == ([0, 1, 2, 3], [4, 5])


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"Z": X}, "{path} does not hold X and y"),
        ({"X": X, "y": Y[:3]}, "{path}: X has 6 rows and y has 3 labels"),
        ({"X": X[:, 0], "y": Y}, "{path}: X has 1 axes, where rows and features are needed"),
        ({"X": X, "y": Y + np.inf}, "y holds 6 values that are not finite"),
        ({"X": X, "y": Y[:3] + 0.5}, "{path}: X has 6 rows and y has 3 labels"),
        ({"X": X, "y": np.ones((6, 3))}, "{path}: the rows of y are not one-hot"),
        ({"X": X * np.nan, "y": Y}, "X holds 12 values that are not finite"),
        ({"X": X[:0], "y": Y[:0]}, "{path} holds no data: X has shape (0, 2)"),
        ({"X": X.astype(complex), "y": Y}, "X holds complex numbers, where real numbers are needed"),
        ({"X": np.array([[object()]]), "y": Y}, "{path} is damaged"),
    ],
)
def test_bad_npz(tmp_path, arrays, problem):
    path = tmp_path / "t.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as caught:
        tables.read_table(path)
    assert caught.value.problem == problem.format(path=path)


def test_files_that_cannot_be_read(tmp_path):
    for name, problem in [
        ("missing.csv", "{path} cannot be read: No such file or directory"),
        ("missing.npz", "{path} cannot be read: No such file or directory"),
        ("t.txt", "{path} has the ending .txt"),
    ]:
        with pytest.raises(DataError) as caught:
            tables.read_table(tmp_path / name)
        assert caught.value.problem == problem.format(path=tmp_path / name)
    (tmp_path / "t.npz").write_text("not an archive")
    with pytest.raises(DataError) as caught:
        tables.read_table(tmp_path / "t.npz")
    assert caught.value.problem == f"{tmp_path / 't.npz'} is not an .npz file"
