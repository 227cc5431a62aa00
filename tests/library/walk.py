"""All that is public, found by reflection: functions, classes, and what their calls and properties answer.

A new public name, method or property is walked without a line here, as long as its arguments have names that `GOOD`
knows; a test says which are missing.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

import einstan as es
from einstan import layers, optimize
from einstan.language import DifferentiationError
from einstan.library.callbacks import Saver
from einstan.library.draw import draw, graph_of
from einstan.library.optimisers import Cosine, Decay
from einstan.library.pictures import rendered
from einstan.library.report_table import table

# Whose objects are walked; those of other modules are what the library is made of.
HELD = ("einstan.library.", "einstan.optimize.", "einstan.machine.run.compiled", "einstan.language.errors")
SHOWN = (*HELD, "einstan.machine.plan.plan")  # and of what they are made is shown
# What an object answers besides its public names.
SPECIAL = """__call__ __getitem__ __len__ __iter__ __contains__ __eq__ __or__ __ror__ __rshift__ __rrshift__ __matmul__
    __rmatmul__ __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __neg__ __array__ __str__ __repr__
    __bool__ __reduce__ _repr_latex_ _repr_html_ _repr_mimebundle_""".split()  # noqa: SIM905
# What one part of the library calls of another, with what that has checked.
INSIDE = {
    "Compiled.as_written", "Compiled.call", "Compiled.called", "Compiled.carefully", "Compiled.entered",
    "Compiled.gather", "Compiled.misread", "Compiled.prepared", "Compiled.specialise", "Compiled.told",
    "Equation.over", "Equation.rebuilt", "FactoredTensor.of_cores", "Function.pulled", "Function.pushed",
    "Objective.function", "Part.add_to", "Part.boxes", "Part.core", "Part.every_size", "Part.numbered",
    "Part.reduced", "Part.renamed", "Part.sizes", "Part.steps", "Part.within", "Part.without", "Program.dim",
    "Program.resolved", "Subscripts.span", "TorchFunction.checks", "TorchFunction.torch",
    *(f"{kind}.{name}" for kind in ("Function", "TorchFunction")
      for name in ("arranged", "compiled", "level", "library", "once", "rest", "twice", "unannounced")),
}  # fmt: skip

TEXT = "Z[n,j] = X[n,K] W[K,j] + b[j]\nL = 1/2 (Z[N,J] - Y[N,J])^2 / |N|"
X, Y = np.ones((4, 3)), np.zeros((4, 2))
PARAMS = {"W": np.ones((3, 2)), "b": np.ones(2)}
DATA = {"X": X, "Y": Y}
ARRAYS = {**PARAMS, **DATA}
READ = {name: ARRAYS[name] for name in "XWb"}  # by the first equation
ROWS = {name: np.ones((5, *array.shape)) for name, array in PARAMS.items()}  # several directions
NET = es.Network(TEXT, parameters={"W": "he", "b": "zeros"})
EQUATION = es.parse("Z[n,j] = X[n,K] W[K,j] + b[j]")
HESSIAN = NET.hessian("L", "b")(ARRAYS)
SGD = es.SGD(0.1)


def ended(state: es.State) -> bool:
    """A callback: however many epochs are asked for, one is enough."""
    return True


# Arguments that are good wherever their name stands, and below those that a single place needs.
GOOD: dict[str, Any] = {
    "source": NET, "loss": "L", "params": PARAMS, "data": DATA, "wrt": "W", "of": "L", "path": "a.dot", "text": TEXT,
    "sizes": {"n": 4, "k": 3, "j": 2}, "directions": {"W": "V"}, "outputs": "Z", "network": NET, "name": "Z",
    "arrays": ARRAYS, "x": np.ones(8), "v": np.ones(8), "vector": np.ones(8), "state": es.State(dict(PARAMS)),
    "names": {"X": "X2"}, "equations": TEXT, "f": layers.dense, "g": layers.softmax, "member": "Z[n,j] = X[n,j]",
    "epochs": 3, "reason": "", "optimiser": SGD, "max_iterations": 2, "progress": False, "equation": EQUATION,
    "problem": "wrong", "what": NET, "graph": graph_of(NET), "form": "svg", "gradient_norm": 1.0, "iterations": 1,
    "converged": True, "other": NET, "key": 0, "value": 0, "epoch": 1, "grads": PARAMS, "matrix": np.ones((5, 8)),
    "window": 2, "shard": {"n": "data"}, "shard_params": {"W": "data"},
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "parse": {"text": str(EQUATION)}, "einsum": {"operands": ("ij,jk->ik", X, np.ones((3, 2)))},
    "function": {"text": "softsign(x) = x / (1 + abs(x))"}, "functions": {"texts": ("silu(x) = x sigmoid(x)",)},
    "compose": {"at": "Z"}, "load": {"path": "a.npz"}, "save": {"path": "b.npz"},
    "Network": {"members": (TEXT,), "parameters": {"W": "he", "b": "zeros"}}, "Report": {"lines": ()},
    "Equation": {"indices": EQUATION.indices, "rhs": EQUATION.rhs},
    "Metric": {"tensors": ("Z", "Y"), "compute": lambda a, b: 0.0}, "accuracy": {"S": "Z", "Y": "Y"},
    "fit": {"epochs": 1, "callbacks": (ended,)}, "alternating": {"blocks": ["W"]}, "table": {"reports": []},
    "root": {"source": es.parse("r[i] = x[i]^2 - a[i]"), "equations": "r", "params": {"x": np.ones(2)},
             "data": {"a": np.ones(2)}},
    "flat_system": {"equations": "L"}, "Flat": {"objective": optimize.Objective(NET, "L", PARAMS, DATA)},
    "FlatSystem": {"equations": ["Z"], "wrt": ["W"]}, "Objective": {"wrt": ["W"]}, "Result": {"loss": 1.0},
    "FlatSystem.fun": {"x": np.ones(6)}, "FlatSystem.jac": {"x": np.ones(6)}, "State.load": {"path": "a.npz"},
    "Saver": {"path": "c.npz"}, "State.save": {"path": "d.npz"},
    "Equation.derivation": {"wrt": "X"}, "Equation.partial": {"wrt": "X"}, "Layer.partial": {"wrt": "X"},
    "Layer.derived": {"wrt": "X"}, "Equation.__call__": {"arrays": READ}, "Equation.loops": {"arrays": READ},
    "Compiled.__call__": {"arrays": READ}, "Function.__call__": {"arrays": (READ,)},
    "TorchFunction.__call__": {"arrays": (READ,)}, "NetworkModule.forward": {"data": DATA},
    "Program.backward": {"wrt": ["W"]}, "Program.derivative": {"wrt": ("W",)},
    "Network.derivative": {"wrt": ("W",)}, "Network.init": {"given": {"X": (4, 3), "Y": (4, 2)}},
    "Network.evaluate": {"data": DATA}, "Network.evaluator": {"names": ("L",)},
    "Evaluator.__call__": {"params": PARAMS, "data": DATA},
    "Derivative.__call__": {"arrays": ARRAYS}, "Derivative.dense": {"arrays": ARRAYS},
    "CompiledDerivative.__call__": {"arrays": ARRAYS}, "CompiledDerivative.dense": {"arrays": ARRAYS},
    "CompiledGradients.__call__": {"arrays": ARRAYS}, "CompiledGradients.dense": {"arrays": ARRAYS},
    "Derivative.jacobian": {"order": "forward"}, "Program.__call__": {"arrays": ARRAYS},
    "Step.__call__": {"params": PARAMS, "state": None, "data": DATA}, "SGD.update": {"state": SGD.init(PARAMS)},
    "Momentum.update": {"state": es.Momentum().init(PARAMS)}, "Adam.update": {"state": es.Adam().init(PARAMS)},
    "FactoredTensor.axis": {"which": 0}, "FactoredTensor.dot": {"other": np.ones(2), "over": (0,)},
    "FactoredTensor.scaled": {"number": 2.0}, "FactoredTensor.solve": {"g": np.ones(2)},
    "FactoredTensor.joined": {"pairs": ((0, 1),)}, "FactoredTensor.sum": {"axes": (0,)},
    "FactoredTensor.transpose": {"order": (1, 0)}, "FactoredTensor.__matmul__": {"other": np.ones(2)},
    "FactoredTensor.__rmatmul__": {"other": np.ones(2)}, "FactoredTensor.__add__": {"other": HESSIAN},
    "FactoredTensor.__radd__": {"other": HESSIAN}, "FactoredTensor.__sub__": {"other": HESSIAN},
    "FactoredTensor.__rsub__": {"other": HESSIAN}, "FactoredTensor.__mul__": {"number": 2},
    "FactoredTensor.__rmul__": {"number": 2}, "FactoredTensor.__truediv__": {"number": 2},
    "FactoredTensor.like": {"parts": HESSIAN.parts}, "FactoredTensor.subscripts": {"part": HESSIAN.parts[0]},
    "Objective.product": {"directions": PARAMS}, "Objective.products": {"directions": ROWS},
    "Objective.gauss_newton_products": {"directions": ROWS, "outputs": ["Z"]}, "Layout.pack_rows": {"arrays": ROWS},
    "Layout.pack": {"arrays": PARAMS}, "Layout.of": {"arrays": PARAMS}, "Plan.size": {"dims": ()},
    "Plan.of": {"made": EQUATION.plan({"n": 4, "k": 3, "j": 2})}, "History.__getitem__": {"column": "loss"},
    "Equation.__rshift__": {"other": layers.relu},

    "Layer.__rshift__": {"other": layers.relu}, "Layer.__rrshift__": {"other": layers.relu},
    "Instance.__rshift__": {"other": layers.relu},

    "Network.__rshift__": {"other": es.parse("M = exp(L)")}, "Plan.plot": {"path": "a.svg"},
    "EinsumFunction.__call__": {"arrays": (X, np.ones((3, 2)))}, "EinsumFunction.with_axes": {"ranks": (2, 2)},
    "EinsumFunction.source": {"arrays": (X, np.ones((3, 2)))},
    "Gradients.__getitem__": {"operand": 0}, "per_example.Gradients.__call__": {"arrays": ARRAYS},
    "Gradients.__call__": {"arrays": (X, np.ones((3, 2))), "cotangent": np.ones((4, 2)), "wrt": 0},
    "Layout.unpack": {"vector": np.ones(6)}, "Layout.unpack_rows": {"matrix": np.ones((5, 6))},
}  # fmt: skip
KEYWORDS = ("X", "b", "wrt", "optimize", "letter", "sizes", "kinks", "order", "fast", "dtype", "outputs", "x\0")


@dataclass(frozen=True)
class Place:
    """What can be called, with arguments with which it works."""

    name: str
    call: Callable[..., Any]
    positional: tuple[Any, ...]
    named: dict[str, Any]
    unknown: tuple[str, ...]  # arguments that must be given and of which nobody has said what is good

    def with_wrong(self, make: Callable[[], Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Calls with something wrong in the place of every argument, and in all places at once."""
        parameters = list(inspect.signature(self.call).parameters.values())
        for at, p in enumerate(parameters):
            if p.kind is p.VAR_KEYWORD:
                for key in KEYWORDS:
                    yield f"{self.name}({key}=)", partial(self._keyword, key, make)
            elif p.kind is p.VAR_POSITIONAL:
                yield f"{self.name}(*{p.name})", partial(self._position, len(self.positional), make)
            elif p.kind is p.POSITIONAL_ONLY or at < len(self.positional):
                yield f"{self.name}({p.name})", partial(self._position, at, make)
            else:
                yield f"{self.name}({p.name})", partial(self._keyword, p.name, make)
        needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        yield f"{self.name}(all)", lambda: self.call(**{p.name: make() for p in needed})

    def _keyword(self, name: str, make: Callable[[], Any]) -> Any:
        return self.call(*self.positional, **{**self.named, name: make()})

    def _position(self, at: int, make: Callable[[], Any]) -> Any:
        return self.call(*self.positional[:at], make(), *self.positional[at + 1 :], **self.named)

    def good(self) -> Any:
        return self.call(*self.positional, **self.named)


def place(name: str, call: Callable[..., Any]) -> Place:
    own = OWN.get(name, {})
    positional: list[Any] = []
    named: dict[str, Any] = {}
    unknown = []
    parameters = inspect.signature(call).parameters.values()
    starred = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            positional += own.get(p.name, ())
        elif p.kind is p.VAR_KEYWORD:
            named |= own.get(p.name, {})
        elif p.name in own or (p.name in GOOD and (p.default is p.empty or p.name == "data")):
            value = own[p.name] if p.name in own else GOOD[p.name]
            if p.kind is p.POSITIONAL_ONLY or (starred and p.kind is p.POSITIONAL_OR_KEYWORD):
                positional.append(value)
            else:
                named[p.name] = value
        elif p.default is p.empty:
            unknown.append(p.name)
    return Place(name, call, tuple(positional), named, tuple(unknown))


def roots() -> dict[str, Any]:
    """The public names, and those that the documentation imports."""
    found = {name: getattr(module, name) for module in (es, optimize) for name in module.__all__}
    found |= {name: getattr(layers, name) for name in layers.__all__}
    others = (Saver, Cosine, Decay, draw, graph_of, rendered, table, DifferentiationError)
    return found | {each.__name__: each for each in others}


def given_by_hand() -> list[Any]:
    """Objects of which the good calls do not answer one that is worth walking."""
    step = NET.value_and_grad("L")
    report = es.check(f"{TEXT}\nclaim dL/dW[p,q] = 3 X[N,p]")
    return [
        EQUATION, EQUATION.compile(), EQUATION.derivation("X"), NET, NET.program, NET.backward("L"), step, HESSIAN,
        step.compile(), step.compile(update=SGD), NET.hessian("L", "b").compile(), es.State(dict(PARAMS)), SGD,
        es.Adam(), es.Momentum(), layers.dense, layers.dense("H"), *report.claims, report.claims[0].outcome, report,
        NET.per_example("L").gradients("W").compile(), es.fit(NET, "L", DATA, epochs=1), Saver("e.npz"),
        optimize.newton(NET, "L", PARAMS, DATA, max_iterations=1), es.einsum("ij,jk->ik"),
    ]  # fmt: skip


def used(text: str, name: str) -> bool:
    """Whether a line of an example has ``.name``."""
    return re.search(rf"^ *(>>>|\.\.\.).*\.{name}\b", text, re.MULTILINE) is not None


class Walk:
    """What is public: `places` to call, and `properties` to read."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.properties: dict[str, Callable[[], Any]] = {}
        self.objects: dict[type, Any] = {}
        self.errors: dict[str, Exception] = {}  # of what should be good
        self._todo: list[type] = []
        es.save("a.npz", PARAMS)
        for value in given_by_hand():
            self._seen(value)
        for name, value in roots().items():
            if inspect.isclass(value) or inspect.isfunction(value):
                self._called(name, value)
            elif name != "__version__":
                self._seen(value)
                if name in layers.__all__:
                    self.places[f"{name}()"] = place(f"{name}()", value)
        while self._todo:
            self._walked(self._todo.pop())

    def _seen(self, value: Any) -> None:
        for each in list(value)[:3] if isinstance(value, tuple | list) else [value]:
            kind = type(each)
            if kind.__module__.startswith(HELD) and kind not in self.objects:
                self.objects[kind] = each
                self._todo.append(kind)

    def _title(self, kind: type) -> str:
        """The name of a class, with its module where another has the same."""
        first = next(other for other in self.objects if other.__name__ == kind.__name__)
        return kind.__name__ if first is kind else f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"

    def _called(self, name: str, call: Callable[..., Any]) -> None:
        if name in INSIDE:
            return
        found = self.places[name] = place(name, call)
        if found.unknown:
            return
        try:
            self._seen(found.good())
        except Exception as error:
            self.errors[name] = error

    def _walked(self, kind: type) -> None:
        value = self.objects[kind]
        for attribute in dir(kind):
            if attribute.startswith("_") and attribute not in SPECIAL:
                continue
            owner = next(cls for cls in kind.__mro__ if attribute in vars(cls))
            if not owner.__module__.startswith("einstan"):
                continue
            held, name = vars(owner)[attribute], f"{self._title(kind)}.{attribute}"
            if inspect.isfunction(held) or isinstance(held, classmethod | staticmethod):
                self._called(name, getattr(value, attribute))
            elif isinstance(held, property) or hasattr(held, "func"):
                self.properties[name] = partial(getattr, value, attribute)
                try:
                    self._seen(getattr(value, attribute))
                except Exception as error:
                    self.errors[name] = error
        for name, part in getattr(value, "__dict__", {}).items():
            if not name.startswith("_"):
                self._seen(part)

    def examples(self) -> Iterator[tuple[str, bool]]:
        """Every public name, and whether an example shows it: in its own docstring, or of what belongs to a class in
        the docstring of the class."""
        for name, value in roots().items():
            if name != "__version__":
                own = inspect.isclass(value) or inspect.isroutine(value)
                text = inspect.getdoc(value if own else import_module(f"einstan.layers.{name}"))
                yield name, ">>>" in (text or "")
        for kind in self.objects:
            bases = [cls for cls in kind.__mro__ if cls.__module__.startswith(SHOWN)]
            texts = "\n".join(inspect.cleandoc(cls.__dict__.get("__doc__") or "") for cls in bases)
            yield self._title(kind), ">>>" in texts
            for name in dict.fromkeys(name for cls in bases for name in vars(cls) if not name.startswith("_")):
                held, title = inspect.getattr_static(kind, name), f"{self._title(kind)}.{name}"
                called = inspect.isroutine(held) or isinstance(held, classmethod | staticmethod)
                if title not in INSIDE and (called or isinstance(held, property) or hasattr(held, "func")):
                    yield title, ">>>" in (inspect.getdoc(getattr(kind, name)) or "") or used(texts, name)
