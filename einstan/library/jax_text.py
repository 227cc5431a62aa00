"""A function of JAX with its rule as text: the functions that values and derivatives are, and what ties them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from einstan.library.function_text import page, part, tupled
from einstan.machine.sizes.spelling import identifier

if TYPE_CHECKING:
    from einstan.library.to_jax import Function


def written(made: Function) -> str:
    """The function for arrays of all sizes, with its rule."""
    value = part(made.value, made.value.function)
    if made.rule == "plain":
        return value.source.exported()
    taken = {"jax", "jnp", "np", "primals", "tangents", "held", "cotangents", "rule", "forward", "backward"}
    known = {name: identifier(name, taken) for name in made.inputs}
    indices = set(map(str, made.value.flat.index_tensors))
    moved = tuple(n for n in made.inputs if n not in indices and (made.wrt is None or n in made.wrt))
    names = list(map(str, made.names))
    out = {name: identifier(name, taken) for name in names}
    single = isinstance(made.outputs, str)
    behind = value._replace(text=value.text.replace(f"def {value.function}(", f"def {value.function}_value("))
    behind = behind._replace(function=f"{value.function}_value")
    head = [
        f"@jax.custom_{made.rule}",
        f"def {value.function}({', '.join(known.values())}):",
        *value.checks(known),
        f"    return {behind.call(known)}{'[0]' if single else ''}",
        *("", ""),
    ]

    def results(each: Iterable[str]) -> str:
        return ", ".join(each) if single else f"({tupled(each)})"

    if made.rule == "jvp":
        pushed = made.pushed(moved)
        both = part(pushed.made, f"{value.function}_pushed")
        moving = {name: identifier(f"t_{word}", taken) for name, word in known.items()}
        given = {**known, **{direction: moving[name] for name, direction in pushed.directions.items()}}
        tangents = {str(name): identifier(tangent, taken) for name, tangent in pushed.tangents.items()}
        return page("jax", [behind, both], [
            *head,
            f"@{value.function}.defjvp",
            "def rule(primals, tangents):",
            f"    {tupled(known.values())} = primals",
            f"    {tupled(moving.values())} = tangents",
            f"    {tupled([*out.values(), *tangents.values()])} = {both.call(given)}",
            f"    return {results(out.values())}, "
            + results(tangents.get(name, f"jax.numpy.zeros_like({out[name]})") for name in names),
        ])  # fmt: skip
    pulled = made.pulled(moved)
    front, back = part(pulled.front, f"{value.function}_forward"), part(pulled.back, f"{value.function}_backward")
    kept = {name: out.get(name) or identifier(name, taken) for name in pulled.kept}
    new = [word for name, word in kept.items() if name not in out]
    cotangents = {name: identifier(f"d_{word}", taken) for name, word in out.items()}
    held = tupled([*known.values(), *kept.values()])
    gradients = {name: identifier(gradient, taken) for name, gradient in pulled.gradients.items()}
    given = {**known, **kept, **{seed: cotangents[str(name)] for name, seed in pulled.seeds.items()}}
    return page("jax", [behind, front, back], [
        *head,
        f"def forward({', '.join(known.values())}):",
        f"    {tupled([*out.values(), *new])} = {front.call(known)}",
        f"    return {results(out.values())}, ({held})",
        *("", ""),
        "def backward(held, cotangents):",
        f"    {held} = held",
        f"    {tupled(cotangents.values()) if not single else cotangents[names[0]]} = cotangents",
        *([f"    {tupled(gradients.values())} = {back.call(given)}"] if gradients else []),
        f"    return {tupled(gradients.get(name, 'None') for name in known)}",
        *("", ""),
        f"{value.function}.defvjp(forward, backward)",
    ])  # fmt: skip
