r"""Brackets and what is set like them: inner products, norms, cases, matrices, indicators."""

from __future__ import annotations

from collections.abc import Sequence

from einstan.papers.derivatives import Derivatives
from einstan.papers.dots import arranged, letters_for, listed, side_by_side
from einstan.papers.problem import UnreadError
from einstan.papers.sides import relation_at
from einstan.papers.signs import (
    COMPARED,
    DOTS,
    FONTS,
    MATRICES,
    OTHERWISE,
    WORDS,
)
from einstan.papers.tex import Token, Tokens, closing, environment, group, written
from einstan.papers.tree import (
    Absolute,
    Addition,
    Cases,
    Compared,
    Group,
    Indicator,
    Inner,
    Listed,
    Node,
    Norm,
    Product,
    Symbol,
    Written,
)


class Brackets(Derivatives):
    """Brackets and what is set like them: inner products, norms, cases, matrices, indicators."""

    def bracketed(self, opening: str, closing_mark: str) -> Node:
        if opening in "([" and (vector := self.vector(opening, closing_mark)) is not None:
            return vector
        self.k += 1
        closes, self.closes_bar = self.closes_bar, False
        items = [self.compared_or_expression()]
        while self.take(","):
            items.append(self.compared_or_expression())
        self.closes_bar = closes
        if not (self.take(closing_mark) or (closing_mark.startswith("\\") and self.take_command(closing_mark[1:]))):
            if self.token.kind == "end":
                raise self.fail(f"the bracket {opening} is not closed", rf"\left{opening} ... \right{closing_mark}")
            raise self.unexpected()
        return Group(opening, tuple(items))

    def vector(self, opening: str, closing_mark: str) -> Node | None:
        r"""``(x_1, \dots, x_n)``."""
        depth, entries, k = 0, list[list[Token]]([[]]), self.k + 1
        while k < len(self.tokens):
            token = self.tokens[k]
            closes = token.is_mark(closing_mark) or (closing_mark[:1] == "\\" and token.is_command(closing_mark[1:]))
            if not depth and closes:
                break
            depth += token.is_mark("(", "[", "{") - token.is_mark(")", "]", "}")
            if token.is_mark(",") and not depth:
                entries.append([])
            else:
                entries[-1].append(token)
            k += 1
        letter = next(letters_for(self.tokens, self.header.axes))
        if opening == "[" and len(entries) == 1:
            found = listed(side_by_side(entries[0]), letter)
        else:
            found = listed(entries, letter)
        if found is None:
            return None
        self.k = k + 1
        return Listed(self.inner(found[0]), (letter,), (found[1],), None)

    def compared_or_expression(self) -> Node:
        if self.command(*DOTS):
            raise self.unexpected()
        return self.expression()

    def inner_product(self) -> Node:
        self.k += 1
        left = self.expression()
        if self.command("rangle"):
            said = r"\bar{x}, which is a name of its own, or the mean written out"
            raise self.fail("angle brackets around one thing: a mean, or a name", said)
        if not (self.take(",") or self.take("|")):
            raise self.unexpected()
        right = self.expression()
        if not self.take_command("rangle"):
            raise self.unexpected()
        return Inner(left, right)

    def norm(self) -> Node:
        start = self.k
        self.k += 2 if self.at("|") else 1
        closes, self.closes_bar = self.closes_bar, True
        body = self.expression()
        self.closes_bar = closes
        if self.at("|") and self.ahead().is_mark("|"):
            self.k += 2
        elif self.command("|", "Vert", "rVert"):
            self.k += 1
        else:
            raise self.fail("a norm is not closed", r"\left\| x \right\|", start)
        kind = ""
        if self.at("_"):
            inside, self.k = group(self.tokens, self.k + 1)
            kind = written([token for token in inside if token.text not in FONTS and not token.is_mark("{", "}")])
        return Norm(body, kind)

    def absolute(self) -> Node:
        start = self.k
        self.k += 1
        closes, self.closes_bar = self.closes_bar, True
        body = self.expression()
        self.closes_bar = closes
        if not (self.take("|") or self.take_command("rvert") or self.take_command("vert")):
            raise self.fail("an absolute value is not closed", r"\left| x \right|", start)
        return Absolute(body)

    def environment(self) -> Node:
        name, start, end, behind = environment(self.tokens, self.k)
        inside = self.tokens[start:end]
        self.k = behind
        if name in MATRICES:
            return self.matrix(name, inside)
        if name not in ("cases", "dcases", "rcases"):
            raise UnreadError(
                f"the environment {name} is not read", name, r"\begin{aligned}, \begin{cases} or \begin{bmatrix}"
            )
        return Cases(tuple(self.case(row) for row in _rows(inside) if row))

    def matrix(self, name: str, inside: Tokens) -> Node:
        if name in ("vmatrix", "Vmatrix"):
            raise UnreadError("a determinant, or a norm", name, "the polynomial of its entries: a_1 b_2 - a_2 b_1")
        rows = [_cells(row) for row in _rows(inside) if row]
        if any(token.is_command(*DOTS) for token in inside):
            return self.dotted(rows)
        if not rows or len({len(row) for row in rows}) > 1 or any(not cell for row in rows for cell in row):
            raise UnreadError(
                "a matrix whose rows differ in length", name, "an entry in each cell, 0 where it is empty"
            )
        return Written(tuple(tuple(self.inner(cell) for cell in row) for row in rows))

    def dotted(self, rows: Sequence[Sequence[Tokens]]) -> Node:
        """A vector or a matrix of which dots leave entries out."""
        letters = letters_for(self.tokens, self.header.axes)
        row, column = next(letters), next(letters)
        line = rows[0] if len(rows) == 1 else [each[0] for each in rows if len(each) == 1]
        if len(rows) == 1 or len(line) == len(rows):
            found = listed(line, row)
            if found is None:
                return Written()
            return Listed(self.inner(found[0]), (row,), (found[1],), len(rows) == 1)
        matrix = arranged(rows, row, column)
        if matrix is None:
            return Written()
        entry, beside, uppers = matrix
        node = self.inner(entry)
        if beside is not None:
            same, other = (Compared((Symbol(row), Symbol(column)), (sign,)) for sign in ("==", "!="))
            terms = [Product((("", Indicator(same)), ("", node)))]
            if [token.text for token in beside] != ["0"]:
                terms.append(Product((("", Indicator(other)), ("", self.inner(beside)))))
            node = Addition(tuple((1, term) for term in terms)) if len(terms) > 1 else terms[0]
        return Listed(node, (row, column), uppers)

    def case(self, row: list[Token]) -> tuple[Node, Compared | None]:
        words = [k for k, t in enumerate(row) if t.is_command("text", "mbox", "textrm", "mathrm")]
        depth, cut = 0, None
        for k, token in enumerate(row):
            depth += token.is_mark("(", "{", "[") - token.is_mark(")", "}", "]")
            if depth == 0 and (token.is_mark(",", "&") or token.is_command("quad", "qquad")):
                cut = k
                break
        cut = cut if cut is not None else words[0] if words else None
        if cut is None:
            raise UnreadError("a case does not say when it holds", written(row), r"x, & x > 0 \\ 0, & \text{otherwise}")
        condition = [t for t in row[cut:] if not t.is_mark(",", "&") and not t.is_command("quad", "qquad")]
        condition = condition[:-1] if condition and condition[-1].is_mark(".", ";") else condition
        if condition and condition[0].is_command("text", "mbox", "textrm", "mathrm"):
            inside, end = group(condition, 1)
            dollars = [k for k, t in enumerate(inside) if t.is_mark("$")]
            if len(dollars) > 1:  # \text{if $x > 0$}
                condition = [
                    *condition[:1],
                    *inside[: dollars[0]],
                    *inside[dollars[0] + 1 : dollars[1]],
                    *condition[end:],
                ]
                inside, end = inside[: dollars[0]], 1 + dollars[0]
            word = "".join(t.text for t in inside if t.kind == "letter").lower()
            if word in OTHERWISE:
                return self.inner(row[:cut]), None
            if word not in WORDS:
                raise UnreadError("a case says in words when it holds", written(condition), r"x, & x > 0")
            condition = condition[end:]
        return self.inner(row[:cut]), self.compared(condition)

    def compared(self, tokens: Tokens) -> Compared:
        """``a < b <= c``, the condition of a case, of an indicator or of a sum."""
        sides: list[Node] = []
        signs: list[str] = []
        start = depth = 0
        for k, token in enumerate(tokens):
            depth += token.is_mark("(", "[", "{") - token.is_mark(")", "]", "}")
            if not depth and token.text in COMPARED and token.kind != "letter":
                sides.append(self.inner(tokens[start:k]))
                signs.append(COMPARED[token.text])
                start = k + 1
        if not signs:
            if any(token.is_command("in") for token in tokens):
                raise UnreadError(
                    "a condition is written with <, =, and not with a set", written(tokens), r"-a \leq x \leq 0"
                )
            raise UnreadError("a condition does not compare", written(tokens), "x > 0")
        return Compared((*sides, self.inner(tokens[start:])), tuple(signs))

    def is_one(self) -> bool:
        inside, end = group(self.tokens, self.k + 1)
        if len(inside) == 1 and inside[0].text in ("1", "I"):
            behind = self.tokens[end] if end < len(self.tokens) else Token("end", "", 0)
            below = group(self.tokens, end + 1)[0] if behind.is_mark("_") else ()
            compares = any(relation_at(below, k) or below[k].is_command("in", "{") for k in range(len(below)))
            return behind.is_mark("[", "(", "{") or behind.is_command("{") or compares
        return False

    def indicates(self) -> bool:
        inside = group(self.tokens, self.k + 1)[0]
        return any(token.text in COMPARED for token in inside)

    def indicator(self) -> Node:
        if self.token.kind == "command":
            self.k = group(self.tokens, self.k + 1)[1]
        if self.at("_"):
            inside, self.k = group(self.tokens, self.k + 1)
            if inside and (inside[0].is_command("{") or inside[0].is_mark("[", "(")):
                inside = inside[1:-1]
            return Indicator(self.compared(inside))
        start = self.k
        closing_mark = {"[": "]", "(": ")"}.get(self.token.text, "}")
        depth = 0
        while self.k < len(self.tokens):
            depth += self.at("[", "(", "{") or self.command("{")
            depth -= self.at("]", ")", "}") or self.command("}")
            self.k += 1
            if not depth:
                break
        inside = self.tokens[start + 1 : self.k - 1]
        if not inside or self.tokens[self.k - 1].text != closing_mark:
            raise self.fail("an indicator is not closed", r"\mathbb{1}[x > 0]", start)
        return Indicator(self.compared(inside))


def _cells(row: list[Token]) -> list[list[Token]]:
    cells: list[list[Token]] = [[]]
    depth = 0
    for token in row:
        depth += token.is_mark("{") - token.is_mark("}")
        if token.is_mark("&") and not depth:
            cells.append([])
        else:
            cells[-1].append(token)
    return cells


def _rows(tokens: Tokens) -> list[list[Token]]:
    rows: list[list[Token]] = [[]]
    k = 0
    while k < len(tokens):
        if tokens[k].is_mark("{"):
            end = closing(tokens, k) + 1
            rows[-1] += tokens[k:end]
            k = end
        elif tokens[k].is_command("\\"):
            rows.append([])
            k += 1
        else:
            rows[-1].append(tokens[k])
            k += 1
    return rows
