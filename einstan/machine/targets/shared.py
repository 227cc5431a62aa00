"""What the tables of targets share: views that are spelled alike, and verbs that are the same call of a helper."""

from __future__ import annotations

from collections.abc import Callable

from einstan.machine.schedule.calls import View
from einstan.machine.schedule.sizes import tuple_of
from einstan.machine.sizes.spelling import plain_text
from einstan.machine.targets.target import Verb, Written


def looker(
    library: str, turned: str, cast: Callable[[str], str], permuted: str = "transpose"
) -> Callable[[str, View], str]:
    """How a library spells an array that is looked at in one way: ``turned`` where all axes are in the opposite order,
    and ``cast`` to a type."""

    def look(text: str, view: View) -> str:
        detail = view.detail
        match view.kind:
            case "permute":
                is_turned = turned and list(detail) == list(reversed(range(len(detail))))
                return f"{text}{turned}" if is_turned else f"{text}.{permuted}({', '.join(map(str, detail))})"
            case "expand" | "slices" | "part":
                return f"{text}[{detail[0]}]"
            case "reshape" | "fold":
                return f"{text}.reshape({', '.join(detail)})"
            case "window":
                return f"window({text}, {', '.join(map(str, detail))})"
            case "diagonal":
                return f"{text}.diagonal({'' if detail == (0, 1) else f'0, {detail[0]}, {detail[1]}'})"
            case "paired":
                return f'{library}.einsum("{detail[0]}->{detail[1]}", {text})'
            case "broadcast":
                return f"{library}.broadcast_to({text}, {tuple_of(detail)})"
            case "bits":
                return f"{text}.view(np.{detail[0]})"
            case "cast":
                return f"{text}.{cast(detail[0])}"
            case _:
                raise AssertionError(view.kind)

    return look


def gather(call: Written) -> str:
    (entries, *at), (sizes, places) = call.reads, call.detail
    index = (f"inside({a}, {n}, {plain_text(p)})" for a, n, p in zip(at, sizes, places, strict=True))
    return f"{entries}[{', '.join(index)}]"


def guarded(call: Written) -> str:
    (entries, *forms), (count, fill, order, where) = call.reads, call.detail
    allowed = " & ".join(f"({form} >= 0)" for form in forms[count:] if not form.isdigit()) or "True"
    return f"guarded({entries}, {tuple_of(forms[:count])}, {allowed}, {fill}, {order}, {plain_text(where)})"


def reach(call: Written) -> str:
    start, shape, steps, where, fill = call.detail
    outside = f"fill={fill}" if where is None else plain_text(where)
    return f"reach({call.reads[0]}, {tuple_of(start)}, {tuple_of(shape)}, {steps}, {outside})"


def overlap(call: Written) -> str:
    shape, start, steps = call.detail
    return f"overlap({call.reads[0]}, {tuple_of(shape)}, {tuple_of(start)}, {steps})"


def positions(call: Written) -> str:
    return f"positions({call.reads[0]}, {plain_text(call.detail[0])})"


SHARED: dict[str, Verb] = {
    "whole": "{0}",
    "whole plus": "{0} + {1}",
    "whole times": "{0} * {1}",
    "whole over": "{0} // {1}",
    "whole mod": "{0} % {1}",
    "others": "others({0}, {d0})",
    "positions": positions,
    "gather": gather,
    "guarded": guarded,
    "padded": "padded({0}, {d0}, {d1}, {d2})",
    "reach": reach,
    "scatter": "scatter_add({0}, {1}, {d0})",
    "overlap": overlap,
}
