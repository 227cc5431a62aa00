r"""Signs between tensors that a header gives a meaning: ``operator \odot = pad(a[i+J]) b[J] where |i| = |a.0|``."""

from __future__ import annotations

import re
from dataclasses import replace

from einstan.papers.problem import Unread
from einstan.papers.reading import Access, Reader
from einstan.papers.value import Place, Value, entrywise

_SLOTS = re.compile(r"(?<![\w|])([ab])\[([^\[\]]*)\]")
_ENTRYWISE = re.compile(r"a\[(\w)\]\s*\*?\s*b\[\1\]")


def applied(reader: Reader, template: str, left: Value, right: Value) -> Value:
    """What a sign makes of two: the entrywise product, or a tensor of its own with a line that defines it."""
    if _ENTRYWISE.fullmatch(template):
        return entrywise(left, right)
    letters = {name: slots.split(",") for name, slots in reversed(_SLOTS.findall(template))}
    if set(letters) != {"a", "b"}:
        raise Unread("the meaning of a sign names a and b", template, "operator * = a[i] b[i]")
    for name, value in (("a", left), ("b", right)):
        if len(value.axes) != len(letters[name]):
            raise Unread(f"the sign stands between {left.shape} and {right.shape}", template)
    one, other = reader.held(left), reader.held(right)
    names = {"a": one.name, "b": other.name}
    text = re.sub(r"(?<![\w.])([ab])(?=[\[.])", lambda found: names[found[1]], template)
    body = template.partition(" where ")[0]
    small = re.findall(r"(?<![A-Za-z])[a-z](?![A-Za-z\[])", " ".join(slots for _, slots in _SLOTS.findall(body)))
    free = list(dict.fromkeys(small))
    name = reader.header.applied.get((template, f"{one.name} {other.name}"))
    if name is None:
        name = reader.fresh()
        reader.header.applied[template, f"{one.name} {other.name}"] = name
        reader.made.append((name, f"{name}[{','.join(free)}] = {text}"))
        reader.header.axes[name] = tuple(f"{left.axes[0].dim}" if k == 0 else "" for k in range(len(free)))
    places = tuple(Place("", dim, (name, k)) for k, dim in enumerate(reader.header.axes[name]))
    found = Access(name, tuple((place,) for place in places), places).value
    return replace(found, row=left.row)
