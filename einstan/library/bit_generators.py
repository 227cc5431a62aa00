"""The generator of a run as a page of JSON, and back: five bit generators, and every field a number in its range.

NumPy takes positions in a buffer as they are given, and would read outside of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import MT19937, PCG64, PCG64DXSM, SFC64, Generator, Philox

from einstan.language.errors import DataError
from einstan.library.fields import Field, one_of, record, several, whole

U32, U64, U128 = (whole(0, 2**bits - 1) for bits in (32, 64, 128))
SPARE = {"has_uint32": whole(0, 1), "uinteger": U32}  # half of a word that is left over
PCG = {"state": record({"state": U128, "inc": U128}), **SPARE}
STATES: dict[str, dict[str, Field]] = {
    "MT19937": {"state": record({"key": several(U32, 624), "pos": whole(0, 624)})},
    "PCG64": PCG,
    "PCG64DXSM": PCG,
    "Philox": {
        "state": record({"counter": several(U64, 4), "key": several(U64, 2)}),
        "buffer": several(U64, 4), "buffer_pos": whole(0, 4), **SPARE,
    },
    "SFC64": {"state": record({"state": several(U64, 4)}), **SPARE},
}  # fmt: skip
KINDS = {kind.__name__: kind for kind in (MT19937, PCG64, PCG64DXSM, Philox, SFC64)}
KNOWN = one_of(tuple(KINDS))


def page_of(generator: Generator) -> dict[str, Any]:
    """What `made` makes the generator of again; `DataError` for a bit generator of another kind."""
    page = _plain(generator.bit_generator.state) if isinstance(generator, Generator) else None
    wrong = misfit("generator", page)
    if wrong:
        raise DataError(
            "the generator is of a kind that no file keeps",
            inferred=wrong,
            repair=f"np.random.Generator(one of {', '.join(KINDS)})",
        )
    return page


def made(page: dict[str, Any]) -> Generator:
    """The generator of a page that fits."""
    bits = KINDS[page["bit_generator"]]()
    bits.state = page  # type: ignore[assignment]
    return Generator(bits)


def misfit(name: str, page: Any) -> str:
    """What is wrong with a page of a generator, or nothing; a `Field`."""
    kind: Any = page.get("bit_generator") if isinstance(page, dict) else None
    wrong = KNOWN(f"{name}.bit_generator", kind)
    return wrong or record({"bit_generator": KNOWN, **STATES[kind]})(name, page)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
