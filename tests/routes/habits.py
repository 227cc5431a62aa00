"""What people write, an equation at a time: dense layers, regressions, differences, windows, running sums and so on."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.routes.expressions import COMPUTED, FREE, KINKED, ONE, SMOOTH, ZERO, Expressions, anchored
from tests.routes.tree import (
    Add,
    Delta,
    Ext,
    Fun,
    Index,
    Line,
    Num,
    Pos,
    Pow,
    Prod,
    Quot,
    Red,
    Ref,
    Slot,
    Soft,
    Test,
    Whole,
)


class Habits(Expressions):
    """Each method adds an equation or two, mostly of the tensor that was computed last."""

    def define(
        self, free: tuple[Index, ...], body: Any, where: tuple[tuple[str, str], ...] = (), name: str = ""
    ) -> str:
        """The equation; every free index that nothing anchors gets a tensor that does."""
        stated = {index for index, _ in where}
        missing = [index for index in free if index[0] not in anchored(body) and index[0] not in stated]
        if missing:
            anchors = [self.ref(list(free), index) for index in missing]
            body = Prod((*anchors, body)) if self.chance(0.5) else Add(((1, body), *((1, a) for a in anchors)))
        name = name or self.name(COMPUTED)
        self.lines.append(Line(name, free, body, where))
        self.defined[name] = tuple(dim for _, dim in free)
        return name

    def general(self) -> None:
        free = self.indices([self.dim() for _ in range(self.pick(0, 1, 1, 2, 2))])
        self.define(free, self.expression(self.pick(1, 2, 2, 3), list(free)))

    def dense(self) -> None:
        tensor = self.latest(1, 2)
        dims = self.tensors()[tensor]
        free = self.indices([*dims[:-1], self.dim()])
        bound = self.fresh(dims[-1], list(free))
        weight = self.given((dims[-1], free[-1][1]))
        left, right = self.whole(tensor, [*free[:-1], bound]), self.whole(weight, [bound, free[-1]])
        body: Any = Red("sum", (bound,), Prod((left, right) if self.chance(0.7) else (right, left)), bare=True)
        if self.chance(0.5):
            body = Add(((1, body), (1, self.whole(self.given((free[-1][1],)), free[-1:]))))
        if self.chance(0.3):
            body = Fun(self.pick(*SMOOTH, "relu"), (body,))
        self.define(free, body)

    def regression(self) -> None:
        """``Z[n] = X[n,K] w[K]``."""
        row, column = self.dim(), self.dim()
        free = self.indices([row])
        bound = self.fresh(column, list(free))
        body: Any = Red("sum", (bound,), Prod((self.whole(self.given((row, column)), [*free, bound]),
                                               self.whole(self.given((column,)), [bound]))), bare=True)  # fmt: skip
        if self.chance(0.3):
            body = Add(((1, body), (1, Ref(self.given(())))))
        self.define(free, body)

    def difference(self) -> None:
        """A residual of a fit, in either order, weighted or not."""
        tensor = self.latest(0, 2)
        free = self.indices(self.tensors()[tensor])
        target = self.whole(self.given(self.tensors()[tensor]), free)
        pair = [(1, target), (-1, self.whole(tensor, free))]
        if self.chance(0.4):
            pair = [(1, pair[1][1]), (-1, target)]
        body: Any = Add(tuple(pair))
        if self.chance(0.2):
            body = Prod((self.constant(), body))
        elif self.chance(0.15):
            body = Quot(body, self.positive(1, list(free)))
        self.define(free, body)

    def apply(self) -> None:
        tensor = self.latest(0, 2)
        free = self.indices(self.tensors()[tensor])
        value: Any = self.whole(tensor, free)
        match self.pick("function", "minus", "scaled", "square", "sum", "exp"):
            case "function":
                body: Any = Fun(self.pick(*SMOOTH, *KINKED), (value,))
            case "minus":
                body = Fun(self.pick(*SMOOTH), (Add(((-1, value),)),))
            case "scaled":
                body = Prod((self.pick(self.constant(), Ref(self.given(()))), value))
            case "square":
                body = Pow(value, Fraction(self.pick(2, 2, 3)))
            case "exp":
                body = Fun("exp", (Add(((-1, Pow(value, Fraction(2))),)),))
            case _:
                body = Add(((1, self.expression(1, list(free))), (self.pick(1, -1), value)))
        self.define(free, body)

    def residual(self) -> None:
        """``h + f(h)``."""
        tensor = self.latest(0, 2)
        free = self.indices(self.tensors()[tensor])
        value = self.whole(tensor, free)
        inner: Any = value
        if free and self.chance(0.5):
            bound = self.fresh(free[-1][1], list(free))
            weight = self.whole(self.given((bound[1], bound[1])), [bound, free[-1]])
            inner = Red("sum", (bound,), Prod((self.whole(tensor, [*free[:-1], bound]), weight)), bare=True)
        self.define(free, Add(((1, value), (self.pick(1, 1, -1), Fun(self.pick(*SMOOTH), (inner,))))))

    def normalised(self) -> None:
        """A softmax over two equations, or in one."""
        tensor = self.latest(1, 2)
        dims = self.tensors()[tensor]
        if any(not self.sizes[dim] for dim in dims):
            return
        free = self.indices(dims)
        value = self.whole(tensor, free)
        if self.chance(0.4):
            self.define(free, Soft(free[-1], value))
            return
        powers = self.define(free, Fun(self.pick("exp", "exp", "sigmoid", "softplus"), (value,)))
        bound = self.fresh(free[-1][1], list(free))
        total = Red("sum", (bound,), self.whole(powers, [*free[:-1], bound]))
        self.define(free, Quot(self.whole(powers, free), total))

    def centred(self) -> None:
        """``m = mean[N](x[N])`` and ``c[n] = x[n] - m``, which adds up to zero, scaled or not, and its neighbours."""
        tensor = self.latest(1, 2)
        dims = self.tensors()[tensor]
        if any(not self.sizes[dim] for dim in dims):
            return
        free = self.indices(dims)
        bound = self.fresh(free[-1][1], list(free))
        mean = self.define(free[:-1], Red("mean", (bound,), self.whole(tensor, [*free[:-1], bound])))
        moved = Add(((1, self.whole(tensor, free)), (-1, self.whole(mean, free[:-1]))))
        centred = self.define(free, Quot(moved, self.positive(1, list(free[:-1]))) if self.chance(0.2) else moved)
        if self.sizes[free[-1][1]] > 1 and self.chance(0.6):
            shorter = self.new_dim(self.sizes[free[-1][1]] - 1)
            self.after[shorter] = (free[-1][1], -1)
            (letter, _), *others = self.fresh(free[-1][1], []), *free[:-1]
            rows = tuple(Slot.of(index) for index, _ in others)
            one, other = (Ref(centred, (*rows, Slot.of(letter, constant=k))) for k in (0, 1))
            body = self.pick(
                Prod((one, other)), Prod((Pow(one, Fraction(2)), other)), Fun("sin", (Add(((1, one), (1, other))),))
            )
            self.define(free[:-1], Red(self.pick("sum", "mean"), ((letter, shorter),), body))

    def window(self) -> None:
        """``y[i] = x[2i+R] w[R]``: an extent that the equation determines, or that is stated."""
        self.features.add("window")
        stride, width = self.pick(1, 1, 2), self.pick(1, 2, 3)
        count = self.pick(1, 2, 3)
        slack = self.pick(0, 0, 1) if stride == 2 else 0
        offset = self.pick(0, 0, 0, 1)
        long = stride * (count - 1) + width + slack + offset
        source = self.given((self.new_dim(long),))
        short = self.new_dim(width)
        free = self.indices([self.new_dim(count)])
        bound = self.fresh(short, list(free))
        read = Ref(source, (Slot(((free[0][0], stride), (bound[0], 1)), offset),))
        weight = self.whole(self.given((short,)), [bound])
        where: tuple[tuple[str, str], ...] = ()
        if self.chance(0.5):
            body: Any = Red("sum", (bound,), Prod((read, weight)), bare=False)
        else:
            body = Red(self.pick("max", "mean", "sum"), (bound,), Prod((weight, Fun("sin", (read,)))))
        if self.chance(0.2):
            where = ((free[0][0], str(count)),)
        self.define(free, body, where)

    def shifted(self) -> None:
        """``y[i] = x[i+1]``, ``pad(x[i-1])``, and differences along an axis by padding."""
        self.features.add("shift")
        tensor = self.latest(1, 1)
        dim = self.tensors()[tensor][0]
        size = self.sizes[dim]
        if not size:
            return
        match self.pick("pad", "pad", "valid", "minus", "two", "difference"):
            case "difference" if size > 1:
                shorter = self.new_dim(size - 1)
                self.after[shorter] = (dim, -1)
                free = self.indices([shorter])
                one, other = (Ref(tensor, (Slot.of(free[0][0], constant=k),)) for k in (1, 0))
                self.define(free, self.pick(Add(((1, one), (-1, other))), Prod((one, other))))
            case "two" if size > 2:
                shorter = self.new_dim(size - 2)
                self.after[shorter] = (dim, -2)
                free = self.indices([shorter])
                one, other = (Ref(tensor, (Slot.of(free[0][0], constant=k),)) for k in (1, 2))
                self.define(free, Add(((1, one), (self.pick(1, -1), other))))
            case "valid" if size > 1:
                shorter = self.new_dim(size - 1)
                self.after[shorter] = (dim, -1)
                free = self.indices([shorter])
                body: Any = Ref(tensor, (Slot.of(free[0][0], constant=1),))
                self.define(free, Fun("sin", (body,)) if self.chance(0.4) else Prod((self.constant(), body)))
            case "pad":
                free = self.indices([dim])
                body = Ref(tensor, (Slot.of(free[0][0], constant=self.pick(-1, -2, 1)),), True)
                self.define(free, body, ((free[0][0], f"|{tensor}.0|"),))
            case _:
                free = self.indices([dim])
                back = Ref(tensor, (Slot.of(free[0][0], constant=-1),), True)
                self.define(free, Add(((1, self.whole(tensor, free)), (-1, back))))

    def roughness(self) -> None:
        """``sum[I]((x[I+1] - x[I])^2) + mean[I](sin(x[I+2]))``: sums of several lengths over one letter."""
        self.features.add("window")
        tensor = self.latest(1, 1)
        dim = self.tensors()[tensor][0]
        if self.sizes[dim] < 3:
            return
        letter, _ = self.fresh(dim, [])
        parts = []
        for _ in range(self.pick(2, 2, 3)):
            reach = self.pick(1, 2)
            shorter = self.new_dim(self.sizes[dim] - reach)
            self.after[shorter] = (dim, -reach)
            index = (letter if self.chance(0.8) else self.fresh(dim, [])[0], shorter)
            last, *others = (Ref(tensor, (Slot.of(index[0], constant=k),)) for k in range(reach, -1, -1))
            moved = Add(((1, last), *((self.pick(1, -1), other) for other in others)))
            value: Any = self.pick(Pow(moved, Fraction(2)), Fun("sin", (moved,)), Fun("tanh", (last,)), last)
            parts.append(Red(self.pick("sum", "sum", "mean", "logsumexp", "max"), (index,), value))
        self.define((), self.pick(Add(tuple((1, part) for part in parts)), Prod(tuple(parts))))

    def lagged(self) -> None:
        """``sum[I](e[I] y[I+1])``, where y may be longer than e needs."""
        self.features.add("window")
        tensor = self.latest(1, 1)
        dim = self.tensors()[tensor][0]
        lag = self.pick(1, 1, 2)
        more = lag + self.pick(0, 1)
        long = self.new_dim(self.sizes[dim] + more)
        self.after[long] = (dim, more)
        longer = self.given((long,))
        letter, _ = index = self.fresh(dim, [])
        read = Ref(longer, (Slot.of(letter, constant=lag),))
        body = Prod((self.whole(tensor, [index]), self.pick(read, Fun("sin", (read,)))))
        self.define((), Red("sum", (index,), body))

    def joined(self) -> None:
        """``pad(a[i]) + pad(b[i-|a.0|])``: one vector behind another."""
        self.features.add("window")
        one, other = (self.given((self.new_dim(self.pick(1, 2, 3)),)) for _ in range(2))
        long = self.new_dim(sum(self.sizes[self.inputs[name][0]] for name in (one, other)))
        free = self.indices([long])
        (index, _) = free[0]
        back = Ref(other, (Slot(((index, 1), (Ext(f"{one}.0"), -1))),), True)
        whole = Add(((1, Ref(one, (Slot.of(index),), True)), (1, back)))
        self.define(free, whole, ((index, f"|{one}.0| + |{other}.0|"),))

    def grouped(self) -> None:
        """``x[floor(i/2)]`` and ``x[mod(i,2)]``."""
        self.features.add("window")
        size, divisor = self.pick(1, 2, 3), self.pick(2, 2, 3)
        source = self.given((self.new_dim(size),))
        floors = self.chance(0.5)
        count = size * divisor if floors else self.pick(1, 3, 5)
        free = self.indices([self.new_dim(count)])
        (index, _) = free[0]
        if not floors:
            source = self.given((self.new_dim(divisor),))
        read: Any = Ref(source, (Slot(((Whole("floor" if floors else "mod", index, divisor), 1),)),))
        factor = self.pick(Pos(index) if index != "l" else read, Ref(self.given(())), Fun("sin", (read,)))
        stated = f"{divisor} |{source}.0|" if floors else str(count)
        self.define(free, self.pick(read, Prod((factor, read))), ((index, stated),))

    def masked(self) -> None:
        """A softmax over what a mask leaves, over three equations."""
        dim = self.rng.choice(self.filled())
        free = self.indices([dim, dim])
        (one, _), (other, _) = free
        scores = self.whole(self.square(dim), free)
        powers = self.define(free, Prod((Test(Slot.of(other), "<=", Slot.of(one)), Fun("exp", (scores,)))))
        bound = self.fresh(dim, list(free))
        total = self.define(free[:1], Red("sum", (bound,), self.whole(powers, [free[0], bound])))
        self.define(free, Quot(self.whole(powers, free), self.whole(total, free[:1])))

    def missing(self) -> None:
        """What a mask of data leaves of differences along an axis, or of a row, in units that have names."""
        tensor = self.latest(1, 1)
        (dim,) = dims = self.tensors()[tensor]
        if not self.sizes[dim]:
            return
        self.features.add("shift")
        free = self.indices(dims)
        if self.chance(0.5):
            value = self.whole(tensor, free)
            apart = self.pick(Fun("log", (Add(((1, ONE), (1, Pow(value, Fraction(2))))),)), Pow(value, Fraction(2)))
            tensor = self.define(free, apart)
        value = self.whole(tensor, free)
        beside = Ref(tensor, (Slot.of(free[0][0], constant=self.pick(1, -1)),), True)
        hidden: Any = Add(((1, beside), (-1, value))) if self.chance(0.7) else Prod((beside, value))
        guard = Test(self.whole(self.given(dims), free), ">", ZERO)
        if self.chance(0.3):
            bound = self.fresh(dim, list(free))
            pair = self.whole(self.given((dim, dim)), [*free, bound])
            found = self.define(free, Red("sum", (bound,), Prod((Test(pair, ">", ZERO), self.whole(tensor, [bound])))))
        else:
            found = self.define(free, Prod((guard, hidden)))
        if self.chance(0.5):
            unit = self.define(free, Quot(ONE, self.positive(1, list(free))))
            self.define(free, Prod((self.whole(unit, free), self.whole(found, free))))

    def again(self) -> None:
        """A maximum that is compared with what it was taken from."""
        tensor = self.latest(1, 2)
        dims = self.tensors()[tensor]
        if any(not self.sizes[dim] for dim in dims):
            return
        self.features.add("again")
        free = self.indices(dims)
        bound = self.fresh(free[-1][1], list(free))
        top = self.define(
            free[:-1], Red(self.pick("max", "max", "min"), (bound,), self.whole(tensor, [*free[:-1], bound]))
        )
        value = self.whole(tensor, free)
        if self.chance(0.5):
            body: Any = Add(((1, value), (-1, self.whole(top, free[:-1]))))
            body = Fun("exp", (body,)) if self.chance(0.6) else body
        else:
            body = Prod((Test(value, "==", self.whole(top, free[:-1])), self.pick(value, self.ref(list(free)))))
        self.define(free, body)

    def indicated(self) -> None:
        """``B[i] = 1[x[i] > 0]``: a tensor of zeros and ones, which others read like any tensor."""
        tensor = self.latest(1, 2)
        free = self.indices(self.tensors()[tensor])
        self.features.add("compares")
        value, relation = self.whole(tensor, free), self.pick(">", "<=")
        self.define(free, Test(value, relation, self.pick(Num(Fraction(0)), self.ref(list(free)))))

    def running(self) -> None:
        """``sum[J](1[J <= i] x[J])``."""
        tensor = self.latest(1, 1)
        dim = self.tensors()[tensor][0]
        free = self.indices([dim])
        bound = self.fresh(dim, list(free))
        value: Any = self.whole(tensor, [bound])
        value = Fun(self.pick(*SMOOTH), (value,)) if self.chance(0.5) else value
        relation = self.pick("<=", "<", ">=", "!=")
        body = Red("sum", (bound,), Prod((Test(Slot.of(bound[0]), relation, Slot.of(free[0][0])), value)))
        if self.chance(0.5):
            self.define(free, Prod((self.whole(self.given((dim,)), free), body)))
        else:
            self.define(free, body, ((free[0][0], f"|{tensor}.0|"),))

    def diagonal(self) -> None:
        """``D[i,j] = δ[i,j] x[i]``, ``T = A[I,I]``, ``D[i] = A[i,i]``."""
        dim = self.dim()
        match self.pick("delta", "trace", "diagonal"):
            case "delta":
                free = self.indices([dim, dim])
                (one, _), (other, _) = free
                value = self.ref([free[0]], free[0])
                self.define(
                    free, Prod((Delta(Slot.of(one), Slot.of(other)), value)), ((other, self.extent_of(value, one)),)
                )
            case "trace":
                bound = self.fresh(dim, [])
                self.define((), Red("sum", (bound,), self.whole(self.square(dim), [bound, bound])))
            case _:
                free = self.indices([dim])
                self.define(free, self.whole(self.square(dim), [free[0], free[0]]))

    def square(self, dim: str) -> str:
        known = [name for name, dims in self.tensors().items() if dims == (dim, dim)]
        return self.rng.choice(known) if known else self.given((dim, dim))

    def extent_of(self, ref: Ref, index: str) -> str:
        return f"|{ref.tensor}.{next(k for k, slot in enumerate(ref.slots) if slot.plain == index)}|"

    def sized(self) -> None:
        """An extent that one array alone tells, whose values may never be read."""
        self.features.add("sized")
        tensor = self.latest(0, 1)
        free = self.indices(self.tensors()[tensor])
        dim = self.rng.choice(self.filled())
        teller = self.given((dim,))
        value: Any = self.whole(tensor, free)
        if self.chance(0.5):
            self.define(free, Quot(value, Ext(f"{teller}.0")))
        else:
            more = self.fresh(dim, list(free))
            wide = (*free, (self.rng.choice([n for n in FREE if n not in {f for f, _ in free}]), dim))
            self.define(wide, Fun("sin", (value,)), ((wide[-1][0], f"|{teller}.0|"),))
            del more

    def entries(self) -> None:
        """``e[0]`` in a function."""
        tensor = self.latest(1, 2)
        dims = self.tensors()[tensor]
        if any(not self.sizes[dim] for dim in dims):
            return
        self.features.add("entry")
        one, other = (Ref(tensor, tuple(Slot((), self.rng.randrange(self.sizes[d])) for d in dims)) for _ in range(2))
        match self.pick("exp", "product", "sum"):
            case "exp":
                self.define((), Fun(self.pick(*SMOOTH), (one,)))
            case "product":
                self.define((), Prod((one, Fun("sin", (other,)))))
            case _:
                self.define((), Add(((1, Pow(one, Fraction(2))), (self.pick(1, -1), other))))

    def guarded(self) -> None:
        """``1[I != J] / abs(x[I] - x[J])``, at once or through a name."""
        if not self.guards:
            return
        self.features.add("guard")
        dim = self.rng.choice(self.filled())
        free = self.indices([dim, dim])
        (one, _), (other, _) = free
        x = self.given((dim,))
        gap = Add(((1, self.whole(x, free[:1])), (-1, self.whole(x, free[1:]))))
        inverse = Quot(ONE, self.pick(Fun("abs", (gap,)), Pow(gap, Fraction(2))))
        guard = Test(Slot.of(one), "!=", Slot.of(other))
        if self.chance(0.5):
            bound = (one.upper(), dim), (other.upper(), dim)
            name = self.define(free, inverse)
            slots = tuple(Slot.of(b) for b, _ in bound)
            self.define((), Red("sum", bound, Prod((Test(slots[0], "!=", slots[1]), Ref(name, slots)))))
        else:
            self.define(free, Prod((guard, inverse)))
