"""How extents follow from others, as Python text: what stands in code that is right for arrays of any size."""

from __future__ import annotations

from einstan.calculus.program import rounded_down
from einstan.language.dims import axis
from einstan.language.index import Affine, Arithmetic, Index, affine
from einstan.language.node import preorder
from einstan.language.term import Equation, Extent, Indexed
from einstan.machine.sizes.extents import Extents, Formula, Inside, Spell, highest
from einstan.machine.sizes.operations import Form
from einstan.machine.sizes.spelling import bracketed


def read_text(
    extents: Extents, equation: Equation, dim: str, place: str, forms: list[Affine], size: Spell
) -> str | None:
    """The largest range of a dimension for which every form is inside an axis, as Python text: those tell that grow
    with it, and neither ``|x.0| - 1 - i`` nor ``mod(i + 1, |x.0|)`` and labels do."""
    tops = [(form, highest(extents, equation, form, dim)) for form in forms if _is_ranged(form)]
    growing = [form for form, top in tops if top is None or top[0] > 0] or [form for form, _ in tops]
    if not growing:
        return None
    return read_formula(extents, dim, [(equation, place, form) for form in growing], "").text(size)


def _is_ranged(form: Affine) -> bool:
    """Whether a form is made of indices and extents alone, or is the floor of such a quotient."""
    return rounded_down(form) is not None or all(
        isinstance(atom, Index | Extent) or (isinstance(atom, Arithmetic) and not atom.free) for atom, _ in form.terms
    )


def stated_formula(extents: Extents, equation: Equation, index: Index, form: Affine) -> Formula:
    """The extent that ``where`` states."""
    falls = form.constant < 0 or any(k < 0 or isinstance(atom, Arithmetic) for atom, k in form.terms)
    quotients = [node for node in preorder(form) if isinstance(node, Arithmetic) and node.operation == "over"]

    def bad(own: str, size: Spell) -> str:
        sides = [[bracketed(form_text(extents, equation, side, size)) for side in (q.left, q.right)] for q in quotients]
        return " or ".join([*(f"{left} % {right}" for left, right in sides), *([f"{own} < 0"] if falls else [])])

    problem = "is not whole, or negative," if quotients else "is negative"
    return Formula(
        lambda size: form_text(extents, equation, form, size), bad, f"|{index.name}| = {form} {problem} in {equation}"
    )


def read_formula(extents: Extents, dim: str, told: list[Inside], problem: str) -> Formula:
    """The smallest of the extents for which each read is inside."""

    def one(size: Spell, equation: Equation, length: str, form: Affine) -> str:
        slope, terms, constant = 0, [length], -1 - form.constant
        if (rounded := rounded_down(form)) is not None:
            quotient, k, rest = rounded
            width, left = form_text(extents, equation, quotient.right, size), one(size, equation, length, rest)
            steps = f"({left}) // {k} + 1" if k > 1 else f"{left} + 1"
            return one(size, equation, f"{bracketed(width)} * ({steps})", quotient.left)
        for atom, k in form.terms:
            if isinstance(atom, Arithmetic):
                terms.append(f"- {k} * {form_text(extents, equation, affine((atom, 1)), size)}")
                continue
            assert isinstance(atom, Index | Extent)
            own = extents.dim(equation, atom if isinstance(atom, Index) else atom.index)
            if isinstance(atom, Index):
                if k < 0:
                    continue
                constant += k
            if own == dim:
                slope += k
            else:
                terms.append(f"{'-' if k > 0 else '+'} {'' if abs(k) == 1 else f'{abs(k)} * '}{size(own)}")
        if constant:
            terms.append(f"{'-' if constant < 0 else '+'} {abs(constant)}")
        text = " ".join(terms)
        return f"({text}) // {slope}" if slope > 1 else text

    def text(size: Spell) -> str:
        parts = list(dict.fromkeys(one(size, equation, size(length), form) for equation, length, form in told))
        return parts[0] if len(parts) == 1 else f"min({', '.join(parts)})"

    def bad(own: str, size: Spell) -> str:
        lengths = list(dict.fromkeys(size(length) for _, length, _ in told))
        longest = lengths[0] if len(lengths) == 1 else f"max({', '.join(lengths)})"
        places = {form: list(dict.fromkeys(size(p) for _, p, other in told if other is form)) for _, _, form in told}
        unlike = [f"{one} != {other}" for one, *others in places.values() for other in others]
        return " or ".join([f"{own} < 0", f"{own} == 0 < {longest}", *unlike])

    return Formula(text, bad, problem)


def range_formula(form: Form) -> Formula:
    """The extent of the range of a guarded form, which is no axis."""

    def text(size: Spell) -> str:
        parts = [size(dim) if k == 1 else f"{k} * {size(dim)}" for dim, k in form.extents]
        parts += [str(form.constant)] if form.constant or not parts else []
        return f"max(0, {' + '.join(parts).replace('+ -', '- ')})"

    return Formula(text, lambda own, _: "", "")


def form_text(extents: Extents, equation: Equation, form: Affine, size: Spell) -> str:
    """A form of extents as Python text."""
    parts: list[str] = []
    for atom, k in form.terms:
        if isinstance(atom, Arithmetic):
            sign = {"times": "*", "mod": "%"}.get(atom.operation, "//")
            left, right = (form_text(extents, equation, part, size) for part in (atom.left, atom.right))
            text = f"({bracketed(left)} {sign} {bracketed(right)})"
        else:
            assert isinstance(atom, Extent)
            text = size(extents.dim(equation, atom.index))
        parts.append(text if k == 1 else f"{k} * {text}")
    if form.constant or not parts:
        parts.append(str(form.constant))
    return " + ".join(parts).replace("+ -", "- ")


def needed_formula(extents: Extents, equation: Equation, dim: str) -> Formula:
    """The smallest axis for which every read is inside."""

    def one(size: Spell, form: Affine) -> str:
        terms, constant = [], form.constant + 1
        for atom, k in form.terms:
            if isinstance(atom, Arithmetic):
                terms.append(f"{k} * {form_text(extents, equation, affine((atom, 1)), size)}")
                continue
            assert isinstance(atom, Index | Extent)
            if isinstance(atom, Index):
                if k < 0:
                    continue
                constant -= k
            own = size(extents.dim(equation, atom if isinstance(atom, Index) else atom.index))
            terms.append(own if k == 1 else f"{k} * {own}")
        return " + ".join([*terms, str(constant)]).replace("+ -", "- ")

    def text(size: Spell) -> str:
        held = [
            form
            for read, position, form in extents.arithmetic[equation]
            if extents.program.dims.find(axis(read.access.tensor, position)) == dim
            and not any(isinstance(atom, Arithmetic | Indexed) and atom.free for atom, _ in form.terms)
        ]
        return f"max(0, {', '.join(dict.fromkeys(one(size, form) for form in held))})"

    return Formula(text, lambda own, _: f"{own} < 0", "")
