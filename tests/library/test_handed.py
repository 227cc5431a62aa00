"""What users hand over as arrays: taken where nothing is lost, else refused with what to give instead.

Objects of other packages stand here as classes that have their names and what is asked of them; the oracles try the
packages that are installed.
"""

import array
import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import DataError, EinstanError
from einstan.library.data import one_hot, plain_array

A = np.arange(6.0).reshape(3, 2)
W = np.array([1.0, 10.0])
PRODUCT = es.parse("y[n] = X[n,K] w[K]").compile()


def stranger(module: str, data: np.ndarray = A, kind: str = "Array", **attributes: object) -> object:
    """An object of a package, with an array inside."""

    def as_array(self: object, dtype: object = None, copy: object = None) -> np.ndarray:
        return data

    own = type(kind, (), {"__module__": module, "__array__": as_array, "shape": data.shape, "dtype": data.dtype})
    made = own()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def tensor(**attributes: object) -> object:
    plain = {"requires_grad": False, "layout": "torch.strided", "device": SimpleNamespace(type="cpu"), "names": ()}
    return stranger("torch", **{**plain, **attributes})


def subclass(**attributes: object) -> np.ndarray:
    made = A.view(type("Quantity", (np.ndarray,), attributes))
    assert isinstance(made, np.ndarray)
    return made


def no_array(self: object, *_: object, **__: object) -> np.ndarray:
    raise TypeError("a traced value has no entries")


class Rows:
    """The index of a frame."""


ROWS = type("RangeIndex", (Rows,), {"start": 0, "step": 1})()
FLOATS = SimpleNamespace(kind="f")  # a dtype of pandas
DATE = SimpleNamespace(is_temporal=lambda: True)  # dtypes of polars
NUMBER = SimpleNamespace(is_temporal=lambda: False)


def deep(holes: int) -> object:
    """A series of arrays of polars, with entries that are missing within them."""
    inner = SimpleNamespace(dtype=NUMBER, null_count=lambda: holes)
    rows = SimpleNamespace(is_temporal=lambda: False, inner=NUMBER)
    return stranger("polars.series", null_count=lambda: 0, dtype=rows, explode=lambda: inner)


TAKEN = {
    "lists": A.tolist(), "tuples": tuple(map(tuple, A)), "a matrix": A.view(np.matrix), "no mask": np.ma.array(A),
    "a view of memory": memoryview(A), "big-endian": A.astype(">f8"), "little-endian": A.astype("<f8"),
    "columns first": np.asfortranarray(A), "backwards": A[::-1][::-1],
    "ctypes": (ctypes.c_double * 2 * 3)(*map(tuple, A)),
    "a subclass": subclass(), "a list of arrays": list(A),
    "pandas": stranger("pandas.core.frame", index=ROWS, dtypes=[A.dtype, A.dtype]),
    "polars": stranger("polars.frame", null_count=lambda: SimpleNamespace(row=lambda k: (0, 0))),
    "polars, one column": stranger("polars.series", null_count=lambda: 0),
    "polars, numbers": stranger("polars", dtypes=[NUMBER, NUMBER]),
    "polars, arrays": deep(0),
    "xarray, counted": stranger("xarray.core", dims=("n", "k"), indexes={"n": [0, 1, 2]}, attrs={"units": "1"}),
    "xarray, no names": stranger("xarray.core", dims=("dim_0", "dim_1")),
    "xarray": stranger("xarray.core", dims=("n", "k")),
}  # fmt: skip
REFUSED = {
    "a mask": (np.ma.array(A, mask=A > 4), "a mask would be dropped", "X.filled(0)"),
    "a list of masked rows": ([np.ma.array(A[0], mask=[1, 0]), *A[1:]], "a mask would be dropped", "m[i] X[i]"),
    "a masked entry": ([[1.0, np.ma.masked], [1.0, 2.0]], "a mask would be dropped", "m[i] X[i]"),
    "objects": (A.astype(object), "dtype object", "X.astype(float)"),
    "strings": (A.astype(str), "dtype <U", "X.astype(float)"),
    "dates": (A.astype("M8[D]"), "datetime64", "(X - X.min()) / np.timedelta64(1, 'D')"),
    "spans of time": (A.astype("m8[D]"), "timedelta64", "X / np.timedelta64(1, 'D')"),
    "complex": (A + 0j, "complex128", "X.real"),
    "fields": (np.zeros((3, 2), [("a", float)]), "it must hold", 'X["a"]'),
    "integers": (A.astype(np.int8), "int8", "X.astype(float)"),
    "rows of different lengths": ([[1.0], [1.0, 2.0]], "different lengths", "rows of one length"),
    "nothing": (None, "X is a scalar", "2 axes"),
    "a set": ({1.0}, "X is a scalar", "2 axes"),
    "bytes": (b"abc", "a scalar", ""),
    "one axis of memory": (array.array("d", [1.0]), "1 axis", "2 axes"),
    "a unit": (subclass(unit="m", value=A), "a unit, which would be dropped", "X.value"),
    "a unit of pint": (stranger("pint", magnitude=A), "a unit, which would be dropped", "X.magnitude"),
    "pandas, labelled": (stranger("pandas.core.frame", index=Rows()), "labels are not compared", "X.to_numpy()"),
    "pandas, from row 3 on": (
        stranger("pandas.core", index=type("RangeIndex", (), {"start": 3, "step": 1})()), "labels are not", "to_numpy",
    ),
    "pandas, missing": (
        stranger("pandas.core", index=ROWS, dtypes=FLOATS, isna=lambda: SimpleNamespace(to_numpy=lambda: A > 4)),
        "missing entries", "na_value",
    ),
    "pandas, of its own dtype": (
        stranger("pandas.core", index=ROWS, dtypes=FLOATS, isna=lambda: SimpleNamespace(to_numpy=lambda: A > 9)),
        "its dtype is one of pandas", "X.to_numpy(float)",
    ),
    "polars, missing": (stranger("polars", null_count=lambda: 2), "missing entries", "X.fill_null(0)"),
    "polars, not run": (stranger("polars", collect=None), "not been run", "X.collect()"),
    "polars, dates and numbers": (stranger("polars", dtypes=[DATE, NUMBER]), "would become a number", "columns"),
    "polars, missing in arrays": (deep(1), "missing entries", "X.fill_null(0)"),
    "xarray, labelled": (
        stranger("xarray", dims=("n", "k"), indexes={"n": [1, 0, 2]}), "labels are not compared", "X.values",
    ),
    "xarray, with a unit": (stranger("xarray", dims=("n", "k"), attrs={"units": "m"}), "has a unit", "X.values"),
    "xarray, turned": (stranger("xarray", A.T, dims=("k", "n")), "another order", 'X.transpose("n", "k")'),
    "xarray, other names": (stranger("xarray", dims=("time", "place")), "n,k in the equation", "X.values"),
    "xarray, several": (type("Dataset", (), {"__module__": "xarray.core"})(), "several arrays", 'X["..."]'),
    "PyTorch": (tensor(), "a tensor of PyTorch", 'compile(backend="torch"), or give X.numpy()'),
    "PyTorch, recording": (tensor(requires_grad=True), "a tensor of PyTorch", "X.detach().numpy()"),
    "PyTorch, sparse": (tensor(layout="torch.sparse_coo"), "a tensor of PyTorch", "X.to_dense().numpy()"),
    "PyTorch, elsewhere": (tensor(device=SimpleNamespace(type="cuda")), "a tensor of PyTorch", "X.cpu().numpy()"),
    "PyTorch, half as long": (tensor(dtype="torch.bfloat16"), "a tensor of PyTorch", "X.float().numpy()"),
    "PyTorch, named": (tensor(names=("n", "k")), "a tensor of PyTorch", "X.rename(None).numpy()"),
    "PyTorch, rows": ([tensor(), tensor()], "a tensor of PyTorch", "X[0].numpy()"),
    "JAX": (stranger("jaxlib"), "an array of JAX", 'compile(backend="jax"), or give np.asarray(X)'),
    "SciPy, sparse": (stranger("scipy.sparse", toarray=None), "it is sparse", "X.toarray()"),
    "CuPy": (stranger("cupy"), "graphics card", "X.get()"),
    "JAX, traced": (
        type("DynamicJaxprTracer", (), {"__module__": "jax", "__array__": no_array, "shape": (3, 2)})(),
        "JAX traces it", 'compile(backend="jax")',
    ),
}  # fmt: skip


@pytest.mark.parametrize("given", TAKEN)
def test_what_is_taken_has_the_value_of_its_entries(given: str) -> None:
    assert PRODUCT(X=TAKEN[given], w=W)["y"].tolist() == (A @ W).tolist()
    assert plain_array("X", TAKEN[given]).tolist() == A.tolist()


@pytest.mark.parametrize("given", REFUSED)
def test_what_would_lose_something_is_refused_with_what_to_give(given: str) -> None:
    data, problem, repair = REFUSED[given]
    with pytest.raises(EinstanError, match=problem) as error:
        PRODUCT(X=data, w=W)
    assert repair in "\n".join(error.value.repair)


TURNED = stranger("xarray", A.T, dims=("k", "n"))
EINSUMS = {
    "a string": lambda: es.einsum("nk,k->n", TURNED, W),
    "a function": lambda: es.einsum("nk->n")(TURNED),
    "gradients": lambda: es.einsum("nk->").gradients(TURNED),
    "source": lambda: es.einsum("nk->n").source(TURNED),
}  # fmt: skip


@pytest.mark.parametrize("way", EINSUMS)
def test_names_of_axes_are_the_letters_of_an_einsum(way: str) -> None:
    with pytest.raises(EinstanError, match="in another order") as error:
        EINSUMS[way]()
    assert 'x.transpose("n", "k")' in error.value.repair
    assert es.einsum("kn,k->n", TURNED, W).tolist() == (A @ W).tolist()


@pytest.mark.parametrize("entry", [None, "a", {}])
def test_objects_that_cannot_be_multiplied_are_told(entry: object) -> None:
    x = np.array([[1, entry], [1, 2]], object)
    with pytest.raises(DataError, match="operand 1 holds objects that cannot"):
        es.einsum("ij,ij->i", x, x)


MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])
SOLVED = es.Program("L = 1/2 (x[I] - b[I])^2")
PLACES = {
    "a compiled program": lambda: es.parse("s = X[I]").compile()(X=MASKED),
    "an equation": lambda: es.parse("s = X[I]")(X=MASKED),
    "the loops": lambda: es.parse("s = X[I]").loops(X=MASKED),
    "any size": lambda: es.parse("s = X[I]").compile(any_size=True)(X=MASKED),
    "what has been called with others": lambda: [es_called(X=x) for x in (np.ones(3), MASKED)],
    "an einsum": lambda: es.einsum("i->", MASKED),
    "an einsum's gradients": lambda: es.einsum("i,i->").gradients(MASKED, np.ones(3)),
    "a derivative": lambda: es.Program("L = x[I]^3").hessian("L", "x")(x=MASKED),
    "a product": lambda: SOLVED.hessian("L", "x")(x=np.ones(3), b=np.ones(3)) @ MASKED,
    "a product from the left": lambda: MASKED @ SOLVED.hessian("L", "x")(x=np.ones(3), b=np.ones(3)),
    "a system": lambda: SOLVED.hessian("L", "x")(x=np.ones(3), b=np.ones(3)).solve(MASKED),
    "an optimizer": lambda: es.optimize.newton(SOLVED, "L", {"x": np.ones(3)}, {"b": MASKED}),
    "an optimizer's start": lambda: es.optimize.newton(SOLVED, "L", {"x": MASKED}, {"b": np.ones(3)}),
    "training": lambda: es.fit(es.Network(str(SOLVED), parameters={"x": "zeros"}), "L", {"b": MASKED}),
    "first values": lambda: es.Network(str(SOLVED), parameters={"x": "zeros"}).init(b=MASKED),
    "a step": lambda: es.Network(str(SOLVED), parameters={"x": "zeros"}).value_and_grad("L").compile()(
        {"x": np.ones(3)}, b=MASKED),
    "labels": lambda: one_hot(np.ma.array([0, 1], mask=[0, 1]), 2),
    "an evaluator": lambda: es.Network("s = X[I]").evaluator("s")({}, X=MASKED),
}  # fmt: skip
es_called = es.parse("s = X[I]").compile()


@pytest.mark.parametrize("place", PLACES)
def test_a_mask_is_dropped_nowhere(place: str) -> None:
    with pytest.raises(EinstanError):
        PLACES[place]()


@pytest.mark.parametrize("options", [{}, {"any_size": True}])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u4", "u8", ">i8", "i8"])
@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("y[n] = v[2T[n]+1]", lambda v, T: v[2 * T + 1]),
        ("y[n] = v[mod(3T[n], 7)]", lambda v, T: v[3 * T % 7]),
        ("y[n] = pad(v[T[n]-120])", lambda v, T: np.where(T >= 120, v[np.maximum(T - 120, 0)], 0)),
        ("y[n] = v[K] 1[K == 2T[n]]", lambda v, T: v[2 * T]),
    ],
)
def test_positions_of_a_small_type_do_not_overflow(text: str, right: object, dtype: str, options: dict) -> None:
    v, positions = np.arange(300.0), np.array([100, 127, 3])
    found = es.parse(text).compile(**options)(v=v, T=positions.astype(dtype))["y"]
    assert found.tolist() == right(v, positions).tolist()


def test_the_error_shows_the_place() -> None:
    with pytest.raises(DataError) as error:
        PRODUCT(X=np.ma.array(A, mask=A > 4), w=W)
    assert str(error.value) == (
        "X cannot be taken as an array: it is masked, and a mask would be dropped\n"
        "  y[n] = X[n,K] w[K]\n"
        "         ^^^^^^\n"
        "  inferred: X has 2 axes\n"
        "  repair:   fill it, X.filled(0); or give the mask too, as a tensor m of zeros and ones, and write m[i] X[i]"
    )


@pytest.mark.parametrize("options", [{"fast": False}, {"any_size": True}])
def test_errstate_is_that_of_numpy(options: dict) -> None:
    f = es.parse("y[i] = log(x[i])").compile(**options)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        f(x=np.zeros(2))
    with np.errstate(divide="ignore"):
        assert f(x=np.zeros(2))["y"].tolist() == [-np.inf] * 2


@pytest.mark.parametrize("given", [np.zeros(2, "M8[D]"), np.zeros(2, "m8[D]"), np.zeros(2, [("a", float)])], ids=str)
def test_dates_and_records_are_no_vectors(given):
    program = es.Program("L = sum[I](x[I]^4)")
    hessian = program.hessian("L", "x")(x=np.ones(2))
    for ask in (
        lambda: hessian @ given, lambda: given @ hessian, lambda: hessian.solve(given),
        lambda: es.optimize.newton(program, "L", {"x": given}),
    ):  # fmt: skip
        with pytest.raises(DataError):
            ask()


def test_rows_of_different_lengths_as_data_of_a_search():
    with pytest.raises(DataError, match="different lengths"):
        es.optimize.newton(es.parse("L = sum[I]((x[I] - y[I])^2)"), "L", {"x": np.ones(2)}, {"y": [[1.0], [1.0, 2.0]]})
