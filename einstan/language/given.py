"""What has no formula: ``given S(Z[N,J])``, and ``convention relu'(x) = 1[x >= 0]``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from einstan.language.errors import EinstanError, NotationError, ScopeError
from einstan.language.functions import FUNCTIONS, SPELLINGS
from einstan.language.index import names_in
from einstan.language.scope import bind_equation, parse_expression
from einstan.language.show import show
from einstan.language.statement import Convention, Given, Statement
from einstan.language.syntax import read_relation
from einstan.language.term import Indexed, Mul, Sum

_NO_FUNCTION = re.compile(r"(\w+) is not a (?:function|reduction)")
_CONVENTION = re.compile(r"(\w+)'\s*\(([^()]*)\)\s*=\s*(.+)", re.DOTALL)


def read_given(text: str, known: Collection[str]) -> Given:
    """``Z[i,j](X[i,K], b[j])``, the arguments read as the factors of one product, in which every capital is bound."""
    repair = "given Z[i,j](X[i,K], b[j])"
    start, depth = len(text.rstrip()), 0
    while start:  # back to the bracket that the last one closes: a name may have a label in brackets, X^(2)
        start -= 1
        depth += (text[start] == ")") - (text[start] == "(")
        if not depth:
            break
    if text[start : start + 1] != "(" or start == 0:
        raise NotationError("'given' names a tensor and, in brackets, what it depends on", text=text, repair=repair)
    inside = text[start + 1 : text.rindex(")")]
    product = re.sub(r",(?![^\[]*\])", " *", inside)
    try:
        equation = bind_equation(*read_relation(f"{text[:start]} = {product}", known))
    except ScopeError as error:
        raise _given_of(text[:start].rstrip(), inside, error) from None
    rhs = equation.rhs
    capitals, body = (rhs.indices, rhs.body) if isinstance(rhs, Sum) else ((), rhs)
    arguments = body.factors if isinstance(body, Mul) else (body,)
    accesses = tuple(a for a in arguments if isinstance(a, Indexed) and all(slot.index for slot in a.slots))
    if len(accesses) < len(arguments):
        raise NotationError("'given' lists tensors with plain indices", text=text, repair=repair)
    return Given(equation.lhs, accesses, capitals)


def _given_of(left: str, inside: str, error: ScopeError) -> EinstanError:
    """``given phi(x[n])``: of each n, or of all entries."""
    letters = dict.fromkeys(re.findall(r"(?<=[\[,])\s*([a-z]\w*)\s*(?=[\],])", inside))
    own = set(names_in(left))
    new = [letter for letter in letters if letter not in own]
    if not new:
        return error
    name, _, slots = left.partition("[")
    each = f"given {name}[{','.join([*filter(None, [slots.rstrip(']')]), *new])}]({inside})"
    every = re.sub(rf"(?<=[\[,])(\s*)({'|'.join(new)})(?=\s*[\],])", lambda m: m[1] + m[2].capitalize(), inside)
    return ScopeError(
        error.problem, text=f"given {left}({inside})", repair=(each, f"given {left}({every})"),
        inferred=f"{left} is one for each {', '.join(new)}, or rests on all of them",
    )  # fmt: skip


def given_called(error: EinstanError, code: str, line: int, first: Mapping[str, Statement]) -> EinstanError:
    """``y = phi(x)`` behind ``given phi(x)``, whose name stands for its value at what it is given of."""
    found = _NO_FUNCTION.fullmatch(error.problem)
    given = first.get(found[1]) if found is not None else None
    content = given.content if given is not None else None
    call = re.search(rf"(?<!\w){found[1]}\s*\(([^()]*)\)", code) if found is not None else None
    if given is None or not isinstance(content, Given) or call is None:
        return error
    asked = re.sub(r"\s", "", call[1]).lower()
    meant = ",".join(show(argument) for argument in content.arguments).lower()
    letters = ",".join(dict.fromkeys(re.findall(r"(?<=[\[,])[a-z]\w*(?=[\],])", call[1])))
    slots = show(content.lhs) if asked == meant else f"{content.lhs.tensor}[{letters}]" if letters else ""
    own, start, end = f"{code[: call.start()]}{slots}{code[call.end() :]}", *call.span()
    repair: str | tuple[()] = own if slots else ()
    if slots and asked != meant:  # both lines are others
        above = f"{given.text}\n" if given.line == line - 1 else ""
        joint = "\n" if above else f" in line {given.line}, and "
        repair = f"given {slots}({call[1]}){joint}{own}"
        code, start, end = f"{above}{code}", start + len(above), end + len(above)
    problem = f"{content.lhs.tensor} is given, and its name alone is its value"
    return NotationError(problem, text=code, span=(start, end), repair=repair)


def read_convention(text: str) -> Convention:
    matched = _CONVENTION.fullmatch(text.strip())
    if matched is None or SPELLINGS.get(matched.group(1), matched.group(1)) not in FUNCTIONS:
        raise NotationError(
            "'convention' states the partial of a function", text=text, repair="convention relu'(x) = 1[x >= 0]"
        )
    function, parameter, partial = matched.groups()
    row = FUNCTIONS[SPELLINGS.get(function, function)]
    if len(row.parameters) != 1:
        raise NotationError(f"{function} takes {len(row.parameters)} arguments, and a convention is for one", text=text)
    return Convention(row.name, parameter.strip(), parse_expression(partial))
