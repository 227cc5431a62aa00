"""Other names for the tensors of an equation; its dimensions follow, since they are named by axes."""

from __future__ import annotations

from collections.abc import Mapping

from einstan.calculus.program import Assumption
from einstan.language import Claim
from einstan.language.dims import is_axis, localised
from einstan.language.errors import ProgramError
from einstan.language.index import Affine, Index
from einstan.language.node import Node, fold
from einstan.language.surface import RESERVED
from einstan.language.term import Equation, Expr, Extent, Indexed, Name, Partial, Reduce, Sum, rebound
from einstan.language.tokens import is_name, name_end


def renamed(equation: Equation, names: Mapping[str, str]) -> Equation:
    """The equation with tensors renamed, all at once: ``{"X": "W", "W": "X"}`` exchanges two."""
    where = tuple((_index(index, names), _affine(form, names)) for index, form in equation.where)
    indices = tuple(_index(index, names) for index in equation.indices)
    return localised(Equation(_name(equation.name, names), indices, _expr(equation.rhs, names), where))


def renamed_assumption(assumption: Assumption, names: Mapping[str, str]) -> Claim:
    """The assumption with its tensors renamed."""
    return Claim(_expr(assumption.lhs, names), _expr(assumption.rhs, names))


def renamed_axis(axis: str, names: Mapping[str, str]) -> str:
    """``X.0`` as ``H.0`` where X becomes H."""
    tensor, _, position = axis.rpartition(".")
    return f"{names.get(tensor, tensor)}.{position}"


def require_name(name: str) -> None:
    """Refuse what the notation cannot read back as one name; names go into generated code, too."""
    if not (is_name(name) and name_end(name, 0) == len(name)) or name in RESERVED:
        raise ProgramError(
            f"{name!r} cannot name a tensor",
            inferred="a name is a letter, then letters and digits"
            + ("; this word is taken" if name in RESERVED else ""),
            repair="write a name such as W1 or hidden",
        )


def _name(name: Name, names: Mapping[str, str]) -> Name:
    if isinstance(name, Partial):
        wrt = tuple((names.get(tensor, tensor), rank) for tensor, rank in name.wrt)
        return Partial(names.get(name.of, name.of), name.rank, wrt)
    return names.get(name, name)


def _index(index: Index, names: Mapping[str, str]) -> Index:
    """A dimension is named by an axis, and so is the index of an extent that is spelled ``|X.0|``."""
    name, dim = (renamed_axis(part, names) if is_axis(part) else part for part in (index.name, index.dim))
    return Index(name, dim)


def _expr(expr: Expr, names: Mapping[str, str]) -> Expr:
    result = _renamed(expr, names)
    assert isinstance(result, Expr)
    return result


def _affine(form: Affine, names: Mapping[str, str]) -> Affine:
    result = _renamed(form, names)
    assert isinstance(result, Affine)
    return result


def _renamed(root: Node, names: Mapping[str, str]) -> Node:
    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        match node:
            case Index():
                return _index(node, names)
            case Extent():
                return Extent(_index(node.index, names))
            case Indexed():
                return Indexed(_name(node.tensor, names), children)  # type: ignore[arg-type]
            case Sum() | Reduce():
                indices = tuple(_index(index, names) for index in node.indices)
                return rebound(node, indices, children[0])
            case _:
                return node.over(children)

    return fold(root, rule)
