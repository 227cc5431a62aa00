"""A function of PyTorch with its derivatives as text: what they compute, and an ``autograd.Function`` for each.

What PyTorch's compiler reads keeps nothing, as in `einstan.library.autograd`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from einstan.library.function_text import Part, page, part, tupled
from einstan.machine.sizes.spelling import identifier

if TYPE_CHECKING:
    from einstan.library.to_torch import TorchFunction

END = """\
class {title}End(torch.autograd.Function):
    \"\"\"The first of some tensors, as derivatives of which there is none by any of them.\"\"\"

    generate_vmap_rule = True

    @staticmethod
    def forward(count, *tensors):
        return tuple(tensor.view_as(tensor) for tensor in tensors[:count])

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, *cotangents):
        raise RuntimeError("no derivative of this order was written")"""
NONE = "no derivative was written by"
TAKEN = {"torch", "np", "ctx", "inputs", "output", "cotangents", "found", "dtype", "device"}


def written(made: TorchFunction) -> str:
    """The function for tensors of all sizes, with its first derivative, and the second unless that is given up."""
    function, level = made.value.function, made.level(made.inputs)
    indices = set(map(str, made.value.flat.index_tensors))
    real = [name for name in made.inputs if name not in indices]
    moved = tuple(name for name in real if made.wrt is None or name in made.wrt)
    ahead = level.ahead(moved)
    first = level.pulled(ahead, moved, level.names)
    if not first.wanted:
        return part(made.value, function).source.exported()
    back, seeds = first.level, tuple(first.given.values())
    value = part(made.value, f"{function}_value")
    forward, backward = part(ahead.made, f"{function}_forward"), part(back.value, f"{function}_backward")
    alone = level.pulled(level.bare, moved, level.names)
    gradients = part(alone.level.alone, f"{function}_gradients")

    outputs, every, kept = (list(map(str, names)) for names in (level.names, ahead.made.outputs, ahead.kept))
    taken = {*TAKEN, function, *(each.function for each in (value, forward, backward, gradients))}
    words: dict[str, str] = {}
    for name in (*made.inputs, *every, *kept, *seeds, *map(str, back.names)):
        words.setdefault(name, identifier(name, taken))
    title = "".join(each.title() for each in function.split("_"))

    def call(name: str, names: Iterable[str]) -> str:
        return f"{name}({', '.join(words[each] for each in names)})"

    def spelled(names: Iterable[str | None]) -> str:
        return tupled(words[name] if name else "None" for name in names)

    def given(names: Iterable[str | None]) -> str:
        return ", ".join(words[name] if name else f"_{k}" for k, name in enumerate(names))

    parts, classes = [value, forward, backward, gradients], [END.format(title=title)]
    slopes = spelled(map(str, back.names))
    if made.double_backward:
        again = tuple(name for name in back.inputs if name in moved or name in seeds)
        more = back.pulled(back.bare, again, back.names)
        for name in (*more.given.values(), *map(str, more.level.names)):
            words.setdefault(name, identifier(name, taken))
        second = part(more.level.value, f"{function}_second")
        parts += [second] if more.wanted else []
        count, cotangents = len(more.level.names), [more.given.get(name) for name in back.names]
        classes.append(
            function_class(
                f"{title}Backward",
                f"The gradients of {function}, and theirs.",
                given(back.given),
                [returned(backward, words)],
                ["ctx.save_for_backward(*inputs)"],
                given(cotangents),
                unpacked(
                    map(words.__getitem__, back.given),
                    "ctx.saved_tensors",
                    [
                        f"found = {second.call(words)}",
                        f"{spelled(map(str, more.level.names))} = {title}End.apply("
                        f"{count}, *found, *ctx.saved_tensors, {', '.join(words[c] for c in cotangents if c)})",
                        f"return {spelled(more.wanted.get(name) for name in back.given)}",
                    ]
                    if more.wanted
                    else [f"return {spelled(None for _ in back.given)}"],
                ),
            )
        )
        slope = [f"{slopes} = {call(f'{title}Backward.apply', back.given)}"]
    else:
        around = f"*ctx.saved_tensors, {', '.join(words[seed] for seed in seeds)}"
        slope = [f"found = {backward.call(words)}", f"{slopes} = {title}End.apply({len(back.names)}, *found, {around})"]
    behind = [name for name in every if name not in outputs]
    results = f"return {spelled(first.wanted.get(name) for name in made.inputs)}"
    cotangents = [first.given.get(name) for name in level.names]
    classes.append(
        function_class(
            title,
            f"The outputs of {function}, what is kept on the way to them, and their gradients.",
            given(made.inputs),
            [returned(forward, words)],
            unpacked(
                map(words.__getitem__, every),
                "output",
                [
                    *([f"ctx.mark_non_differentiable({', '.join(map(words.__getitem__, behind))})"] if behind else []),
                    f"ctx.save_for_backward({', '.join(['*inputs', *map(words.__getitem__, kept)])})",
                ],
            ),
            given(cotangents) + (", *_" if behind else ""),
            unpacked(map(words.__getitem__, (*made.inputs, *kept)), "ctx.saved_tensors", [*slope, results]),
        )
    )
    classes.append(
        function_class(
            f"{title}Compiled",
            "The same for PyTorch's compiler, to which what is kept would be constant.",
            given(made.inputs),
            [returned(value, words)],
            ["ctx.save_for_backward(*inputs)"],
            given(cotangents),
            unpacked(
                map(words.__getitem__, made.inputs),
                "ctx.saved_tensors",
                [
                    "with torch.enable_grad():  # which the compiler turns off",
                    f"    {slopes} = {gradients.call(words)}",
                    results,
                ],
            ),
        )
    )
    single = isinstance(made.outputs, str)
    apart = [words[name] for name in real if name not in moved]
    what = ", ".join(words[name] for name in outputs)
    main = [
        f"def {function}({given(made.inputs)}):",
        f'    """Returns {what}."""' if single else f'    """Returns ({what})."""',
        *value.checks(words),
        *(
            line
            for each in apart
            for line in (f"    if {each}.requires_grad:", f'        raise ValueError("{NONE} {each}")')
        ),
        "    if torch.compiler.is_compiling():",
        f"        return {call(f'{title}Compiled.apply', made.inputs)}{'[0]' if single else ''}",
        f"    return {call(f'{title}.apply', made.inputs)}[{'0' if single else f':{len(outputs)}'}]",
    ]
    return page("torch", parts, ["\n\n\n".join([*classes, "\n".join(main)])])


def returned(part: Part, words: Mapping[str, str]) -> str:
    """The line that returns what a part computes; of what it hands on as it is or twice, a view, as PyTorch asks."""
    (body,) = (
        node for node in ast.parse(part.text).body if isinstance(node, ast.FunctionDef) and node.name == part.function
    )
    results = [node.id for node in ast.walk(body.body[-1]) if isinstance(node, ast.Name)]
    if len({*results, *(argument.arg for argument in body.args.args)}) == len(results) + len(body.args.args):
        return f"return {part.call(words)}"
    return f"return tuple(each.view_as(each) for each in {part.call(words)})"


def unpacked(names: Iterable[str], source: str, lines: list[str]) -> list[str]:
    """Lines below the one that gives their names to some tensors; names that are not used begin with an underscore."""
    text = "\n".join(lines)
    found = [name if re.search(rf"\b{name}\b", text) else f"_{name}" for name in names]
    return [f"{tupled(found)} = {source}", *lines] if not all(name.startswith("_") for name in found) else lines


def function_class(
    name: str, doc: str, given: str, forward: list[str], setup: list[str], cotangents: str, backward: list[str]
) -> str:
    """An ``autograd.Function``: what its functions take, and their lines."""
    functions = {f"forward({given})": forward, "setup_context(ctx, inputs, output)": setup,
                 f"backward(ctx, {cotangents})": backward}  # fmt: skip
    lines = [f"class {name}(torch.autograd.Function):", f'    """{doc}"""', "", "    generate_vmap_rule = True"]
    for signature, body in functions.items():
        lines += ["", "    @staticmethod", f"    def {signature}:", *(f"        {line}" for line in body)]
    return "\n".join(lines)
