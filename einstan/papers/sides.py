r"""One formula: its sides and what joins them, and what stands around it, for all of what it holds and where it lies.

\forall p \neq q, a_{pq} = 0         a condition, and a formula
x = y \in \mathbb{R}^m               where something lies is no part of it
f: \begin{cases} U \to V \\ x \mapsto g(x) \end{cases}      f(x) = g(x)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from einstan.papers.problem import UnreadError
from einstan.papers.signs import COMPARED, HEAD
from einstan.papers.tex import Token, Tokens, environment, group, tokens_of, written

FAR = ("quad", "qquad")
PLACES = ("in", "subset", "subseteq")
WORDS = ("text", "textrm", "textit", "textbf", "mbox", "textnormal", "intertext", "textsf", "emph")
EQUAL = ("equiv", "triangleq", "coloneqq", "coloneq", "doteq")
COMPARE = (*COMPARED, "ll", "gg")
NEAR = ("approx", "simeq", "sim", "propto", "cong", "to", "rightarrow", "mapsto", "leftarrow", "gets", "longrightarrow")
JOINS = ("and", "where", "with", "so", "hence", "thus", "i.e.", "that is", "therefore", "then", "so that")


@dataclass
class Formula:
    """One formula: ``sides`` joined by ``relations``, each with the line where it begins.  ``goes_on`` is whether the
    first side is the last one of the formula before; ``problem`` why it cannot be read."""

    line: int
    sides: list[Tokens] = field(default_factory=list)
    relations: list[Token] = field(default_factory=list)
    label: str = ""
    remarks: list[str] = field(default_factory=list)
    goes_on: bool = False
    problem: UnreadError | None = None
    conditions: list[Tokens] = field(default_factory=list)  # comparisons under which alone it holds

    def hold_where(self, piece: Tokens) -> None:
        """It holds where a comparison does; words that say more are a reason not to read it."""
        condition = comparison(piece)
        if condition:
            self.conditions.append(condition)
        elif self.problem is None:
            said = "it holds under a condition, which stands beside it"
            self.problem = UnreadError(said, written(piece), "the formula alone, with % einstan: assume x[i] > 0")

    @property
    def text(self) -> str:
        pieces = [written(side) for side in self.sides]
        for k, relation in enumerate(self.relations):
            pieces[k] += f" {relation} "
        return "".join(pieces).strip()


def depths_of(tokens: Tokens) -> list[int]:
    """How many brackets are open before each token; of those in environments too."""
    depth, found = 0, []
    for token in tokens:
        opens, closes = _BRACKETS.get((token.kind, token.text), (0, 0))
        depth -= closes
        found.append(depth)
        depth += opens
    return found


_BRACKETS = {
    **{("mark", text): (1, 0) for text in "{(["},
    **{("mark", text): (0, 1) for text in "})]"},
    **{("command", text): (1, 0) for text in ("{", "begin", "langle", "lVert", "lvert", "llbracket")},
    **{("command", text): (0, 1) for text in ("}", "end", "rangle", "rVert", "rvert", "rrbracket")},
}


def relation_at(tokens: Tokens, place: int) -> int:
    """How many tokens the relation at a place has; 0 where there is none."""
    token = tokens[place] if place < len(tokens) else Token("end", "", 0)
    if token.is_mark(":") and place + 1 < len(tokens) and tokens[place + 1].is_mark("="):
        return 2
    return int(token.text in _RELATIONS.get(token.kind, ()))


_RELATIONS = {"command": frozenset([*EQUAL, *COMPARE, *NEAR]), "mark": frozenset("=<>≤≥≈≠←→≡")}


def sides_of(piece: Tokens) -> tuple[list[Tokens], list[Token]]:
    depths = depths_of(piece)
    sides: list[Tokens] = []
    relations: list[Token] = []
    start = k = 0
    while k < len(piece):
        width = relation_at(piece, k) if depths[k] <= 0 else 0
        if width:
            sides.append(piece[start:k])
            relations.append(piece[k + width - 1])
            start = k = k + width
        else:
            k += 1
    return [*sides, piece[start:]], relations


def mapped(piece: Tokens) -> Tokens:
    r"""``f: \begin{cases} U \to V \\ x \mapsto g(x) \end{cases}`` as f(x) = g(x): what the map is at x."""
    colon = next((k for k, d in enumerate(depths_of(piece)) if d <= 0 and piece[k].is_mark(":")), None)
    arrow = next((k for k in range(len(piece) - 1, 0, -1) if piece[k].is_command("mapsto")), None)
    if colon is None or arrow is None or colon + 1 >= len(piece) or piece[colon + 1].is_mark("="):
        return piece
    if not (piece[colon + 1].is_command("begin") or piece[colon + 1].is_command("{")):
        return piece
    end = len(piece)
    if piece[colon + 1].is_command("begin"):
        _, _, end, behind = environment(piece, colon + 1)
        if behind < len(piece) or sum(token.is_command("mapsto") for token in piece) > 1:
            return piece
    start = max((k + 1 for k in range(arrow) if piece[k].is_command("\\", "{", "begin")), default=colon + 1)
    start = group(piece, start)[1] if piece[start - 1].is_command("begin") else start
    at = piece[start:arrow]
    at = (
        at
        if at and at[0].is_mark("(")
        else [*tokens_of("(", piece[arrow].line), *at, *tokens_of(")", piece[arrow].line)]
    )
    return [*piece[:colon], *at, Token("mark", "=", piece[colon].line), *piece[arrow + 1 : end]]


def quantified(piece: list[Token]) -> tuple[list[Token], list[Tokens]]:
    r"""A formula without ``\forall i, j \in \{1, ..., n\},`` in front of it, and what that says apart from which
    letters there are: ``p \neq q``."""
    conditions: list[Tokens] = []
    while piece and piece[0].is_command("forall"):
        depths = depths_of(piece)
        ends = [k for k in range(len(piece)) if depths[k] <= 0 and piece[k].is_mark(",", ":")]
        # Letters may be parted by commas, i, j: the quantifier ends where no letter alone is behind.
        end = next((k for k in ends if not _is_letter_list(piece, k, ends)), len(piece))
        said = piece[1:end]
        if not any(token.is_command(*PLACES) for token in said) and any(relation_at(said, k) for k in range(len(said))):
            conditions.append(said)
        piece = piece[end + 1 :]
        while piece and piece[0].is_command(*FAR):
            piece = piece[1:]
    return piece, conditions


def _is_letter_list(piece: Tokens, comma: int, ends: Sequence[int]) -> bool:
    behind = comma + 1
    return (
        behind < len(piece)
        and piece[behind].kind == "letter"
        and (behind + 1 in ends or (behind + 1 < len(piece) and piece[behind + 1].is_command(*PLACES, "neq", "ne")))
    )


def comparison(piece: Tokens) -> Tokens:
    r"""``\\text{if } x > 0`` and ``i \neq j`` as the comparison alone; nothing where words say more than that."""
    rest = list(piece)
    while rest and rest[0].is_command(*WORDS):
        inside, end = group(rest, 1)
        if plain(inside).lower().strip(" ,.:;") not in ("if", "for", "when", "where", "whenever", "provided"):
            return []
        rest = rest[end:]
    if any(token.is_command(*WORDS, *PLACES, "forall", "exists") for token in rest):
        return []
    return rest if any(relation_at(rest, k) for k in range(len(rest))) else []


def without_places(piece: list[Token]) -> tuple[list[Token], UnreadError | None]:
    r"""A formula without ``\in \mathbb{R}^m`` behind it, and words in it as a reason not to read it."""
    depths = depths_of(piece)
    place = next((k for k, t in enumerate(piece) if depths[k] <= 0 and t.is_command(*PLACES)), None)
    related = [k for k in range(len(piece)) if depths[k] <= 0 and relation_at(piece, k)]
    if place is not None:
        if not any(k < place for k in related):
            said = "it says where something lies, and is no equation"
            return piece, UnreadError(said, written(piece), HEAD + "given x[i], which says what axes it has")
        if any(k > place for k in related):
            said = "it says where something lies in the middle of an equation"
            return piece, UnreadError(said, written(piece), r"the equation alone, and x \in ... behind it")
        piece = piece[:place]
    k = 0
    kept: list[Token] = []
    while k < len(piece):
        token = piece[k]
        if token.is_command("text", "mbox", "textrm") and depths_of(piece)[k] <= 0:
            inside, end = group(piece, k + 1)
            if not kept and plain(inside).lower().strip(",. :") in (*JOINS, "similarly", "similary"):
                k = end
                continue
            kept += piece[k:end]
            k = end
            continue
        kept.append(token)
        k += 1
    return kept, None


def plain(tokens: Tokens) -> str:
    """Words as they are read, with a blank where the text has one."""
    pieces, end = list[str](), 0
    for token in tokens:
        if not token.is_mark("{", "}", "-") and not token.is_command(*WORDS):
            pieces.append(f" {token.text}" if token.start > end or token.text == " " else token.text)
        end = token.end
    return " ".join("".join(pieces).split())
