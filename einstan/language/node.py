"""Interned, frozen nodes: equal terms are the same object.

A node is built once for every distinct content, so ``==`` is ``is`` and comparing two large shared graphs costs
nothing.  Children exist before their parents, so what a node knows about itself (its free indices, its digest) is
computed from its children when it is built, without recursion; a term may be thousands of levels deep.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar, overload
from weakref import WeakValueDictionary, ref

from einstan.language.effort import live, spend
from einstan.language.guesses import missing
from einstan.language.threads import lock

if TYPE_CHECKING:
    from einstan.language.index import Affine, Index
    from einstan.language.term import Equation, Expr

Value = TypeVar("Value")
Kind = TypeVar("Kind", bound="Node")
Term = TypeVar("Term", "Expr", "Affine", "Equation", "Node")  # what is rewritten stays one of these
Below: TypeAlias = tuple[Any, ...]  # nodes in the place of a node's children, each of a class that can stand there

_lock = lock()  # making an entry may set off a collection, in which nodes may be made
_new = object.__new__
_bits = count()
_printer: Callable[[Any], str] = object.__repr__
_NOTHING: dict[object, Any] = {}  # the notes of all nodes without one: never written


class _Held(ref):  # type: ignore[type-arg]
    """An entry of a table: a weak reference that knows its key, which is asked for when the node dies."""

    __slots__ = ("key",)
    key: tuple[Any, ...]


def new_mark() -> int:
    """A bit for `Node.kinds` that no class and no other mark has."""
    return 1 << next(_bits)


BINDS = new_mark()


def install_printer(printer: Callable[[Any], str]) -> None:
    """Let the printer, which imports the nodes, be what ``str(node)`` calls."""
    global _printer
    _printer = printer


def field(place: int) -> Any:
    """The name that a class of nodes gives to one of its fields, ``tensor: Final[Name] = field(0)``."""
    return property(lambda node: node.fields[place])


class Node:
    """The base of all nodes.  A subclass names its fields; ``Subclass(*fields)`` finds or makes the one object."""

    __slots__ = ("__weakref__", "below", "children", "digest", "fields", "free", "kinds", "notes")

    is_binder: ClassVar[bool] = False
    kind: ClassVar[int] = 0  # a bit of its own for each class of nodes
    own: ClassVar[int] = 0  # that, and `BINDS` where it is a binder
    is_marked: ClassVar[bool] = False  # whether `mark` has anything to say
    fields: tuple[Any, ...]
    children: tuple[Node, ...]  # the nodes directly below, in reading order; an index bound here is not one
    free: tuple[Index, ...]
    kinds: int  # the bits of the classes of this node and of all below: what is not there need not be looked for
    below: tuple[Node, ...] | None  # what `preorder` finds below, once it has been asked, where that is little
    notes: dict[object, Any]  # what has been found out about it, see `note`
    digest: bytes  # of the content, the same in every process: an order on nodes that needs no recursion

    # All nodes of a class by their fields, and the table's own dictionary, read and written without a call of Python's.
    interned: ClassVar[WeakValueDictionary[tuple[Any, ...], Node]]
    table: ClassVar[dict[tuple[Any, ...], Any]]
    _forget: ClassVar[Callable[[Any], None]]  # takes the entry of a node that has died out of the table

    def __init_subclass__(cls) -> None:
        cls.kind = new_mark()
        cls.own = cls.kind | (BINDS if cls.is_binder else 0)
        cls.interned = WeakValueDictionary()
        cls.table = cls.interned.data  # type: ignore[attr-defined]
        forget: Callable[[Any], None] = cls.interned._remove  # type: ignore[attr-defined]

        def unless_ending(held: Any, forget: Any = forget, ending: Callable[[], bool] = sys.is_finalizing) -> None:
            if not ending():  # then Python may have taken apart already what the hash of a number asks for
                forget(held)

        cls._forget = staticmethod(unless_ending)

    def __new__(cls, *fields: Any) -> Self:
        table = cls.table
        held = table.get(fields)
        found: Self | None = None if held is None else held()
        if found is not None:
            return found
        node = _new(cls)
        _set_fields(node, fields)
        children = node._children()
        _set_children(node, children)
        spend(1 + len(children))
        _set_free(node, node._free())
        kinds = cls.own
        if cls.is_marked:
            kinds |= node.mark()
        for child in children:
            kinds |= child.kinds
        _set_kinds(node, kinds)
        _set_below(node, None)
        _set_notes(node, _NOTHING)
        own = _Held(node, cls._forget)
        own.key = fields
        with _lock:
            held = table.setdefault(fields, own)
            if held is not own:
                found = held()
                if found is not None:
                    return found
                table[fields] = own
        live(node)
        return node

    @property
    def binds(self) -> bool:
        """Whether an index is bound here or somewhere below."""
        return bool(self.kinds & BINDS)

    def _free(self) -> tuple[Index, ...]:
        """The free indices, in the order in which they first occur."""
        return union_of_free(self.children)

    def _children(self) -> tuple[Node, ...]:
        return ()

    def mark(self) -> int:
        """Bits of its own for what is often looked for: `new_mark` makes one."""
        return 0

    def rebuilt(self, children: Below) -> Node:
        """The same node over other children."""
        return self

    def over(self, children: Below) -> Node:
        """The node over these children: itself, where they are its own."""
        return self if children == self.children else self.rebuilt(children)

    def __getattr__(self, name: str) -> Any:
        # Reached only while the slot is empty: few nodes are ever asked for their digest.
        if name != "digest":
            return missing(self, name)
        for node in postorder(self):
            try:
                Node.digest.__get__(node)  # type: ignore[attr-defined, misc]
            except AttributeError:
                object.__setattr__(node, "digest", _digest(type(node).__name__, node.fields))
        return self.digest

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")

    def table_row(self) -> Any:
        """What a process that receives this has to know beside it."""
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        rows = {row for node in preorder(self) if (row := node.table_row()) is not None}
        return _unpickled, (_pickled(self), *rows)

    def __copy__(self) -> Node:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Node:
        return self

    def __str__(self) -> str:
        return _printer(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {_printer(self)}>"


# What a frozen node lets nobody else do, without a look for the slot.
_set_fields, _set_children, _set_free, _set_kinds, _set_below, _set_notes = (
    vars(Node)[name].__set__ for name in ("fields", "children", "free", "kinds", "below", "notes")
)


def _digest(name: str, fields: tuple[Any, ...]) -> bytes:
    parts: list[bytes] = [name.encode()]
    stack: list[Any] = [fields]
    while stack:
        part = stack.pop()
        if isinstance(part, Node):
            parts.append(part.digest)
        elif type(part) is tuple:  # the (atom, coefficient) pairs of a form are tuples in a tuple
            parts.append(b"(%d" % len(part))
            stack.extend(part)
        else:
            parts.append(repr(part).encode())
    return blake2b(b",".join(parts), digest_size=12).digest()


# ---- pickling: a list of nodes, children first, so that depth does not matter ----------------------------------------


@dataclass(frozen=True)
class _Place:
    """The position of a node in the list, where it stands in the fields of a later one."""

    position: int


def _pickled(root: Node) -> tuple[tuple[type, tuple[Any, ...]], ...]:
    places: dict[Node, _Place] = {}
    listed: list[tuple[type, tuple[Any, ...]]] = []
    stack = [root]
    while stack:
        node = stack[-1]
        waiting = [part for part in _parts(node.fields) if isinstance(part, Node) and part not in places]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        if node not in places:
            places[node] = _Place(len(listed))
            listed.append((type(node), _mapped(node.fields, places)))
    return tuple(listed)


def _unpickled(listed: tuple[tuple[type, tuple[Any, ...]], ...], *rows: object) -> Node:
    made: list[Any] = []
    for kind, fields in listed:
        made.append(kind(*_mapped(fields, made)))
    node: Node = made[-1]
    return node


def _parts(fields: tuple[Any, ...]) -> Iterator[Any]:
    """What the fields hold, looking into tuples (the pairs of a form, the extents of an equation)."""
    for field in fields:
        if type(field) is tuple:
            yield from _parts(field)
        else:
            yield field


def _mapped(field: Any, known: Any) -> Any:
    """The fields with nodes as places, or with places as nodes."""
    if type(field) is tuple:
        return tuple(_mapped(part, known) for part in field)
    if isinstance(field, Node):
        return known[field]
    return known[field.position] if isinstance(field, _Place) else field


def union_of_free(nodes: tuple[Node, ...]) -> tuple[Index, ...]:
    if not nodes:
        return ()
    first = nodes[0].free
    for node in nodes:
        if node.free and node.free != first:
            return tuple(dict.fromkeys([index for node in nodes for index in node.free]))
    return first


# ---- traversal -------------------------------------------------------------------------------------------------------


def postorder(*roots: Node) -> Iterator[Node]:
    """Every distinct node below the roots, each once, children first.  Iterative: depth is bounded by memory alone."""
    done: set[Node] = set()
    open_now: set[Node] = set()
    stack: list[Node] = list(reversed(roots))
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
        elif node in open_now or not node.children:
            spend(1)
            done.add(node)
            stack.pop()
            yield node
        else:
            open_now.add(node)
            stack.extend([child for child in reversed(node.children) if child not in done])


FEW = 64  # as many nodes are remembered, so that a chain of nodes does not remember the square of its length


def preorder(*roots: Node) -> tuple[Node, ...]:
    """Every distinct node below the roots, each once, in reading order."""
    if len(roots) == 1 and roots[0].below is not None:
        return (roots[0], *roots[0].below)
    seen: dict[Node, None] = {}
    stack = list(reversed(roots))
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            if node.children:
                stack.extend(node.children[::-1])
    found = tuple(seen)
    spend(len(found))
    if len(found) <= FEW and len(roots) == 1:
        _set_below(roots[0], found[1:])
    return found


def beginning(root: Node, count: int) -> list[Node]:
    """The first so many of `preorder`, without a walk over all."""
    if root.below is not None:
        return [root, *root.below[: count - 1]]
    seen: dict[Node, None] = {}
    stack = [root]
    while stack and len(seen) < count:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            stack.extend(node.children[::-1])
    return list(seen)


def holds(node: Node, *kinds: type[Node]) -> bool:
    """Whether a node of one of these classes is here or somewhere below."""
    for kind in kinds:  # noqa: SIM110  asked too often for a generator
        if node.kinds & kind.kind:
            return True
    return False


@overload
def fold(
    root: Term,
    rule: Callable[[Node, Below], Node],
    memo: dict[Node, Node] | None = None,
    known: Callable[[Node], Node | None] | None = None,
) -> Term: ...
@overload
def fold(
    root: Node,
    rule: Callable[[Node, tuple[Value, ...]], Value],
    memo: dict[Node, Value] | None = None,
    known: Callable[[Node], Value | None] | None = None,
) -> Value: ...
def fold(
    root: Node,
    rule: Callable[[Node, tuple[Any, ...]], Any],
    memo: dict[Node, Any] | None = None,
    known: Callable[[Node], Any] | None = None,
) -> Any:
    """Combine bottom-up: ``rule(node, values of its children)``, once per distinct node.  A rule that makes nodes of
    nodes makes an expression of an expression.

    Nothing below a node is visited where its value is in ``memo``, or where ``known`` remembers it.
    """
    memo = {} if memo is None else memo
    before = len(memo)
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if node is None:  # all that is below the next one is known
            node = stack.pop()
            memo[node] = rule(node, tuple([memo[child] for child in node.children]))
        elif node not in memo:
            children = node.children
            if not children:
                memo[node] = rule(node, ())
            elif known is None or (found := known(node)) is None:
                stack += (node, None, *children[::-1])
            else:
                memo[node] = found
    spend(len(memo) - before + 1)
    return memo[root]


def note(node: Node, key: object, value: Any) -> None:
    """Remember something about a node for as long as it lives: ``node.notes.get(key)``.  Nobody may change it."""
    if node.notes is _NOTHING:
        _set_notes(node, {key: value})
    else:
        node.notes[key] = value


def remembered(function: Callable[[Kind], Value]) -> Callable[[Kind], Value]:
    """A function of one node that is worked out once, and noted."""

    @wraps(function)
    def once(node: Kind) -> Value:
        found: Value | None = node.notes.get(once)
        if found is None:
            found = function(node)
            note(node, once, found)
        return found

    return once


def folded(rule: Callable[[Node, tuple[Value, ...]], Value]) -> Callable[[Node], Value]:
    """The fold of a rule, which is asked once for every node, and noted there: what is made anew of parts that were
    looked at before costs no more than what is new."""

    def step(node: Node, below: tuple[Value, ...]) -> Value:
        found = rule(node, below)
        note(node, whole, found)
        return found

    def known(node: Node) -> Value | None:
        return node.notes.get(whole)

    @wraps(rule)
    def whole(node: Node) -> Value:
        found: Value | None = node.notes.get(whole)
        return fold(node, step, known=known) if found is None else found

    return whole


def rewrite(root: Term, rule: Callable[[Node], Node], memo: dict[Node, Node] | None = None) -> Term:
    """Rebuild bottom-up, passing every rebuilt node through ``rule``."""

    def step(node: Node, children: Below) -> Node:
        return rule(node.over(children))

    return fold(root, step, memo)


def replace(root: Term, mapping: Mapping[Kind, Node]) -> Term:
    """Replace whole nodes, wherever they occur."""
    return rewrite(root, lambda node: node, dict(mapping.items()))
