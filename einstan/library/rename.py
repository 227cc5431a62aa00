"""Other names for the tensors of an equation; its dimensions follow, since they are named by axes."""

from __future__ import annotations

from collections.abc import Mapping

from einstan.calculus.program import Assumption
from einstan.language import Claim
from einstan.language.dims import is_axis, localised, redimensioned
from einstan.language.errors import ProgramError
from einstan.language.index import Index
from einstan.language.node import Node, preorder, rewrite
from einstan.language.surface import RESERVED
from einstan.language.term import Equation, Expr, Extent, Indexed, Name, Partial, Reduce, Sum
from einstan.language.tokens import is_name, name_end


def renamed(equation: Equation, names: Mapping[str, str]) -> Equation:
    """The equation with tensors renamed, all at once: ``{"X": "W", "W": "X"}`` exchanges two."""
    forms = (form for _, form in equation.where)
    dims = {index.dim: renamed_axis(index.dim, names) for index in equation.indices if is_axis(index.dim)}
    moved = redimensioned(equation, dims | _dims(equation.rhs, names, *forms))
    assert isinstance(moved, Equation)
    return localised(Equation(_name(moved.name, names), moved.indices, renamed_expr(moved.rhs, names), moved.where))


def renamed_expr(expr: Expr, names: Mapping[str, str]) -> Expr:
    """The expression with its accesses renamed; dimensions are left alone."""

    def rule(node: Node) -> Node:
        return Indexed(_name(node.tensor, names), node.slots) if isinstance(node, Indexed) else node

    result = rewrite(expr, rule)
    assert isinstance(result, Expr)
    return result


def renamed_assumption(assumption: Assumption, names: Mapping[str, str]) -> Claim:
    """The assumption with its tensors renamed."""
    sides = []
    for side in (assumption.lhs, assumption.rhs):
        moved = redimensioned(side, _dims(side, names))
        assert isinstance(moved, Expr)
        sides.append(renamed_expr(moved, names))
    return Claim(*sides)


def renamed_axis(axis: str, names: Mapping[str, str]) -> str:
    """``X.0`` as ``H.0`` where X becomes H."""
    tensor, _, position = axis.rpartition(".")
    return f"{names.get(tensor, tensor)}.{position}"


def require_name(name: str) -> None:
    """Refuse what the notation cannot read back as one name; names go into generated code, too."""
    if not (is_name(name) and name_end(name, 0) == len(name)) or name in RESERVED:
        raise ProgramError(
            f"{name!r} cannot name a tensor",
            inferred="it is a word of the notation" if name in RESERVED else "a name is a letter, then letters and digits",
            repair="write a name such as W1 or hidden",
        )


def _name(name: Name, names: Mapping[str, str]) -> Name:
    if isinstance(name, Partial):
        return Partial(
            names.get(name.of, name.of), name.rank, tuple((names.get(x, x), rank) for x, rank in name.wrt)
        )
    return names.get(name, name)


def _dims(root: Node, names: Mapping[str, str], *others: Node) -> dict[str, str]:
    """``X.0`` becomes ``H.0`` where X becomes H."""
    found: set[str] = set()
    for node in preorder(root, *others):
        if isinstance(node, Index):
            found.add(node.dim)
        elif isinstance(node, Extent):
            found.add(node.index.dim)
        elif isinstance(node, Sum | Reduce):
            found.update(index.dim for index in node.indices)
    return {dim: renamed_axis(dim, names) for dim in found if is_axis(dim)}
