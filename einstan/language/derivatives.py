# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
r"""Derivatives as they are spelled: ``dZ[n,j]/dX[m,p]``, ``∂Z[n,j]/∂X[m,p]``, ``\frac{\partial Z}{\partial X}``.

``dA/dB`` may also be a quotient of two tensors called dA and dB, and has to be told apart before anything is bound: on
the left side of a relation it is a derivative, elsewhere the names decide (`looks_like_derivative`), or the tensors
that are known.  ``∂`` leaves no doubt.
"""

from __future__ import annotations

import re
from typing import NoReturn

from einstan.language.differentials import Differentials
from einstan.language.misread import denominators, subscripted
from einstan.language.surface import Ref, Surface, Task
from einstan.language.term import Partial
from einstan.language.tokens import Token, is_name

_ORDER = re.compile(r"d([2-9])(.+)")
_ABOVE = re.compile(r"∂(?:[²³]|\s*\^\s*\{?\d\}?)\s*([^\W\d_]\w*(?:\[[^\[\]]*\])?)\s*/\s*$")  # ∂²L/
_SIGN = re.compile(r"(?:∂|\\partial)\s*$")
_BOTH = re.compile(r"d(\w+)d(\w+)")
_DS = re.compile(r"(?<![\w\]}])d(?=\w)|(?<=[\]}])d(?=\w)|(?<=/)d")  # of dZ[i]/dX[j]dW[k], which have no blanks


class Derivatives(Differentials):
    """The rules for one derivative."""

    def is_derivative(self) -> bool:
        """Whether a derivative begins here, seen from the names around the slash alone."""
        numerator = self.token.text
        if not numerator.startswith("d") or len(numerator) < 2 or not is_name(_order(numerator)[1]):
            return False
        before = self.position
        depth = 0
        self.position += 1
        while self.token.kind != "end":
            if self.at("[", "(", "{"):
                depth += 1
            elif self.at("]", ")", "}"):
                depth -= 1
                if depth < 0:
                    break
            elif depth == 0 and not self.at("_", "^") and self.tokens[self.position - 1].text not in ("_", "^"):
                break
            self.position += 1
        slash = self.position
        if self.at("/") and self.ahead(1).text == "(":
            self.refuse_several_below(before, slash)
        divided = self.at("/") and self.ahead(1).kind == "name"
        denominator = self.ahead(1).text if divided else ""
        if denominator == "d" and "d" not in self.around and self.ahead(2).kind == "name":
            below = self.ahead(2)
            if self.means_derivative(_order(numerator)[1], below.text):
                self.position = before
                above = self.text[self.token.start : self.tokens[slash].start].rstrip()
                self.refuse_written(self.token.start, f"{above}/d{self.text[below.start : below.end]}", below.end)
        both = _BOTH.fullmatch(denominator)
        if (
            both
            and denominator[1:] not in self.known
            and (max(map(len, both.groups())) == 1 or {*both.groups()} <= self.known)
        ):
            span = (self.ahead(1).start, self.ahead(1).end)
            above = self.text[self.tokens[before].end - len(_order(numerator)[1]) : self.tokens[slash - 1].end]
            spelled = f"{self.text[: self.tokens[before].start]}∂{above}/∂{both[1]}∂{both[2]}{self.text[span[1] :]}"
            self.fail("the denominators of a derivative are run together", span, spelled)
        self.position = before
        if not denominator.startswith("d") or len(denominator) < 2 or not is_name(denominator[1:]):
            return False
        if self.on_left:
            return True
        plain = slash == before + 1 and self.tokens[slash + 2].text not in ("[", "_")
        if not self.means_derivative(_order(numerator)[1], denominator[1:]):
            return False
        return not (plain and self.is_quotient(slash))

    def is_quotient(self, slash: int) -> bool:
        """Whether ``dt / dx`` divides numbers: where the text around has a dt and no t, or a dx and no x, it does.
        With blanks around the slash, or a power behind, it may do so anyway; ``dt/dx`` is how a derivative is set."""
        sign, above, below, behind = (self.tokens[slash + k] for k in (0, -1, 1, 2))
        names = above.text, below.text
        if any(name in self.around and name[1:] not in self.around for name in names):
            return True
        raised = self.power_end(slash + 2)
        if behind.text == "^" and not raised:
            return False  # a label, dZ^(2)
        apart = not (sign.glued and below.glued)
        tensor = above.text[1:]
        if tensor in self.around and not raised:
            return False
        unknown = tensor not in self.around and below.text in self.around
        if not (apart or raised or unknown) or "/" in self.text.partition("=")[0]:
            return False
        if not any(token.text in names and self.is_number(k) for k, token in enumerate(self.tokens)):
            self.refuse_quotient_of_d(above, below, raised or below.end)
        return True

    def refuse_several_below(self, above: int, line: int) -> None:
        r"""Refuse ``df/(dx dy)`` and ``\frac{df}{dx dy}``, a mixed second derivative or a quotient of numbers; ``line``
        is the place of the slash among the tokens, or of the brace behind df."""
        names, place = self.differentials_from(line + 2)
        closing = self.tokens[place]
        spelled = [self.tokens[above].text, *(self.tokens[name].text for name, _ in names)]
        if len(names) < 2 or closing.text not in (")", "}") or any(name in self.around for name in spelled):
            return
        if not self.on_left and not all(self.means_derivative(spelled[0][1:], name[1:]) for name in spelled[1:]):
            return
        written = [self.text[self.tokens[name].start : self.tokens[end - 1].end] for name, end in names]
        top = self.text[self.tokens[above].start : self.tokens[line - 1].end]
        start = self.tokens[above - 2 * (closing.text == "}")].start
        before, behind = self.text[:start], self.text[closing.end :]
        derived = f"∂{top[1:]}/{''.join(f'∂{name[1:]}' for name in written)}"
        readings = derived, f"{top} / ({' * '.join(written)})"
        problem = f"{self.text[start : closing.end]} is a derivative, or a quotient of numbers"
        self.fail(problem, (start, closing.end), tuple(f"{before}{each}{behind}" for each in readings))

    def differentials_from(self, place: int, but: str = "") -> tuple[list[tuple[int, int]], int]:
        """The places of the names ``dx``, ``dy[j]`` side by side from there on, and where they end: what stands for a
        number, begins a derivative, is a function or called as ``but`` is none."""
        found: list[tuple[int, int]] = []
        while True:
            token = self.tokens[place]
            word = token.kind == "name" and token.text[0] == "d" and is_name(token.text[1:]) and token.text != but
            if not word or token.text in self.around or not self.means_derivative("l", token.text[1:]):
                return found, place
            end = self.behind(place - self.position) + self.position
            mark, behind = (self.tokens[min(end + k, len(self.tokens) - 1)] for k in (0, 1))
            if mark.text == "(" or (mark.text == "/" and behind.text[:1] == "d" and len(behind.text) > 1):
                return found, place
            found.append((place, end))
            place = end

    def power_end(self, place: int) -> int:
        """Where the whole power ends that begins at a place among the tokens, ``^2`` or ``²``; 0 where none does."""
        if self.tokens[place].kind == "power":
            return self.tokens[place].end
        inside = [token for token in self.tokens[place : place + 4] if token.text not in ("{", "^")]
        is_power = self.tokens[place].text == "^" and inside[0].kind == "number"
        braced = inside[1].text == "}" if len(inside) > 1 else False
        return inside[braced].end if is_power else 0

    def refuse_quotient_of_d(self, above: Token, below: Token, end: int) -> NoReturn:
        """``c dt / dx``, with a power up to the ``end``."""
        start, power = above.start, self.text[below.end : end].strip()
        derived = f"∂{above.text[1:]}/∂{below.text[1:]}"
        derived = f"({derived}){power}" if power else derived
        spelled = f"{above.text} / ({below.text}{power})", derived
        second = re.fullmatch(r"d([23])(\D.*)", above.text)
        if second and power.translate(str.maketrans("²³", "23", "^{} ")) == second[1]:  # d²x/dt²
            spelled = f"∂{second[2]}/{f'∂{below.text[1:]}' * int(second[1])}", spelled[0]
        self.fail(
            f"{self.text[start : below.end]} is a derivative, or a quotient of numbers", (start, below.end),
            tuple(f"{self.text[:start]}{each}{self.text[end:]}" for each in spelled),
        )  # fmt: skip

    def is_number(self, place: int) -> bool:
        """Whether the d-name at a place among the tokens stands by itself, and in no derivative."""
        before, behind = self.tokens[place - 1].text if place else "", self.tokens[place + 1].text
        above = self.tokens[max(place - 2, 0)].text
        if behind in ("[", "_") or (behind == "/" and self.tokens[place + 2].text.startswith("d")):
            return False
        return not (before == "/" and above.startswith("d")) and before != "{"

    def refuse_again(self, start: int, order: int, above: Ref, below: list[Ref]) -> None:
        """Refuse ``df/dx dy``, which looks like a second derivative: df beside ``df/dx`` is no denominator, and behind
        ``∂f/∂x`` dx alone looks like one."""
        again = f"d{below[-1].name}"
        written = self.text[start : self.last_end]
        if self.at("/") and self.ahead(1).text == again and not below[-1].slots:  # dg/dx/dx
            end = self.ahead(1).end
            top, _, name = written.partition("/")
            repairs = (f"∂{top[1:]}/∂{name[1:]}∂{name[1:]}", f"({written}) / {again}")
            before, behind = self.text[:start], self.text[end:]
            problem = f"{self.text[start:end]} is a second derivative, or divided by {again}"
            self.fail(problem, (start, end), tuple(f"{before}{each}{behind}" for each in repairs))
        round_signs = not written.startswith("d")
        if order or (round_signs and self.token.text != again):
            return
        names, place = self.differentials_from(self.position, but=f"d{above.name}")
        if not names:
            return
        end = self.tokens[place - 1].end
        behind = "".join(f"∂{self.text[self.tokens[one].start + 1 : self.tokens[last - 1].end]}" for one, last in names)
        whole = written if round_signs else _DS.sub("∂", written)
        factors = f"{written} * {self.text[self.token.start : end]}"
        numbers = ", ".join(dict.fromkeys(self.tokens[one].text for one, _ in names))
        which = "second" if len(below) + len(names) == 2 else "higher"
        problem = f"{self.text[start:end]} is a {which} derivative, or a product with {numbers}"
        before, rest = self.text[:start], self.text[end:]
        self.fail(problem, (start, end), (f"{before}{whole}{behind}{rest}", f"{before}{factors}{rest}"))

    def derivative(self) -> Task[Surface]:
        """``dZ[n,j]/dX[m,p]``, ``∂Z[n,j]/∂X[m,p]``, ``dL/dW[p,q]dW[r,s]``."""
        start = self.token.start
        order, above = yield self.differential(numerator=True)
        if not self.take("/"):
            self.fail("a derivative is written ∂Z[i]/∂X[p]", (start, self.last_end))
        below = yield self.differentials(order)
        self.refuse_again(start, order, above, below)
        return self.partial(start, above, below)

    def differential(self, numerator: bool = False) -> Task[tuple[int, Ref]]:
        """``dZ[n,j]`` or ``∂Z[n,j]``: the order of the derivative and Z with its slots."""
        if self.token.kind == "command":
            if numerator:
                self.refuse_of_expression()
            sign = self.advance()
            order = self.order() if numerator else 0
            if self.at("_"):  # \\partial_x f
                spelled = subscripted(self.text, sign.start, sign.end) or "∂f/∂x for \\partial_x f"
                self.fail("a derivative is written ∂Z[i]/∂X[p]", None, spelled)
            if self.token.kind != "name":
                self.unexpected()
            return order, (yield self.reference())
        spelled = self.token.text
        order, name = _order(spelled) if numerator else (0, spelled[1:])
        ref: Ref = yield self.reference()
        return order, Ref(ref.span, name + str(ref.name)[len(spelled) :], ref.slots)

    def order(self) -> int:
        """``∂²``, ``∂^2`` or ``∂^{2}``, behind the ∂; 0 where none is written."""
        if self.token.kind == "power":
            return int(self.advance().text)
        if not self.at("^"):
            return 0
        self.advance()
        braced = self.at("{")
        if braced:
            self.enter()
        token = self.advance()
        if token.kind != "number" or not token.text.isdigit():
            span = (token.start, max(token.end, token.start + 1))
            self.fail("the order of a derivative is a whole number", span, "∂^2")
        if braced:
            self.close()
        return int(token.text)

    def differentials(self, order: int) -> Task[list[Ref]]:
        """What stands below the line of a derivative of an ``order``, if that is written: ``∂x ∂y``, ``∂t²``."""
        found: list[Ref] = []
        while True:
            ref: Ref = (yield self.differential())[1]
            found.append(ref)
            if order > len(found) and self.power_end(self.position):
                found += [ref] * (self.order() - 1)
            token = self.token
            if token.kind == "command" and token.text == "partial":
                if self.ahead(self.behind(1)).text == "/":  # ∂f/∂x ∂f/∂y
                    break
            elif token.kind == "name" and token.text.startswith("d") and is_name(token.text[1:]):
                if not token.glued and not (order and len(found) < order):
                    break
            else:
                break
        if order and len(found) != order:
            self.refuse_order(order, found)
        return found

    def refuse_order(self, order: int, found: list[Ref]) -> NoReturn:
        """``d²f/dx²`` is written ``d²f/dxdx``."""
        start, end = found[0].span[0], self.last_end
        signed = _SIGN.search(self.text, 0, start)
        start = signed.start() if signed else start
        problem = f"a derivative of order {order} has {order} denominators, not {len(found)}"
        sign, name = self.text[start : found[0].span[0]] or "d", str(found[0].name)
        if len(found) == 1 and name == f"{name[:-1]}{order}" and name[:-1]:  # d2x/dt2
            above = self.text[:start].rstrip("/ ")
            begin = max(above.rfind(" "), above.rfind("=")) + 1
            spelled = f"∂{_ORDER.sub(lambda m: m[2], above[begin:])}/{f'∂{name[:-1]}' * order}"
            self.fail(problem, found[0].span, f"{above[:begin]}{spelled}{self.text[end:]}")
        of, below = _ABOVE.search(self.text, 0, start), {self.text[slice(*ref.span)] for ref in found}
        if of and len(found) > 1 and len(below) == 1:  # ∂²L/∂x³
            orders = [f"∂{of[1]}/{f'∂{name}' * count}{self.text[end:]}" for count in (order, len(found))]
            self.fail(problem, found[0].span, tuple(self.text[: of.start()] + each for each in orders))
        names, end = denominators(self.text, start)
        names = names * order if len(names) == 1 else names
        spelled = " ".join(f"{sign}{name}" for name in names)
        self.fail(
            problem, found[0].span, f"{self.text[:start]}{spelled}{self.text[end:]}" if len(names) == order else ()
        )

    def partial(self, start: int, above: Ref, below: list[Ref]) -> Ref:
        assert isinstance(above.name, str)
        wrt = tuple((str(ref.name), len(ref.slots)) for ref in below)
        slots = above.slots + tuple(slot for ref in below for slot in ref.slots)
        return Ref((start, self.last_end), Partial(above.name, len(above.slots), wrt), slots)

    # ---- LaTeX's fractions ---------------------------------------------------------------------------------------

    def is_differential(self) -> bool:
        r"""Whether the fraction that opens here is ``\frac{\partial Z}{\partial X}`` or ``\frac{dZ}{dX}``."""
        if self.token.kind == "command":
            if self.token.text != "partial":
                return False
            depth, position = 1, self.position
            while depth and self.tokens[position].kind != "end":
                depth += {"{": 1, "}": -1}.get(self.tokens[position].text, 0)
                position += 1
            return self.tokens[min(position + 1, len(self.tokens) - 1)].text == "partial"
        names = self.token.text, self.ahead(3).text
        if self.ahead(1).text == "}" and self.ahead(2).text == "{" and names[0].startswith("d"):
            self.refuse_several_below(self.position, self.position + 1)
        simple = self.ahead(1).text == "}" and self.token.raw and all(n.startswith("d") and n[1:] for n in names)
        numbers = any(name in self.around and name[1:] not in self.around for name in names)
        return simple and not numbers and self.means_derivative(names[0][1:], names[1][1:])

    def partial_fraction(self, start: int) -> Task[Ref]:
        r"""The two braces of ``\frac{\partial Z}{\partial X}``, behind the first of which the cursor stands."""
        order, above = yield self.differential(numerator=True)
        self.close()
        if not self.at("{"):
            self.fail("a fraction is written \\frac{a}{b}", (start, self.last_end))
        self.enter()
        below = yield self.differentials(order)
        self.close()
        return self.partial(start, above, below)


def _order(name: str) -> tuple[int, str]:
    """``d2L`` as (2, L), ``dL`` as (0, L)."""
    matched = _ORDER.fullmatch(name)
    return (int(matched.group(1)), matched.group(2)) if matched else (0, name[1:])
