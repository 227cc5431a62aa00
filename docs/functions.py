"""Writes functions.md beside it, from the tables that read the notation: ``python docs/functions.py``."""

from __future__ import annotations

from pathlib import Path

from einstan.language.tables import functions_table, instead_table, reductions_table

PAGE = Path(__file__).with_name("functions.md")
TEXT = """\
# Functions and reductions

*This page is written by `python docs/functions.py`; a test keeps it true.*

## Elementwise functions

Each is one row of a table: its partial derivatives in this notation, where it has a real value, and what its derivative
is by convention where it has none. Outside of its domain a function is NaN in floats, as NumPy has it, and a claim is
not tested there. A derivative that a row does not have is an error, never zero.

{functions}
`mod(x, y)` has the sign of y, as in Python. `clip(x, a, b)` is b where a > b, as in NumPy. `lgamma` and `digamma` are
differentiated as far as `trigamma`.

## Reductions

{reductions}
`var`, `std` and `norm` are written out where they are called, and so printed. Tensors may have these three names:
`var[n](...)` is the reduction, `var[n] * (...)` a product, and `var[n] (...)` is refused. All other names of this page
are reserved.

## A function of one's own

```python
import einstan as es

es.function("mish(x) = x tanh(softplus(x))")  # for every thread of the process, from here on
es.parse("Y[n,j] = mish(X[n,K] W[K,j])")  # written out: Y[n,j] = sum[K](...) tanh(softplus(...))

with es.functions("gate(x, y) = sigmoid(x) y"):  # in this block of this thread alone
    es.parse("Y[n] = gate(a[n], b[n])")

es.function("ash(x)", partials="1 / sqrt(1 + x^2)", numpy="np.arcsinh(x)")
```

An equation holds what a function meant when the equation was read. A function of which only the partials are declared
is kept by its name, for good; its NumPy text stands in what `source()` gives; its partials are compared with
differences of its values when it is declared. It is known in floats alone, so a claim about its values stays undecided,
and one about its derivatives does not.

## What other libraries call otherwise

A name glued to a round bracket, `name(...)`, or to slots and then to one, `name[K](...)`, is a call. One of a function
that does not exist is refused, with the name that is near, or with what is written instead:

{instead}"""


def page() -> str:
    return TEXT.format(functions=functions_table(), reductions=reductions_table(), instead=instead_table())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
