"""Reads, diagonals and their transposes as calls: views, gathers, scatters, zeros with a diagonal."""

from __future__ import annotations

from einstan.machine.schedule.calls import Array, Number, Operand, Seen
from einstan.machine.schedule.scheduler import Memory, Scheduler
from einstan.machine.schedule.sizes import origin
from einstan.machine.sizes.lower import Window, never_negative, sliced, window
from einstan.machine.sizes.operations import Form, Operation, Ref, combined
from einstan.machine.sizes.spelling import bracketed, letters

PLAIN = Form((), (), (), 0)


def read(s: Scheduler, operation: Operation) -> Array:
    reading = operation.detail
    if any(form.values for form in reading.slots):
        return gathered(s, operation)
    return windowed(s, operation) if s.sizes.known else reached(s, operation)


def windowed(s: Scheduler, operation: Operation) -> Array:
    """An affine read as a strided view of an array, which may have to be padded first."""
    view = window(operation, s.extents)
    (ref, *others) = operation.operands
    seen = s.entries(ref)
    if not view.pads:
        return s.view(looked(s, seen, view))
    array = seen.array
    if s.blocks and not s.above and not others and array.type == "float":
        shape = s.plan.shape(ref.value)
        sizes = [b + n + a for b, n, a in zip(view.before, shape, view.after, strict=True)]
        inside = ", ".join(
            ":" if n == size else f"{b}:{b + n}" for b, n, size in zip(view.before, shape, sizes, strict=True)
        )
        wide = s.scratch(sizes, array.precision)
        s.add("fill", (), str(operation.detail.fill), out=Seen(wide))
        s.add("copyto", [seen], out=Seen(wide).by("slices", inside))
        return s.view(looked(s, Seen(wide), view))
    wide = s.array(array.type if array.type == "int" else "float", array.rank, named=False)
    s.add("padded", [seen], view.before, view.after, operation.detail.fill, result=wide)
    return s.view(looked(s, Seen(wide), view))


def looked(s: Scheduler, seen: Seen, view: Window) -> Seen:
    """A strided view of an array; slices where every axis is read by one label.  A single entry of memory that is
    written later is an array without axes: a number would be what the memory holds now."""
    index = sliced(view)
    if index == "":
        return seen
    if index is None or (s.memory is Memory.VALUES and ":-" in index):  # other libraries have no steps backwards
        return seen.by("window", view.start, view.shape, view.steps)
    return seen.by("slices", index if view.shape or not (s.blocks and seen.array.fixed) else f"{index}, ...")


def reached(s: Scheduler, operation: Operation) -> Array:
    """An affine read, of which the call finds out whether it stays inside."""
    reading, ref = operation.detail, operation.operands[0]
    if not reading.guards and (entry := chosen(operation)) is not None:
        return s.view(s.entries(ref).by("slices", entry))
    ends = [
        bound
        for label, form in zip(ref.labels, reading.slots, strict=True)
        for bound in (form, combined(((Form((), (), ((operation.dims[label], 1),), 0), 1), (form, -1)), -1))
    ]
    guards = [guard for guard in reading.guards if not guard.values]
    if guards and not all(any(implies(g, end, operation) for g in guards) for end in ends):
        return gathered(s, operation)
    start = tuple(origin(form, s.sizes) for form in reading.slots)
    shape = s.shape(operation.out, operation)
    steps = tuple(tuple(dict(f.labels).get(label, 0) for f in reading.slots) for label in operation.out)
    where = None if guards else f"{reading.access} in {operation.equation}"
    made = s.array(s.graph.type(s.value), len(operation.out))
    made.owned = False
    s.add("reach", [s.entries(ref)], start, shape, steps, where, reading.fill, result=made)
    return made


def implies(guard: Form, bound: Form, operation: Operation) -> bool:
    """Whether ``guard >= 0`` gives ``bound >= 0`` whatever the sizes."""
    return never_negative(combined(((bound, 1), (guard, -1))), operation.dims)


def chosen(operation: Operation) -> str | None:
    """Single entries along some axes, ``x[0, :]``, where the others are read whole."""
    reading, own = operation.detail, operation.operands[0].labels
    parts, kept = [], []
    for label, form in zip(own, reading.slots, strict=True):
        if form.label is not None and operation.dims[form.label] == operation.dims[label]:
            parts.append(":")
            kept.append(form.label)
        elif form == Form((), (), (), form.constant) and form.constant >= 0:
            parts.append(str(form.constant))
        else:
            return None
    while parts and parts[-1] == ":":
        parts.pop()
    return ", ".join(parts) if parts and tuple(kept) == operation.out else None


# ---- gathers ---------------------------------------------------------------------------------------------------------


def gathered(s: Scheduler, operation: Operation) -> Array:
    reading, whole = operation.detail, operation.operands[0]
    entries = s.entries(whole)
    if reading.part is not None:  # what lies on other devices is zero
        at = [form(s, slot, operation) for slot in reading.slots]
        part = reading.part
        return s.result_of("gather part", [entries, *at], part.spelled, part.axis, part.devices)
    if not reading.guards and (taken := take(s, operation, entries)) is not None:
        return taken
    at = [form(s, slot, operation) for slot in reading.slots]
    if not reading.guards:
        sizes = s.shape(whole.labels, operation)
        places = tuple(slot_text(operation, k) for k in range(len(at)))
        return s.result_of("gather", [entries, *at], sizes, places)
    known = [_somewhere(guard, operation) for guard in reading.guards]
    allowed = [form(s, guard, operation) for guard in known]
    where = f"{reading.access} in {operation.equation}"
    return s.result_of("guarded", [entries, *at, *allowed], len(at), reading.fill, reading.order, where)


def slot_text(operation: Operation, axis: int) -> str:
    """What an error calls the slot that an axis of a tensor is."""
    reading = operation.detail
    return f"slot {reading.order[axis]} of {reading.access} in {operation.equation}"


def take(s: Scheduler, operation: Operation, entries: Seen) -> Array | None:
    """``E[T[n],d]``: one slot is an integer tensor and nothing else, the others are plain and distinct."""
    slots = operation.detail.slots
    gathers = [k for k, slot in enumerate(slots) if slot.values]
    plain = [slot.label for slot in slots if not slot.values]
    if len(gathers) != 1 or None in plain or len(set(plain)) < len(plain):
        return None
    slot = slots[gathers[0]]
    ref = operation.operands[slot.values[0][0]]
    if slot != PLAIN._replace(values=((slot.values[0][0], 1),)) or set(ref.labels) & set(plain):
        return None
    axis = gathers[0]
    natural = [x for k, f in enumerate(slots) for x in (ref.labels if k == axis else (f.label,))]
    detail = axis, slot_text(operation, axis)
    reads = [entries, whole_numbers(s, ref, operation)]
    if natural == list(operation.out):
        return s.result_of("take", reads, *detail)
    found = s.array(s.graph.type(s.value), len(natural), named=False)
    s.add("take", reads, *detail, result=found)
    return s.owned_view(s.ordered(Seen(found), natural, operation.out))


def _somewhere(guard: Form, operation: Operation) -> Form:
    """The largest value of a guard over the labels that its read does not have: where that is negative, so is it."""
    others = [(label, k) for label, k in guard.labels if label not in operation.out]
    lengths = tuple((operation.dims[label], k) for label, k in others if k > 0)
    return guard._replace(
        labels=tuple(pair for pair in guard.labels if pair not in others),
        extents=tuple(sorted((*guard.extents, *lengths))),
        constant=guard.constant - sum(k for _, k in lengths),
    )


# ---- positions -------------------------------------------------------------------------------------------------------


def counted(s: Scheduler, operation: Operation) -> Array:
    precision = s.precision if operation.detail == "number" else ""
    return s.result_of("arange", [], s.sizes.size(operation.dims[0]), precision)


def formed(s: Scheduler, operation: Operation) -> Array:
    return s.result_of("whole", [form(s, operation.detail, operation)])


def form(s: Scheduler, wanted: Form, operation: Operation) -> Operand:
    """A form as an array of integers whose axes line up with the result, or as a number."""
    out, parts = operation.out, []
    for label, k in wanted.labels:
        places = s.array("int", 1, named=False)
        s.add("arange", [], s.sizes.size(operation.dims[label]), "", result=places)
        parts.append((s.aligned(Ref(-1, (label,)), out, Seen(places)), k))
    for number, k in wanted.values:
        ref = operation.operands[number]
        alone = k == 1 and len(wanted.values) == 1 and not (wanted.labels or wanted.extents or wanted.constant)
        held = whole_numbers(s, ref, operation) if alone else wide(s, ref, operation)
        parts.append((s.aligned(ref, out, held), k))
    rest = Number(origin(wanted._replace(labels=(), values=()), s.sizes), True)
    if not parts:
        return rest
    terms = [part if k == 1 else _whole(s, "times", [Number(str(k), True), part]) for part, k in parts]
    if wanted.extents or wanted.constant:
        terms.append(rest)
    total = terms[0]
    for term in terms[1:]:
        total = _whole(s, "plus", [total, term])
    return total


def _whole(s: Scheduler, verb: str, reads: list[Operand]) -> Seen:
    made = s.array("int", 1, named=False)
    s.add(f"whole {verb}", reads, result=made)
    return Seen(made)


def divided(s: Scheduler, operation: Operation) -> Array:
    """A quotient of integers, a remainder or a product."""
    verb = {"times": "whole times", "mod": "whole mod"}.get(operation.detail, "whole over")
    reads = [s.aligned(ref, operation.out, wide(s, ref, operation)) for ref in operation.operands]
    if operation.detail == "over":
        above, below = (bracketed(read.text) if isinstance(read, Number) else read.array.text for read in reads)
        s.sizes.divided(above, below, operation.equation)
    return s.result_of(verb, reads)


def wide(s: Scheduler, ref: Ref, operation: Operation) -> Operand:
    """Whole numbers to compute with, in which a small integer type does not overflow."""
    given = s.graph.operations[ref.value]
    held = whole_numbers(s, ref, operation)
    narrow = given.kind == "input" and s.precisions.get(given.detail) != "int64"
    return held.by("cast", "int64") if narrow and isinstance(held, Seen) and held.array.type == "int" else held


def whole_numbers(s: Scheduler, ref: Ref, operation: Operation) -> Operand:
    """Whole numbers that a slot can hold; floats are looked at."""
    if s.is_number(ref):
        return Number(s.number(ref).text, True)
    array = s.values[ref.value]
    if array.type == "int":
        return Seen(array)
    made = s.array("int", array.rank, named=False)
    name = s.plan.names.get(ref.value, "a slot")
    s.add("positions", [Seen(array)], f"{name} in {operation.equation}", result=made)
    return Seen(made)


# ---- diagonals and their transposes ----------------------------------------------------------------------------------


def diagonal(s: Scheduler, operation: Operation) -> Array:
    (ref,) = operation.operands
    (same, *more) = [label for label in dict.fromkeys(ref.labels) if ref.labels.count(label) > 1]
    seen = s.read(ref)
    assert isinstance(seen, Seen)
    if more or ref.labels.count(same) > 2:
        return s.view(seen.by("paired", letters(ref.labels), letters(operation.out)))
    one = ref.labels.index(same)
    natural = (*(label for label in ref.labels if label != same), same)
    seen = seen.by("diagonal", one, ref.labels.index(same, one + 1))
    return s.view(s.ordered(seen, natural, operation.out))


def embedded(s: Scheduler, operation: Operation) -> Array:
    """Zeros, and the result on their diagonal, which is a view that can be written."""
    (ref,) = operation.operands
    extra = len(operation.detail)
    names = list(operation.out)
    for position, same in enumerate(operation.detail, len(names) - extra):
        names[position] = names[same]
    kept = tuple(operation.out[: len(names) - extra])
    core = s.aligned(ref, kept, s.floating(ref))
    sizes = s.shape(operation.out, operation)
    return s.result_of("embed", [core], sizes, s.precision_of(operation), letters(tuple(names)), letters(kept))


def scattered(s: Scheduler, operation: Operation) -> Array:
    at, core = operation.operands
    rest = tuple(label for label in core.labels if label not in at.labels)
    full = (*at.labels, *rest)
    values = s.aligned(core, full, s.floating(core))
    if set(core.labels) != set(full):
        values = broadcast(s, values, s.shape(full, operation))
    natural = (operation.out[0], *rest)
    reads: list[Operand] = [whole_numbers(s, at, operation), values]
    size, part = s.sizes.size(operation.dims[operation.out[0]]), operation.detail
    verb, *detail = ("scatter", size) if part is None else ("scatter part", size, part.spelled)
    if natural == operation.out:
        return s.result_of(verb, reads, *detail)
    found = s.array("float", len(natural), named=False)
    s.add(verb, reads, *detail, result=found)
    return s.owned_view(s.ordered(Seen(found), natural, operation.out))


def broadcast(s: Scheduler, read: Operand, sizes: tuple[str, ...]) -> Seen:
    if isinstance(read, Number):
        made = s.array("float", 0, named=False)
        s.add("number", [read], s.precision, result=made)
        read = Seen(made)
    return read.by("broadcast", *sizes)


def expanded(s: Scheduler, operation: Operation) -> Array:
    (ref,) = operation.operands
    read = s.aligned(ref, operation.out, s.floating(ref))
    return s.view(broadcast(s, read, s.shape(operation.out, operation)))
