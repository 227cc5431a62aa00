"""What kernels stand for, as it may be written, and what looks nearly like it."""

import einstan as es

NORM = """
    m[n] = mean[J](X[n,J])
    {0}
    Y[n,j] = {1}
    L = sum[N,J](Y[N,J]^3 T[N,J])"""
ATTENTION = """
    Q[b,h,t,e] = X[b,t,D] W[D,h,e]
    K[b,h,t,e] = X[b,t,D] U[D,h,e]
    V[b,h,t,e] = X[b,t,D] M[D,h,e]
    {0}
    O[b,h,t,e] = P[b,h,t,S] V[b,h,S,e]
    L = sum[B,H,T,E](O[B,H,T,E]^2 G[B,H,T,E])"""
ROW = "    L = sum[N,J](Y[N,J]^2 T[N,J])"
# What is written, what PyTorch is asked for, and how: each with its gradient by the tensors that it reads.
ROWS = {
    "softmax": ("Y[n,j] = exp(X[n,j]) / sum[K](exp(X[n,K]))\n" + ROW, ["torch.softmax", "softmax_backward"]),
    "softmax along the first axis": ("Y[n,j] = softmax[n](X[n,j])\n" + ROW, ["torch.softmax", "softmax_backward"]),
    "log softmax": ("Y[n,j] = log(softmax[j](X[n,j]))\n" + ROW, ["torch.log_softmax"]),
    "logsumexp": ("L = sum[N](T[N] logsumexp[J](X[N,J]))", ["torch.logsumexp"]),
    "cross-entropy of labels": (
        "L = 1/|N| sum[N](logsumexp[C](X[N,C]) - X[N,labels[N]])", ["torch.logsumexp", "labelled("],
    ),
    "gelu": ("Y[n,j] = 1/2 X[n,j] (1 + erf(X[n,j] / sqrt(2)))\n" + ROW, ["functional.gelu", "gelu_backward"]),
    "gelu, otherwise": ("Y[n,j] = X[n,j] - X[n,j] erfc(X[n,j] / sqrt(2)) / 2\n" + ROW, []),
    "gelu by tanh": (
        "Y[n,j] = 1/2 X[n,j] (1 + tanh(sqrt(2/pi) (X[n,j] + 0.044715 X[n,j]^3)))\n" + ROW,
        ['gelu(X, approximate="tanh")', 'X, "tanh", plain)'],
    ),
    "relu": ("L = sum[N,J](relu(X[N,J]) T[N,J])", ["relu_backward("]),
    "relu with a mask": ("Y[n,j] = 1[X[n,j] > 0] X[n,j]^2\n" + ROW, []),
    "silu": ("Y[n,j] = X[n,j] / (1 + exp(-X[n,j]))\n" + ROW, ["functional.silu", "silu_backward"]),
    "layer norm, a divisor": (
        NORM.format("s[n] = sqrt(mean[J]((X[n,J] - m[n])^2) + 1e-5)", "g[j] (X[n,j] - m[n]) / s[n] + b[j]"),
        ["layer_norm(X, g, b, 1e-05, plain)", "layer_norm_backward("],
    ),
    "layer norm, a factor": (
        NORM.format("r[n] = 1 / sqrt(mean[J]((X[n,J] - m[n])^2) + 0.01)", "b[j] + (X[n,j] - m[n]) r[n] g[j]"),
        ["layer_norm(X, g, b, 0.01, plain)", "layer_norm_backward("],
    ),
    "layer norm in steps": (
        NORM.format(
            "v[n] = mean[J]((X[n,J] - m[n])^2)\nH[n,j] = (X[n,j] - m[n]) / sqrt(v[n] + 1e-5)", "g[j] H[n,j] + b[j]"
        ),
        ["layer_norm(X, g, b, 1e-05, plain)"],
    ),
    "layer norm without a gain": (
        NORM.format("s[n] = sqrt(mean[J]((X[n,J] - m[n])^2) + 1e-5)", "(X[n,j] - m[n]) / s[n]"),
        ["layer_norm(X, None, None, 1e-05, plain)", "layer_norm_backward("],
    ),
    "layer norm of a residual": (
        NORM.format("s[n] = sqrt(mean[J]((X[n,J] - m[n])^2) + 1e-5)", "X[n,j] + g[j] (X[n,j] - m[n]) / s[n]"),
        ["layer_norm_backward("],
    ),
    "attention": (
        ATTENTION.format("P[b,h,t,s] = softmax[s](Q[b,h,t,E] K[b,h,s,E] / sqrt(|E|))"),
        ["attention(", ", False, ", "attention_backward("],
    ),
    "attention, causal by a logarithm": (
        ATTENTION.format("P[b,h,t,s] = softmax[s](Q[b,h,t,E] K[b,h,s,E] / sqrt(|E|) + log(1[s <= t]))"),
        ["attention(", ", True, ", "attention_backward("],
    ),
    "attention of one head, to more places": (
        "P[q,k] = softmax[k](Q[q,E] M[k,E] + log(1[k <= q]))\n"
        "O[q,d] = P[q,K] V[K,d]\n"
        "L = sum[I,D](O[I,D]^2 G[I,D])",
        ["attention(", ", True, ", "attention_backward("],
    ),
    "attention, causal by brackets": (
        ATTENTION.format(
            "C[b,h,t,s] = Q[b,h,t,E] K[b,h,s,E]\n"
            "P[b,h,t,s] = 1[t >= s] exp(C[b,h,t,s]) / sum[S](1[t >= S] exp(C[b,h,t,S]))"
        ),
        ["attention(", ", True, ", "attention_backward("],
    ),
}  # fmt: skip
# What looks nearly like it, and what no kernel may stand for.
OTHERS = {
    "no mean is taken away": NORM.format("s[n] = sqrt(mean[J](X[n,J]^2) + 1e-5)", "g[j] (X[n,j] - m[n]) / s[n] + b[j]"),
    "divided by less": NORM.format(
        "s[n] = sqrt(sum[J]((X[n,J] - m[n])^2) / (|J| - 1) + 1e-5)", "g[j] (X[n,j] - m[n]) / s[n] + b[j]"
    ),
    "another gelu": "Y[n,j] = 1/2 X[n,j] (1 + tanh(sqrt(2/pi) (X[n,j] + 0.0447 X[n,j]^3)))\n" + ROW,
    "attention that looks behind itself alone": ATTENTION.format(
        "P[b,h,t,s] = softmax[s](Q[b,h,t,E] K[b,h,s,E] / sqrt(|E|) + log(1[s <= t + 1]))"
    ),
    "attention to what is later": ATTENTION.format(
        "P[b,h,t,s] = softmax[s](Q[b,h,t,E] K[b,h,s,E] / sqrt(|E|) + log(1[s >= t]))"
    ),
}


def derived(text):
    program = es.Program("\n".join(line.strip() for line in text.splitlines()))
    wrt = [name for name in program.inputs if str(name) not in ("T", "G", "labels")]
    lines = dict.fromkeys((*program.equations, *program.backward("L", wrt).equations))
    return es.Program(tuple(lines)), ["L", *(f"d{name}" for name in wrt)]
