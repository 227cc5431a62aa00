"""Writes layers.md beside it, every layer with what it declares and what is derived: ``python docs/layers.py``."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import einstan as es
from einstan import layers
from einstan.library.api import aligned
from einstan.library.initialise import NAMED
from einstan.library.layer import Layer

PAGE = Path(__file__).with_name("layers.md")
WINDOWS = {"average_pool_1d", "average_pool_2d", "max_pool_1d", "max_pool_2d"}  # a size has to be given
HEAD = """\
# Layers

*This page is written by `python docs/layers.py`; a test keeps it true.*

{count} layers, a file each in `layers/`, imported from `einstan.layers`. Each has its equation, the partials that it
declares, which are proved when it is first asked for, its backward pass from the gradient of its output, which is
derived, and the text that its formula is from. A layer of one's own is made in the same way:
[a walk through it](tour.md#a-layer-of-ones-own).

```python
import einstan as es
from einstan.layers import dense, relu

# one use of each, in a network: what its tensors are called there, and an extent
print(es.Network(dense("H", X="images", W="W1", b="b1", j=64), relu("A", Z="H")))
```

```text
H[n,j] = images[n,K] W1[K,j] + b1[j]
A[n,j] = relu(H[n,j])
```

"""


def first_gradient(layer: Layer) -> list[str]:
    """The backward pass: of a scalar from itself, of a tensor from the gradient of its output."""
    wrt = [name for name in layer.inputs if name in layer.declared]
    if not layer.equation.indices:
        return str(layer.program.backward(layer.output, wrt)).splitlines()
    slots = ",".join(str(index).upper() for index in layer.equation.indices)
    scalar = es.parse(f"gradient_of = {layer.output}[{slots}] G[{slots}]")
    return str(es.Program((*layer.program.equations, scalar)).backward("gradient_of", wrt)).splitlines()[1:]


def parted(docstring: str | None, example: str = "") -> tuple[str, str]:
    """What a docstring says, and the example behind it."""
    said, _, found = inspect.cleandoc(docstring or "").partition("\n\nExamples:\n")
    return said, inspect.cleandoc(found) or example


def part(name: str) -> str:
    made, given = getattr(layers, name), (2,) if name in WINDOWS else ()
    layer = made if isinstance(made, Layer) else made(*given)
    said, example = parted(sys.modules[f"einstan.layers.{name}"].__doc__)
    says = [" ".join(paragraph.split()) for paragraph in said.split("\n\n")]
    if not isinstance(made, Layer):
        choices = ", ".join(
            f"{each.name}={each.default!r}" if each.default is not each.empty else each.name
            for each in inspect.signature(made).parameters.values()
        )
        signature, example = parted(made.__doc__, example)
        says.append(signature)
        says.append(f"It is made by `{name}({choices})`; here is `{name}({', '.join(map(str, given))})`.")
    lines = [f"## {name}", "", "\n\n".join(says), "", f"$$\n{typeset(layer)}\n$$", "", "```text", str(layer), "```", ""]
    lines += ["Declared, and proved:", ""]
    lines += ["```text", *map(str, layer.declared.values()), "```", "", "Derived, the backward pass:", ""]
    lines += ["```text", *first_gradient(layer), "```", ""]
    if example:
        lines += ["```pycon", example, "```", ""]
    begins = ", ".join(f"`{name}` `{rule}`" for name, rule in initialisers(layer))
    if begins:
        lines += [f"Parameters, and how they begin: {begins}.", ""]
    lines += [f"From: {layer.source}.", ""]
    return "\n".join(lines)


def typeset(layer: Layer) -> str:
    equations = layer.program.equations
    return aligned(equations, sums=True) if len(equations) > 1 else layer.equation.latex(sums=True)


def initialisers(layer: Layer) -> list[tuple[str, str]]:
    """Each parameter, and how it begins: by the name that the table has, or that of a function."""
    named = {rule: name for name, rule in NAMED.items()}
    return [(name, named.get(rule) or rule.__name__) for name, rule in layer.parameters.items()]


def page() -> str:
    return HEAD.format(count=len(layers.__all__)) + "\n".join(map(part, layers.__all__))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
