"""What is handed over, as an array of NumPy: taken where nothing is lost, else refused with what to give instead.

Tensors of PyTorch and arrays of JAX are refused: results would be arrays of NumPy, and nothing of them is recorded.

A mask, missing entries, a unit, the record of another library's derivatives, labels of rows and names of axes would be
dropped without a word.  Entries that have no labels, or axes whose names are those of the equation, are taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from einstan.calculus.program import Program
from einstan.language.errors import DataError
from einstan.language.index import lowered
from einstan.language.node import preorder
from einstan.language.term import Indexed, Name
from einstan.machine.backends.arrays import np
from einstan.machine.sizes.memory import refuse_more
from einstan.machine.sizes.refusals import no_label

Lost = tuple[str, str]  # what would be lost, and what to give instead, where {0} stands for the name


class LossError(Exception):
    """What would be lost of something that is handed over, or why it is no array, and the ``repair``."""

    def __init__(self, name: object, reason: str, repair: str, is_array: bool = False) -> None:
        self.reason = f"{'cannot be taken as' if is_array else 'is not'} an array: {reason}"
        self.repair = repair.format(name)
        super().__init__(self.reason)


def as_array(name: object, data: Any, spelled: Iterable[Sequence[str]] = ()) -> np.ndarray:
    """An array of NumPy that holds the same; ``spelled`` are the letters that equations have for its axes.

    Raises `LossError` where something would be lost, or where there is no array.
    """
    if type(data) is np.ndarray:
        return data
    found = None
    try:
        found = lost(data, spelled)
        array = np.asarray(data if found is None else ())
    except Exception as error:  # lists of lists, and whatever a stranger's object raises
        text = str(error) or type(error).__name__
        if "inhomogeneous" in text:
            text, repair = "its rows have different lengths", "give nested lists with rows of one length"
            raise LossError(name, text, repair) from error
        raise LossError(name, text.splitlines()[0], "give np.asarray({0}), made where that is possible") from error
    if found is not None:
        raise LossError(name, *found, is_array=True)
    return array


def together(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of both; of a tensor that both have, one array would be taken without a word."""
    for name in first.keys() & second.keys():
        if first[name] is not second[name]:
            raise DataError(f"{name} is given twice", inferred="it is not the same array", repair=f"give {name} once")
    return {**first, **second}


def spellings(program: Program, name: Name) -> set[tuple[str, ...]]:
    """How the equations of a program spell the axes of a tensor, in small letters."""
    nodes = (node for equation in program.equations for node in preorder(equation.rhs))
    reads = (node for node in nodes if isinstance(node, Indexed) and node.tensor == name)
    return {tuple(lowered(str(form)) for form in node.slots) for node in reads}


# ---- what would be lost ----------------------------------------------------------------------------------------------


def lost(data: Any, spelled: Iterable[Sequence[str]] = ()) -> Lost | None:
    """What would be lost of an object if it became an array, and what to do; None where nothing would."""
    if isinstance(data, list | tuple):
        inside = (
            (k, each) for k, each in enumerate(data) if isinstance(each, list | tuple) or hasattr(each, "__array__")
        )
        found = ((k, lost(each)) for k, each in inside)
        return next(((each[0], each[1].replace("{0}.", f"{{0}}[{k}].")) for k, each in found if each), None)
    if isinstance(data, np.ma.MaskedArray):
        mask = "fill it, {0}.filled(0); or give the mask too, as a tensor m of zeros and ones, and write m[i] {0}[i]"
        return ("it is masked, and a mask would be dropped", mask) if np.ma.is_masked(data) else None
    for home in homes(data):
        if home in HOMES:
            return HOMES[home](data, spelled)
    numbers = "value" if isinstance(data, np.ndarray) else "magnitude"
    if any(hasattr(data, each) for each in (("unit", "units") if numbers == "value" else ("magnitude",))):
        return "it has a unit, which would be dropped", f"{{0}}.{numbers}, in the unit that is meant"
    return None


def homes(data: Any) -> list[str]:
    """The libraries that the class of an object, and what it is derived from, are of."""
    return [each.__module__.partition(".")[0] for each in type(data).__mro__]


def library(data: Any) -> str:
    """``"torch"`` or ``"jax"`` for tensors of these, else nothing."""
    if type(data) is np.ndarray:
        return ""
    return next((FOREIGN[home] for home in homes(data) if home in FOREIGN), "")


def entries(data: Any) -> Any:
    """The same as an array of NumPy, if it is a tensor of another library; no derivative is recorded of it."""
    if library(data) == "torch":
        data = data.detach().cpu()
        return (data.float() if data.is_floating_point() and data.itemsize < 4 else data).numpy()
    return np.asarray(data) if library(data) else data


def namespace(data: Any) -> Any:
    """The module of functions of arrays like this one."""
    name = {"torch": "torch", "jax": "jax.numpy"}.get(library(data), "numpy")
    return sys.modules.get(name) or import_module(name)


def _pandas(data: Any, _: object) -> Lost | None:
    """Rows that are labelled otherwise than by their places may be in another order than those of another array."""
    index: Any = getattr(data, "index", None)
    places = index is None or (type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1)
    if not places:
        return (
            "its rows are labelled, and labels are not compared with those of other arrays",
            "put the rows of all arrays in one order, and give {0}.to_numpy()",
        )
    held = getattr(data, "dtypes", ())
    kinds = list(held) if hasattr(held, "__iter__") else [held]
    if not all(isinstance(kind, np.dtype) for kind in kinds) and data.isna().to_numpy().any():
        return _missing("{0}.to_numpy(float, na_value=0.0)")
    if any(not isinstance(kind, np.dtype) and getattr(kind, "kind", "O") in "iufb" for kind in kinds):
        return "its dtype is one of pandas", "give {0}.to_numpy(float)"
    return None


def _polars(data: Any, _: object) -> Lost | None:
    if hasattr(data, "collect") and not hasattr(data, "to_numpy"):
        return "it is a query that has not been run", "{0}.collect()"
    kinds = getattr(data, "dtypes", None) or [getattr(data, "dtype", None)]
    times = {str(kind) for kind in kinds if getattr(kind, "is_temporal", bool)()}
    if times and len(kinds) > 1:  # of dates alone NumPy makes an array of dates
        return f"a column is {min(times)}, which would become a number", "the columns that are numbers, and no dates"
    count = getattr(data, "null_count", lambda: 0)
    count = count() if callable(count) else count
    holes = count if isinstance(count, int) else any(count.row(0))
    return _missing("{0}.fill_null(0)") if holes or _inside(data) else None


def _inside(data: Any) -> bool:
    """Whether entries are missing within the rows of a series of arrays, however deep."""
    if not hasattr(getattr(data, "dtype", None), "inner"):
        return False
    while hasattr(data.dtype, "inner"):
        data = data.explode()
    return bool(data.null_count())


def _missing(repair: str) -> Lost:
    return "it has missing entries", f"fill them, {repair}; or give a tensor of zeros and ones that says where, too"


def _xarray(data: Any, spelled: Iterable[Sequence[str]]) -> Lost | None:
    if not hasattr(data, "dims") or not hasattr(data, "dtype"):
        return "it is several arrays", '{0}["..."], one of them'
    if getattr(data, "attrs", {}).get("units", "1") not in ("", "1", 1, "dimensionless"):
        return "it has a unit, which would be dropped", "{0}.values, in the unit that is meant"
    indexes = getattr(data, "indexes", {})
    if any(list(indexes[axis]) != list(range(len(indexes[axis]))) for axis in indexes):
        return (
            "its axes are labelled, and labels are not compared with those of other arrays",
            "put the entries of all arrays in one order, and give {0}.values",
        )
    return _named(tuple(map(str, data.dims)), spelled, "{0}.values")


def _named(names: Sequence[str], spelled: Iterable[Sequence[str]], plain: str) -> Lost | None:
    """Axes with names: they have to be those of the equation, in its order, if they say anything."""
    known = sorted(map(tuple, spelled))
    if all(name.startswith("dim_") for name in names) or tuple(names) in known or not known:
        return None
    orders = [each for each in known if sorted(each) == sorted(names)]
    if orders:
        order = ", ".join(f'"{name}"' for name in orders[0])
        return f"its axes are {', '.join(names)}, in another order than in the equation", f"{{0}}.transpose({order})"
    return (
        f"its axes are called {', '.join(names)}, and {' or '.join(','.join(each) for each in known)} in the equation",
        f"{plain}, if they are meant in this order",
    )


def _torch(data: Any, _: object) -> Lost:
    first = (
        (".detach()", data.requires_grad),
        (".to_dense()", str(data.layout) != "torch.strided"),
        (".cpu()", data.device.type != "cpu"),
        (".float()", str(data.dtype) == "torch.bfloat16"),
        (".rename(None)", any(getattr(data, "names", ()))),
    )
    steps = "".join(step for step, needed in first if needed)
    return "it is a tensor of PyTorch", f'compile(backend="torch"), or give {{0}}{steps}.numpy()'


def _jax(data: Any, _: object) -> Lost:
    if "Tracer" in type(data).__name__:
        return "JAX traces it, and it has no entries yet", 'compile(backend="jax"), or call it by jax.pure_callback'
    return "it is an array of JAX", 'compile(backend="jax"), or give np.asarray({0})'


def _sparse(data: Any, _: object) -> Lost | None:
    dense = next((each for each in ("toarray", "todense") if hasattr(data, each)), None)
    return None if dense is None else ("it is sparse", f"{{0}}.{dense}()")


def _cupy(data: Any, _: object) -> Lost:
    return "it lies on a graphics card", "{0}.get()"


HOMES: dict[str, Callable[[Any, Iterable[Sequence[str]]], Lost | None]] = {
    "pandas": _pandas, "polars": _polars, "pyarrow": _polars, "xarray": _xarray, "torch": _torch, "jax": _jax,
    "jaxlib": _jax, "scipy": _sparse, "sparse": _sparse, "cupy": _cupy,
}  # fmt: skip
FOREIGN = {"torch": "torch", "jax": "jax", "jaxlib": "jax"}  # packages, and the libraries that they are of


def as_labels(program: Program, name: Name, data: np.ndarray, dtype: Any) -> np.ndarray:
    """Whole numbers that are only compared, as floats, which are compared alike: a number that has no float is refused,
    or it would be equal to its neighbours.  Of 64 bits that is so from 2^53 on."""
    found = converted(name, data, dtype)
    bits = 8 * data.dtype.itemsize - (data.dtype.kind == "i")
    if data.dtype.kind in "iu" and bits > np.finfo(found.dtype).nmant + 1:
        with np.errstate(invalid="ignore"):  # the largest are beyond their own type when they are rounded
            moved = np.asarray((found.astype(data.dtype) != data) | (found >= 2.0**bits))
        if moved.any():
            place = np.unravel_index(moved.argmax(), moved.shape)
            raise no_label(program, name, place, int(data[place]), int(found[place]), found.dtype)
    return found


def converted(name: object, data: np.ndarray, dtype: Any) -> np.ndarray:
    """The entries in another dtype, which are refused before they are allocated where they do not fit."""
    if data.dtype != dtype:
        needed = data.size * np.dtype(dtype).itemsize
        refuse_more(f"{name} as {np.dtype(dtype)}", needed, f"compile for {data.dtype}, or give a smaller array")
    return data.astype(dtype, copy=False)
