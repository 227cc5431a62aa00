r"""Signs between tensors that a header gives a meaning: ``operator * = a[i] b[i]``.

``operator \odot = pad(a[i+J]) b[J] where |i| = |a.0|`` makes tensors of their own, each by a line that defines it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from einstan.papers.problem import UnreadError
from einstan.papers.signs import HEAD
from einstan.papers.tensors import Access, Tensors
from einstan.papers.value import Place, Value, entrywise, multiplied

_SLOTS = re.compile(r"(?<![\w|])([ab])\[([^\[\]]*)\]")
_ENTRYWISE = re.compile(r"a\[(\w)\]\s*\*?\s*b\[\1\]")


def applied(reader: Tensors, template: str, left: Value, right: Value) -> Value:
    """What a sign makes of two: the entrywise product, or a tensor of its own with a line that defines it."""
    if template in ("a b", "ab"):
        return multiplied(left, right)
    if _ENTRYWISE.fullmatch(template):
        return entrywise(left, right)
    letters = {name: slots.split(",") for name, slots in reversed(_SLOTS.findall(template))}
    if set(letters) != {"a", "b"}:
        raise UnreadError("the meaning of a sign names a and b", template, "operator * = a[i] b[i]")
    for name, value in (("a", left), ("b", right)):
        if len(value.axes) != len(letters[name]):
            problem = f"the sign stands between {left.shape} and {right.shape}"
            raise UnreadError(problem, template, HEAD + "operator * = a[i] b[i], with the axes that they have")
    one, other = reader.held(left), reader.held(right)
    names = {"a": one.name, "b": other.name}
    text = re.sub(r"(?<![\w.])([ab])(?=[\[.])", lambda found: names[found[1]], template)
    body = template.partition(" where ")[0]
    small = re.findall(r"(?<![A-Za-z])[a-z](?![A-Za-z\[])", " ".join(slots for _, slots in _SLOTS.findall(body)))
    free = list(dict.fromkeys(small))
    made = reader.header.applied.get((template, f"{one.name} {other.name}"))
    name = made or ""
    if made is None:
        name = reader.fresh()
        reader.header.applied[template, f"{one.name} {other.name}"] = name
        reader.made.append((name, f"{name}[{','.join(free)}] = {text}"))
        reader.header.axes[name] = tuple(f"{left.axes[0].dim}" if k == 0 else "" for k in range(len(free)))
    places = tuple(Place("", dim, (name, k)) for k, dim in enumerate(reader.header.axes[name]))
    found = Access(name, tuple((place,) for place in places), places).value
    return replace(found, row=left.row)
