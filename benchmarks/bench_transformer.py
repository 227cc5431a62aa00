"""How fast is a GPT block beside the frameworks: the loss and the gradients of all parameters, float32?

Token and position embedding, pre-norm causal attention with several heads, a feed-forward layer with GELU, an untied
head and cross-entropy, written as index equations; beside PyTorch eager (its own layer norm and scaled dot-product
attention), ``torch.compile`` and jitted JAX; and as functions of PyTorch's tensors.  With ``--device cuda`` those that
have tensors run on a GPU, and NumPy does not.  Before anything is timed the loss is compared with NumPy by hand in
float64, and the gradients with its differences along random directions.  Contenders run in processes of their own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import common
import workers
from contest import FAST, OURS, Beside, Case

VOCABULARY = 256
EPSILON = 1e-5
VALUE, SLOPE = 1e-5, 2e-3  # how far a loss and a directional derivative in float32 may be off, relatively
TENSORS, TORCH, COMPILED, JAX = "einstan, PyTorch", "PyTorch eager", "torch.compile", "JAX, jitted"
ON_CUDA = (TENSORS, TORCH, COMPILED)
Arrays = dict[str, Any]
Call = Callable[[], Any]


@dataclass(frozen=True)
class Size:
    batch: int
    length: int
    width: int
    heads: int
    blocks: int

    def __str__(self) -> str:
        return f"B{self.batch} T{self.length} E{self.width} H{self.heads} N{self.blocks}"


SIZES = (Size(4, 32, 64, 4, 1), Size(8, 64, 128, 4, 2), Size(8, 128, 256, 8, 2))

BLOCK = """
m{k}[b,t] = mean[E](h{k}[b,t,E])
r{k}[b,t] = 1 / sqrt(mean[E]((h{k}[b,t,E] - m{k}[b,t])^2) + 1/100000)
n{k}[b,t,e] = g{k}[e] (h{k}[b,t,e] - m{k}[b,t]) r{k}[b,t] + c{k}[e]
q{k}[b,h,t,d] = n{k}[b,t,E] Wq{k}[E,h,d]
k{k}[b,h,t,d] = n{k}[b,t,E] Wk{k}[E,h,d]
v{k}[b,h,t,d] = n{k}[b,t,E] Wv{k}[E,h,d]
S{k}[b,h,t,s] = q{k}[b,h,t,D] k{k}[b,h,s,D] / sqrt(|D|)
A{k}[b,h,t,s] = 1[s <= t] exp(S{k}[b,h,t,s]) / sum[S](1[S <= t] exp(S{k}[b,h,t,S]))
o{k}[b,t,h,d] = A{k}[b,h,t,S] v{k}[b,h,S,d]
x{k}[b,t,e] = h{k}[b,t,e] + o{k}[b,t,H,D] Wo{k}[H,D,e]
M{k}[b,t] = mean[E](x{k}[b,t,E])
R{k}[b,t] = 1 / sqrt(mean[E]((x{k}[b,t,E] - M{k}[b,t])^2) + 1/100000)
y{k}[b,t,e] = G{k}[e] (x{k}[b,t,e] - M{k}[b,t]) R{k}[b,t] + C{k}[e]
u{k}[b,t,f] = y{k}[b,t,E] V{k}[E,f] + p{k}[f]
a{k}[b,t,f] = u{k}[b,t,f] (1 + erf(u{k}[b,t,f] / sqrt(2))) / 2
h{next}[b,t,e] = x{k}[b,t,e] + a{k}[b,t,F] U{k}[F,e] + s{k}[e]
"""
HEAD = """
m[b,t] = mean[E](h{k}[b,t,E])
r[b,t] = 1 / sqrt(mean[E]((h{k}[b,t,E] - m[b,t])^2) + 1/100000)
n[b,t,e] = g[e] (h{k}[b,t,e] - m[b,t]) r[b,t] + c[e]
Z[b,t,v] = n[b,t,E] W[E,v]
L = sum[B,T](logsumexp[V](Z[B,T,V]) - Z[B,T,Y[B,T]]) / (|B| |T|)
"""


def text(size: Size) -> str:
    blocks = [BLOCK.format(k=k, next=k + 1) for k in range(size.blocks)]
    return "\n".join(["h0[b,t,e] = Tok[X[b,t],e] + Pos[t,e]", *blocks, HEAD.format(k=size.blocks)])


def data(size: Size, dtype: str) -> tuple[Arrays, Arrays]:
    """The parameters, and the tokens with those that follow them."""
    import numpy as np

    rng = np.random.default_rng(0)
    E, H, F = size.width, size.heads, 4 * size.width
    shapes: dict[str, tuple[int, ...]] = {"Tok": (VOCABULARY, E), "Pos": (size.length, E), "W": (E, VOCABULARY)}
    shapes |= {"g": (E,), "c": (E,)}
    for k in range(size.blocks):
        shapes |= {f"{name}{k}": (E,) for name in "gcGCs"} | {f"p{k}": (F,)}
        shapes |= {f"W{name}{k}": (E, H, E // H) for name in "qkv"} | {f"Wo{k}": (H, E // H, E)}
        shapes |= {f"V{k}": (E, F), f"U{k}": (F, E)}
    params = {name: (rng.normal(size=shape) * 0.1 + (name[0] in "gG")).astype(dtype) for name, shape in shapes.items()}
    tokens = rng.integers(0, VOCABULARY, (2, size.batch, size.length))
    return params, {"X": tokens[0], "Y": tokens[1]}


def by_hand(size: Size, params: Arrays, tokens: Arrays) -> float:
    """The loss, as a person writes it in NumPy."""
    import numpy as np
    from scipy.special import erf

    def norm(h: Any, g: Any, c: Any) -> Any:
        return g * (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + EPSILON) + c

    p = params
    h = p["Tok"][tokens["X"]] + p["Pos"]
    for k in range(size.blocks):
        n = norm(h, p[f"g{k}"], p[f"c{k}"])
        q, w, v = (np.einsum("bte,ehd->bhtd", n, p[f"W{name}{k}"]) for name in "qkv")
        S = np.einsum("bhtd,bhsd->bhts", q, w) / np.sqrt(q.shape[-1])
        S = np.where(np.tri(size.length, dtype=bool), S, -np.inf)
        A = np.exp(S - S.max(-1, keepdims=True))
        A /= A.sum(-1, keepdims=True)
        x = h + np.einsum("bhts,bhsd,hde->bte", A, v, p[f"Wo{k}"], optimize=True)
        u = norm(x, p[f"G{k}"], p[f"C{k}"]) @ p[f"V{k}"] + p[f"p{k}"]
        h = x + (u * (1 + erf(u / np.sqrt(2))) / 2) @ p[f"U{k}"] + p[f"s{k}"]
    Z = norm(h, p["g"], p["c"]) @ p["W"]
    top = Z.max(-1)
    total = np.log(np.exp(Z - top[..., None]).sum(-1)) + top
    return float((total - np.take_along_axis(Z, tokens["Y"][..., None], -1)[..., 0]).mean())


# ---- contenders ------------------------------------------------------------------------------------------------------


def ours(size: Size, params: Arrays, tokens: Arrays, fast: bool = False) -> Call:
    import einstan as es

    network = es.Network(text(size), parameters=dict.fromkeys(params, "zeros"))
    step = network.value_and_grad("L").compile(fast=fast)
    return lambda: step(params, **tokens)


def ours_fast(size: Size, params: Arrays, tokens: Arrays) -> Call:
    return ours(size, params, tokens, fast=True)


def ours_on_tensors(size: Size, params: Arrays, tokens: Arrays, device: str = "cpu") -> Call:
    import einstan as es

    torch = common.torch()
    network = es.Network(text(size), parameters=dict.fromkeys(params, "zeros"))
    step = network.value_and_grad("L").compile(backend="torch")
    given, data = ({n: torch.tensor(a, device=device) for n, a in each.items()} for each in (params, tokens))
    return waited(lambda: step(given, **data), device)


def waited(call: Call, device: str) -> Call:
    """A call that ends when a GPU has done what it is asked for."""
    if device == "cpu":
        return call
    torch = common.torch()

    def run() -> Any:
        found = call()
        torch.cuda.synchronize()
        return found

    return run


def by_torch(size: Size, params: Arrays, tokens: Arrays, compiled: bool = False, device: str = "cpu") -> Call:
    torch = common.torch()
    F = torch.nn.functional
    p = {name: torch.tensor(array, requires_grad=True, device=device) for name, array in params.items()}
    X, Y = (torch.tensor(tokens[name], device=device) for name in "XY")

    def loss(p: Arrays) -> Any:
        h = p["Tok"][X] + p["Pos"]
        for k in range(size.blocks):
            n = F.layer_norm(h, h.shape[-1:], p[f"g{k}"], p[f"c{k}"], EPSILON)
            q, w, v = (torch.einsum("bte,ehd->bhtd", n, p[f"W{name}{k}"]) for name in "qkv")
            o = F.scaled_dot_product_attention(q, w, v, is_causal=True)
            x = h + torch.einsum("bhtd,hde->bte", o, p[f"Wo{k}"])
            u = F.layer_norm(x, x.shape[-1:], p[f"G{k}"], p[f"C{k}"], EPSILON) @ p[f"V{k}"] + p[f"p{k}"]
            h = x + F.gelu(u) @ p[f"U{k}"] + p[f"s{k}"]
        Z = F.layer_norm(h, h.shape[-1:], p["g"], p["c"], EPSILON) @ p["W"]
        return F.cross_entropy(Z.reshape(-1, VOCABULARY), Y.reshape(-1))

    forward = torch.compile(loss) if compiled else loss

    def run() -> tuple[Any, Arrays]:
        value = forward(p)
        return value.detach(), dict(zip(p, torch.autograd.grad(value, list(p.values())), strict=True))

    return waited(run, device)


def by_compiled_torch(size: Size, params: Arrays, tokens: Arrays, device: str = "cpu") -> Call:
    return by_torch(size, params, tokens, True, device)


def by_jax(size: Size, params: Arrays, tokens: Arrays) -> Call:
    jax = common.jax()
    jnp = jax.numpy
    p = {name: jnp.asarray(array) for name, array in params.items()}
    X, Y = (jnp.asarray(tokens[name]) for name in "XY")
    mask = jnp.tril(jnp.ones((size.length, size.length), bool))

    def norm(h: Any, g: Any, c: Any) -> Any:
        return g * (h - h.mean(-1, keepdims=True)) * jax.lax.rsqrt(h.var(-1, keepdims=True) + EPSILON) + c

    def loss(p: Arrays) -> Any:
        h = p["Tok"][X] + p["Pos"]
        for k in range(size.blocks):
            n = norm(h, p[f"g{k}"], p[f"c{k}"])
            q, w, v = (jnp.einsum("bte,ehd->bhtd", n, p[f"W{name}{k}"]) for name in "qkv")
            S = jnp.einsum("bhtd,bhsd->bhts", q, w) / q.shape[-1] ** 0.5
            A = jax.nn.softmax(jnp.where(mask, S, -jnp.inf))
            x = h + jnp.einsum("bhts,bhsd,hde->bte", A, v, p[f"Wo{k}"])
            u = norm(x, p[f"G{k}"], p[f"C{k}"]) @ p[f"V{k}"] + p[f"p{k}"]
            h = x + jax.nn.gelu(u, approximate=False) @ p[f"U{k}"] + p[f"s{k}"]
        Z = norm(h, p["g"], p["c"]) @ p["W"]
        return -jnp.take_along_axis(jax.nn.log_softmax(Z), Y[..., None], -1).mean()

    both = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(both(p))


MAKERS: dict[str, Callable[..., Call]] = {
    OURS: ours,
    FAST: ours_fast,
    TENSORS: ours_on_tensors,
    TORCH: by_torch,
    COMPILED: by_compiled_torch,
    JAX: by_jax,
}


def refuse_without_cuda() -> None:
    """Ends the script with the reason where PyTorch has no GPU."""
    if not common.installed("torch"):
        sys.exit("--device cuda needs PyTorch: pip install 'einstan[torch]'")
    if not common.torch().cuda.is_available():
        sys.exit("--device cuda needs a GPU that PyTorch can use, and there is none here: leave the option out")


class Transformer(Beside):
    needs = {FAST: "numba", **dict.fromkeys(ON_CUDA, "torch"), JAX: "jax"}  # noqa: RUF012
    ours = (OURS, FAST, TENSORS)
    columns = (*Beside.columns, "with PyTorch over it")
    turn, rounds = 0.05, 30

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where PyTorch's tensors are")
        parser.add_argument("--sizes", type=int, default=len(SIZES), metavar="N", help="the N smallest sizes alone")

    def cases(self) -> Sequence[Case]:
        count = 1 if self.options.quick else self.options.sizes
        if self.options.device == "cuda":
            refuse_without_cuda()
            about = [f"{size}, float32, on a GPU" for size in SIZES[:count]]
            return [Case(name, {"number": k, "device": "cuda"}, list(ON_CUDA)) for k, name in enumerate(about)]
        names = [name for name in self.available(MAKERS) if not (self.options.quick and name in (FAST, COMPILED))]
        return [Case(f"{size}, float32", {"number": k}, names) for k, size in enumerate(SIZES[:count])]

    def make(self, name: str, request: Mapping[str, Any]) -> workers.Made:
        import numpy as np

        size = SIZES[request["number"]]
        params, tokens = data(size, "float32")
        device = {"device": request["device"]} if "device" in request else {}
        call = MAKERS[name](size, params, tokens, **device)
        value, gradients = call()
        if device:
            value, gradients = value.cpu(), {key: gradient.cpu() for key, gradient in gradients.items()}
        exact = {key: array.astype(np.float64) for key, array in params.items()}
        largest = common.check(name, "L", np.asarray(value), np.asarray(by_hand(size, exact, tokens)), VALUE)
        rng, step = np.random.default_rng(1), 1e-5
        for _ in range(3):
            along = {key: rng.normal(size=array.shape) for key, array in exact.items()}
            ends = [by_hand(size, {k: a + s * step * along[k] for k, a in exact.items()}, tokens) for s in (1, -1)]
            slope = sum(np.vdot(np.asarray(gradients[key], dtype=np.float64), along[key]) for key in along)
            expected = np.asarray((ends[0] - ends[1]) / (2 * step))
            largest = max(largest, common.check(name, "a derivative of L", np.asarray(slope), expected, SLOPE))
        return call, largest


if __name__ == "__main__":
    common.main_guard(Transformer(__file__, __doc__).run)
