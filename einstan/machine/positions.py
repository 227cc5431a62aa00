"""Reads, diagonals and their transposes as NumPy: views, gathers, scatters, zeros with a diagonal."""

from __future__ import annotations

from collections.abc import Sequence

from einstan.machine.lower import Window, sliced, window
from einstan.machine.operations import Form, Labels, Operation, Ref
from einstan.machine.overlaps import Overlaps
from einstan.machine.spelling import bracketed, letters, plain_text
from einstan.machine.writer import Variable


class Positions(Overlaps):
    """Rules for ``read``, ``form``, ``iota``, ``diagonal``, ``embed``, ``scatter`` and ``expand``."""

    def do_read(self, value: int, operation: Operation, constant: bool) -> Variable:
        if any(form.values for form in operation.detail.slots):
            return self.gather(value, operation, constant)
        view = window(operation, self.extents)
        ref = operation.operands[0]
        text = self.entries(ref)
        whole = text == self.variables[ref.value].text  # and no conversion
        if view.pads:
            self.helpers["padded"] = None
            text = f"padded({text}, {view.before}, {view.after}, {operation.detail.fill})"
        if self.variables[ref.value].type == "number":
            raise AssertionError("a number has no axes to read")
        return self.assign(value, operation, self.view(text, view), constant, owned=False, view=whole and not view.pads)

    def entries(self, ref: Ref) -> str:
        """What is read at other positions: an indicator as floats, since the graph takes what is read for numbers."""
        variable = self.variables[ref.value]
        return self.floating(ref) if variable.type == "bool" else variable.text

    def view(self, text: str, view: Window) -> str:
        """A strided view of an array; slices where every axis is read by one label."""
        index = sliced(view)
        if index is not None:
            return f"{text}[{index}]" if index else text
        self.helpers["window"] = None
        return f"window({text}, {view.start}, {view.shape}, {view.steps})"

    def gather(self, value: int, operation: Operation, constant: bool) -> Variable:
        reading, whole, out = operation.detail, operation.operands[0], operation.out
        text = self.entries(whole)
        if not reading.guards:
            simple = self.take(operation, text)
            if simple is not None:
                return self.assign(value, operation, simple, constant)
        at = [self.form(form, operation, out, operation.operands, constant) for form in reading.slots]
        if not reading.guards:
            self.helpers["inside"] = None
            sizes = [self.size(operation.dims[x], constant) for x in whole.labels]
            places = [self.slot_text(operation, k) for k in range(len(at))]
            index = ", ".join(f"inside({a}, {n}, {p})" for a, n, p in zip(at, sizes, places, strict=True))
            return self.assign(value, operation, f"{text}[{index}]", constant)
        self.helpers["guarded"] = None
        known = [_somewhere(f, operation) for f in reading.guards]
        allowed = " & ".join(f"({self.form(f, operation, out, operation.operands, constant)} >= 0)" for f in known)
        index = ", ".join(at) + ("," if len(at) == 1 else "")
        where = plain_text(f"{reading.access} in {operation.equation}")
        call = f"guarded({text}, ({index}), {allowed or 'True'}, {reading.fill}, {reading.order}, {where})"
        return self.assign(value, operation, call, constant)

    def slot_text(self, operation: Operation, axis: int) -> str:
        """What an error calls the slot that an axis of a tensor is."""
        reading = operation.detail
        return plain_text(f"slot {reading.order[axis]} of {reading.access} in {operation.equation}")

    def take(self, operation: Operation, text: str) -> str | None:
        """``E[T[n],d]``: one slot is an integer tensor and nothing else, the others are plain and distinct."""
        slots = operation.detail.slots
        gathers = [k for k, form in enumerate(slots) if form.values]
        plain = [form.label for form in slots if not form.values]
        if len(gathers) != 1 or None in plain or len(set(plain)) < len(plain):
            return None
        form = slots[gathers[0]]
        ref = operation.operands[form.values[0][0]]
        if form != Form((), ((form.values[0][0], 1),), (), 0) or set(ref.labels) & set(plain):
            return None
        self.helpers["inside"] = None
        axis = gathers[0]
        natural = [x for k, f in enumerate(slots) for x in (ref.labels if k == axis else (f.label,))]
        index = f"inside({self.whole(ref, operation)}, {text}.shape[{axis}], {self.slot_text(operation, axis)})"
        taken = f"{text}[{index}]" if axis == 0 else f"np.take({text}, {index}, axis={axis})"
        return self.reordered(taken, natural, operation.out)

    def do_iota(self, value: int, operation: Operation, constant: bool) -> Variable:
        kind = f", dtype=np.{self.precision}" if operation.detail == "number" else ""
        return self.assign(value, operation, f"np.arange({self.size(operation.dims[0], constant)}{kind})", constant)

    def do_form(self, value: int, operation: Operation, constant: bool) -> Variable:
        text = self.form(operation.detail, operation, operation.out, operation.operands, constant)
        return self.assign(value, operation, text, constant)

    def do_whole(self, value: int, operation: Operation, constant: bool) -> Variable:
        sign = {"times": "*", "mod": "%"}.get(operation.detail, "//")
        texts = [bracketed(self.aligned(ref, operation.out, self.wide(ref, operation))) for ref in operation.operands]
        if operation.detail == "over":
            self.divided(texts[0], texts[1], operation)
        return self.assign(value, operation, f" {sign} ".join(texts), constant)

    def divided(self, above: str, below: str, operation: Operation) -> None:
        """One size divided by another, which has to be whole: for the sizes of a plan it is."""

    def form(self, form: Form, operation: Operation, out: Labels, values: Sequence[Ref], constant: bool) -> str:
        """A form as text: an array of integers whose axes line up with ``out``."""
        parts: list[str] = []
        for label, k in form.labels:
            place = self.aligned(Ref(-1, (label,)), out, f"np.arange({self.size(operation.dims[label], constant)})")
            parts.append(place if k == 1 else f"{k} * {place}")
        for number, k in form.values:
            alone = k == 1 and len(form.values) == 1 and not (form.labels or form.extents or form.constant)
            text = self.whole(values[number], operation) if alone else self.wide(values[number], operation)
            place = self.aligned(values[number], out, text)
            parts.append(place if k == 1 else f"{k} * {place}")
        parts += [f"{k} * {self.size(dim, constant)}" for dim, k in form.extents]
        if form.constant or not parts:
            parts.append(str(form.constant))
        return " + ".join(parts).replace("+ -", "- ")

    def wide(self, ref: Ref, operation: Operation) -> str:
        """Whole numbers to compute with, in which a small integer type does not overflow."""
        given = self.graph.operations[ref.value]
        text = self.whole(ref, operation)
        narrow = given.kind == "input" and self.precisions.get(given.detail) != "int64"
        return f"{text}.astype(np.int64)" if narrow and text == self.variables[ref.value].text else text

    def whole(self, ref: Ref, operation: Operation) -> str:
        variable = self.variables[ref.value]
        if variable.type in ("int", "number"):
            return variable.text
        self.helpers["positions"] = None
        name = self.plan.names.get(ref.value, "a slot")
        return f"positions({variable.text}, {plain_text(f'{name} in {operation.equation}')})"

    def do_diagonal(self, value: int, operation: Operation, constant: bool) -> Variable:
        (ref,) = operation.operands
        (same, *more) = [label for label in dict.fromkeys(ref.labels) if ref.labels.count(label) > 1]
        if not more and ref.labels.count(same) == 2:
            one = ref.labels.index(same)
            axes = "" if len(ref.labels) == 2 else f"0, {one}, {ref.labels.index(same, one + 1)}"
            text = f"{self.variables[ref.value].text}.diagonal({axes})"
            natural = (*(label for label in ref.labels if label != same), same)
            text = self.reordered(text, natural, operation.out)
            return self.assign(value, operation, text, constant, owned=False, view=True)
        text = f'np.einsum("{letters(ref.labels)}->{letters(operation.out)}", {self.variables[ref.value].text})'
        return self.assign(value, operation, text, constant, owned=False, view=True)

    def do_embed(self, value: int, operation: Operation, constant: bool) -> Variable:
        """Zeros, and the result on their diagonal, which is a view that can be written."""
        (ref,) = operation.operands
        extra = len(operation.detail)
        names = list(operation.out)
        for position, same in enumerate(operation.detail, len(names) - extra):
            names[position] = names[same]
        kept = tuple(operation.out[: len(names) - extra])
        shape = self.shape([operation.dims[x] for x in operation.out], constant)
        made = self.assign(value, operation, f"np.zeros({shape}, np.{self.precision_of(operation)})", constant)
        core = self.aligned(ref, kept, self.floating(ref))
        line = f'np.einsum("{letters(tuple(names))}->{letters(kept)}", {made.text})[...] = {core}'
        if constant:
            self.constants.say(operation.equation, line, "")
        else:
            self.body.say(operation.equation, line, "    ")
        return made

    def do_scatter(self, value: int, operation: Operation, constant: bool) -> Variable:
        at, core = operation.operands
        self.helpers["scatter_add"] = None
        rest = tuple(label for label in core.labels if label not in at.labels)
        full = (*at.labels, *rest)
        text = self.aligned(core, full, self.floating(core))
        if set(core.labels) != set(full):
            kind = f"np.{self.precision}({text})" if self.variables[core.value].type == "number" else text
            text = f"np.broadcast_to({kind}, {self.shape([operation.dims[x] for x in full], constant)})"
        target = self.size(operation.dims[operation.out[0]], constant)
        text = f"scatter_add({self.whole(at, operation)}, {text}, {target})"
        return self.assign(value, operation, self.reordered(text, (operation.out[0], *rest), operation.out), constant)

    def do_expand(self, value: int, operation: Operation, constant: bool) -> Variable:
        (ref,) = operation.operands
        shape = self.shape(operation.out_dims, constant)
        text = self.floating(ref)
        if self.variables[ref.value].type == "number":
            text = f"np.{self.precision}({text})"
        view = text == self.variables[ref.value].text  # and no conversion
        text = f"np.broadcast_to({self.aligned(ref, operation.out, text)}, {shape})"
        return self.assign(value, operation, text, constant, owned=False, view=view)


def _somewhere(guard: Form, operation: Operation) -> Form:
    """The largest value of a guard over the labels that its read does not have: where that is negative, so is it."""
    others = [(label, k) for label, k in guard.labels if label not in operation.out]
    lengths = tuple((operation.dims[label], k) for label, k in others if k > 0)
    return guard._replace(
        labels=tuple(pair for pair in guard.labels if pair not in others),
        extents=tuple(sorted((*guard.extents, *lengths))),
        constant=guard.constant - sum(k for _, k in lengths),
    )
