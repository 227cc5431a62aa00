"""Lines of a part that do not go together: a tensor defined twice, a gradient that is none, two meanings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise

from einstan.language.errors import EinstanError, NotationError, ProgramError
from einstan.language.glued import alphabets, candidates, glued, in_pass
from einstan.language.node import Node, holds, preorder
from einstan.language.refusals import two_meanings
from einstan.language.show import show
from einstan.language.spoken import unknown_extents
from einstan.language.statement import Claim, Document, Given, Statement, as_claim, name_of, sides_of
from einstan.language.sugar import as_softmax
from einstan.language.surface import looks_like_derivative
from einstan.language.term import Equation, Expr, Indexed, Name, Partial, Position, tensors
from einstan.language.tokens import respelled
from einstan.language.told import NAME, as_read

_SUBSCRIPTED = re.compile(r"(?<![\w\\])([^\W\d_][^\W_]*)_(?:([a-z]{1,3})(?!\w)|\{([a-z]{1,3})\})")
_WORD = re.compile(r"[^\W\d_][^\W²³]*")
_GOES_ON = re.compile(r"(?:(?:\*(?!\*)|[+/=×·⋅])|[-−–](?!\s*(?:claim|refute)\b)|&\s*=|\\cdot\b|\\times\b)(?!=)")


def apart(document: Document, known: Collection[str], gradients: bool) -> Iterator[tuple[Statement, EinstanError]]:
    """The statements that cannot stand beside the others, and why; with ``gradients`` equations may define them."""
    for part in document.parts:
        yield from ((s, collided(s, part)) for s in (() if gradients else collisions(part, known)))
        yield from defined_again(part)
        yield from doubtful(part)
        yield from speaking(part, known)
        yield from of_other_rank(part)
        yield from of_subscripts(part)
        yield from of_glued_letters(part, known)
        yield from of_chains(part, known)
    yield from gone_on(document.statements)


def gone_on(statements: Sequence[Statement]) -> Iterator[tuple[Statement, NotationError]]:
    """Statements of which a half stands in the next line, ``+ z``, which was not set in: they are not judged by one."""
    for statement, half in pairwise(s for s in statements if s.kind not in ("note", "rule")):
        if half.error is not None and statement.error is None and _GOES_ON.match(half.text):
            error = NotationError(
                f"it goes on in line {half.line}, which begins with an operator", text=f"{statement.text}\n{half.text}",
                span=(len(statement.text) - 1, len(statement.text)), repair=f"{statement.text}\n  {half.text}",
            )  # fmt: skip
            yield from ((statement, error), (half, error))


def is_cotangent(name: str, names: Collection[Name]) -> bool:
    """Whether a number is called as the gradient with respect to a tensor of another text is, ``dS`` in a backward pass
    that is read without the lines before it."""
    of = name[1:]
    return name.startswith("d") and of[:1].isalpha() and of not in names and looks_like_derivative(of, ())


def collisions(part: Document, known: Collection[str] = ()) -> Iterator[Statement]:
    """The equations that define the gradient with respect to a tensor of the same part: ``dW`` where there is a W."""
    names = {*known, *_tensors(part.statements)}
    for statement in part.statements:
        if isinstance(statement.content, Equation | Given) and may_claim(statement, names):
            yield statement


def may_claim(statement: Statement, names: Collection[str]) -> bool:
    """Whether an equation has the name of a gradient: ``dW`` where there is a W."""
    name = name_of(statement)
    return name.startswith("d") and name[1:] in names


def claims_of_gradients(part: Document, known: Collection[str] = ()) -> Iterator[Statement]:
    """Of those equations the ones that say what the gradient is: a scalar rests on the tensor, and none on a ``dX``."""
    lines = [s for s in collisions(part, known) if isinstance(s.content, Equation)]
    named = {name_of(statement) for statement in lines}
    if not named:
        return
    reads = {e.name: tensors(e.rhs) for e in part.equations if e.name not in named}
    queue = [e.name for e in part.equations if e.name in reads and not e.indices]
    queue = [name for name in queue if not is_cotangent(str(name), reads)]
    behind = set(queue)
    while queue:
        new = {*reads.get(queue.pop(), ())} - behind
        behind |= new
        queue += new
    if behind.isdisjoint(named):
        yield from (statement for statement in lines if name_of(statement)[1:] in behind)


def once_defined(statement: Statement, first: dict[str, Statement], names: Collection[str] = ()) -> Statement:
    """A definition; one that says again what stands above, as a derivation does, is a claim that holds.  Of gradients
    with respect to tensors of these ``names`` it is known later whether the lines are claims."""
    name = name_of(statement)
    above = first.setdefault(name, statement)
    if above is statement:
        return statement
    if above.content is statement.content:  # equal terms are one object
        return as_claim(statement)
    if may_claim(statement, names):
        return statement
    raise ProgramError(
        f"{name} is defined twice", text=statement.text, span=(0, len(name)),
        inferred=f"the first definition is in line {above.line}", repair=f"claim {statement.text}",
    )  # fmt: skip


def defined_again(part: Document) -> Iterator[tuple[Statement, EinstanError]]:
    """What is defined above already, and is no claim."""
    first: dict[str, Statement] = {}
    for statement in part.statements:
        if isinstance(statement.content, Equation | Given):
            try:
                once_defined(statement, first)
            except ProgramError as error:
                yield statement, error


def collided(statement: Statement, part: Document | None = None) -> EinstanError:
    """``dW`` is the gradient with respect to W where there is a W, so no equation may define it; a number ``dx`` beside
    ``x[i]`` is none, and has another name."""
    name, content = name_of(statement), statement.content
    sides = (side for each in (part.statements if part is not None else ()) for side in sides_of(each))
    ranks = {str(node.tensor): len(node.slots) for node in preorder(*sides) if isinstance(node, Indexed)}
    rank = len(content.indices) if isinstance(content, Equation) else ranks.get(name[1:], 0)
    repairs = [f"claim {statement.text}"] if ranks.get(name[1:], rank) == rank else []
    return ProgramError(
        f"{name} is the gradient with respect to {name[1:]} and cannot be defined", text=statement.text,
        span=(0, len(name)), repair=(*repairs, f"{'or ' * bool(repairs)}give the tensor another name"),
    )  # fmt: skip


def doubtful(part: Document) -> Iterator[tuple[Statement, EinstanError]]:
    """What has a name that is an index there and a number in another line: alone, it may be either."""
    contents = [(statement, sides_of(statement)) for statement in part.statements]
    if not any(holds(side, Position) for _, sides in contents for side in sides):
        return
    nodes = preorder(*(side for _, sides in contents for side in sides))
    numbers = {str(node.tensor) for node in nodes if isinstance(node, Indexed) and not node.slots}
    for statement, sides in contents:
        if (name := next((name for name in _values(sides) if name in numbers), None)) is not None:
            yield statement, two_meanings(statement.text, name, (0, len(statement.text)))


def _values(sides: Iterable[Expr]) -> Iterator[str]:
    """The indices that stand for their values, as they are written: that of the sum in a softmax is not."""
    stack: list[Node] = [*sides]
    seen: set[Node] = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, Position):
            yield node.index.name
        softmax = as_softmax(node)
        stack.extend(node.children if softmax is None else softmax[:1])


def of_other_rank(part: Document) -> Iterator[tuple[Statement, EinstanError]]:
    """``c dt/dx`` beside ``t[n] = n dt``: a derivative of t would have its slot, so dt and dx are numbers."""
    ranks = {str(e.name): len(e.indices) for e in part.equations}
    for statement in part.statements:
        for name in {*map(_partial, tensors(*sides_of(statement)))} - {None}:
            assert name is not None
            shown = f"{name}"
            if ranks.get(name.of, name.rank) == name.rank or shown not in statement.text:
                continue
            start = statement.text.index(shown)
            above, below = shown.split("/")
            line = f"{statement.text[:start]}{above} / ({below}){statement.text[start + len(shown) :]}"
            problem = f"{shown} is a derivative of {name.of}, which has slots, or a quotient of numbers"
            span = (start, start + len(shown))
            yield statement, NotationError(problem, text=statement.text, span=span, repair=line)


def of_subscripts(part: Document) -> Iterator[tuple[Statement, EinstanError]]:
    """``f_x`` and ``f_xy`` beside ``f = x y^2``, derivatives on paper, and an entry of f or another number here."""
    if not any("_" in statement.text for statement in part.statements):
        return
    nodes = [n for s in part.statements for n in preorder(*sides_of(s)) if isinstance(n, Indexed)]
    numbers = {str(node.tensor) for node in nodes if not node.slots}
    defined = {str(e.name) for e in part.equations}
    own = {str(e.name) for e in part.equations if not e.indices}
    for statement in part.statements:
        for found in _SUBSCRIPTED.finditer(statement.text):
            name, letters = found[1], found[2] or found[3]
            if name not in own or f"{name}_{letters}" in defined or not numbers.issuperset(letters):
                continue
            derived = f"∂{name}/{''.join(f'∂{letter}' for letter in letters)}"
            before, behind = statement.text[: found.start()], statement.text[found.end() :]
            yield statement, NotationError(
                f"{found[0]} is a derivative of {name}, or a number with a label", text=statement.text,
                span=found.span(), repair=(f"{before}{derived}{behind}", f"{before}{name}{letters}{behind}"),
            )  # fmt: skip


def of_chains(part: Document, known: Collection[str]) -> Iterator[tuple[Statement, EinstanError]]:
    """``y = z = x^2`` where nothing says what z is: a chain defines y by z, and claims of z what is meant to define
    it."""
    pairs = [
        (s, c)
        for s, c in pairwise(part.statements)
        if s.line == c.line and isinstance(s.content, Equation) and isinstance(c.content, Claim)
    ]
    if not pairs:
        return
    told = {*known, *(name_of(s) for s in part.statements if isinstance(s.content, Equation | Given))}
    told |= {str(name) for claim in part.assumptions for name in tensors(claim.lhs, claim.rhs)}
    told |= {f"d{name}" for name in _tensors(part.statements)}
    for statement, claim in pairs:
        side, other = sides_of(claim)
        name = str(side.tensor) if isinstance(side, Indexed) and isinstance(side.tensor, str) else ""
        if name and name not in told and name not in map(str, tensors(other)):
            lines = f"{claim.text}\n{statement.text}"
            problem = f"{name} has no definition, and a chain gives one to what it begins with"
            start = max(statement.text.find(name, statement.text.find("=") + 1), 0)
            span = (start, start + len(name))
            error = NotationError(problem, text=statement.text, span=span, repair=lines)
            yield from ((statement, error), (claim, error))


def told_by(statement: Statement) -> tuple[Expr, ...]:
    """What names the tensors of a statement, with how many slots they have."""
    content = statement.content
    return (content.lhs, *content.arguments) if isinstance(content, Given) else sides_of(statement)


def of_glued_letters(part: Document, known: Collection[str]) -> Iterator[tuple[Statement, EinstanError]]:
    """``mv`` beside m and v, and ``sin(ωt)``, which may be products."""
    defined = {*known, *(name_of(s) for s in part.statements if isinstance(s.content, Equation | Given))}
    words = {word for statement in part.statements for word in _WORD.findall(statement.text)}
    behind = {word[1:] for word in words if word[0] in "dt"}  # a pass of another text reads its values
    words |= {word[:-2] for word in words if word[-2:-1] == "_"}  # ax_n
    read_alone = candidates([word for word in words - defined - behind if len(word) > 1], words)
    if not read_alone:
        return
    nodes = preorder(*(side for statement in part.statements for side in told_by(statement)))
    ranks = {str(node.tensor): len(node.slots) for node in nodes if isinstance(node, Indexed)}
    ranks |= {str(e.name): len(e.indices) for e in part.equations}
    if ranks.keys().isdisjoint(read_alone):
        return
    indices = {index.name for node in nodes if isinstance(node, Indexed) for slot in node.slots for index in slot.free}
    read = {name: rank for name, rank in ranks.items() if name in read_alone}
    for statement in part.statements:
        own = name_of(statement) if isinstance(statement.content, Equation | Given) else ""
        others = {name: rank for name, rank in ranks.items() if name != own}
        left = own or str(next((side.tensor for side in sides_of(statement)[:1] if isinstance(side, Indexed)), ""))
        alone = {name: rank for name, rank in read.items() if not in_pass(name, left)}
        if statement.error is None and (error := glued(statement.text, alone, others, indices)) is not None:
            yield statement, error


def shown_together(equations: Sequence[Equation]) -> list[str]:
    """The texts of equations as they are read together: a name that may be a product, and that none of them defines,
    is set as one, ``\\mathrm{mv}``."""
    texts = as_read([show(equation) for equation in equations])
    words: set[str] = {word for text in texts for word in _WORD.findall(text)}
    defined = {str(equation.name) for equation in equations}
    odd = {word for word in words - defined if alphabets(word) and not all(in_pass(word, name) for name in defined)}

    def asked() -> str | None:
        """A name about which the document of these lines would be asked."""
        if odd:
            return odd.pop()
        if not candidates([word for word in words - defined if len(word) > 1], words):
            return None
        lines = enumerate(zip(equations, texts, strict=True))
        part = Document(tuple(Statement("equation", line, k, text, "") for k, (line, text) in lines))
        for _, error in of_glued_letters(part, ()):
            assert error.span is not None
            return str(error.text[slice(*error.span)])
        return None

    while (name := asked()) is not None:
        texts = [respelled(text, name, f"\\mathrm{{{name}}}") for text in texts]
        words.discard(name)
    return texts


def _partial(name: Name) -> Partial | None:
    return name if isinstance(name, Partial) else None


def speaking(part: Document, known: Collection[str] = ()) -> Iterator[tuple[Statement, EinstanError]]:
    """The equations that speak of the extent of an index which no line has."""
    equations = [s for s in part.statements if isinstance(s.content, Equation)]
    read = set(known)
    for statement in part.statements:
        if not isinstance(statement.content, Equation):
            read |= set(NAME.findall(statement.text)) - set(map(str, tensors(*sides_of(statement))))
    found = dict(unknown_extents([(s.text, s.content) for s in equations if isinstance(s.content, Equation)], read))
    yield from ((s, found[s.text]) for s in equations if s.text in found)


def _tensors(statements: Sequence[Statement]) -> set[str]:
    found: set[str] = set()
    for statement in statements:
        if isinstance(statement.content, Equation):
            found |= {str(statement.content.name), *map(str, tensors(statement.content.rhs))}
        elif isinstance(statement.content, Given):
            found |= set(map(str, tensors(statement.content.lhs, *statement.content.arguments)))
    return found
