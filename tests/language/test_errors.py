"""Errors, exactly: what is wrong, where, what was inferred, and a repair.  Every repair of a whole equation parses."""

from __future__ import annotations

import pickle

import pytest

import einstan.language as language
from einstan.language import EinstanError, parse

ROWS = [
    (
        "Z[n,j = X[n,j]",
        "NotationError",
        """
the bracket [ is not closed
  Z[n,j = X[n,j]
   ^""",
    ),
    (
        "Z[n] = X[n,j]",
        "ScopeError",
        """
the index j is free on the right but is not on the left
  Z[n] = X[n,j]
             ^
  inferred: the left side has n; a capital is summed
  repair:   Z[n] = X[n,J]""",
    ),
    (
        "Z[n] = (X[n]",
        "NotationError",
        """
the bracket ( is not closed
  Z[n] = (X[n]
         ^""",
    ),
    (
        "Z[n] = X[n])",
        "NotationError",
        """
the bracket ) was never opened
  Z[n] = X[n])
             ^""",
    ),
    (
        "Z[n,j] = X[n,k] W[k,j]",
        "ScopeError",
        """
the index k is free on the right but is not on the left
  Z[n,j] = X[n,k] W[k,j]
               ^
  inferred: the left side has n, j; a capital is summed
  repair:   Z[n,j] = X[n,K] W[K,j]""",
    ),
    (
        "L = log(P[N])",
        "ScopeError",
        """
the sum over N may stand inside or outside
  L = log(P[N])
          ^^^^
  inferred: N occurs once, inside a function or a power
  repair:   L = sum[N](log(P[N]))
            L = log(sum[N](P[N]))""",
    ),
    (
        "L = 2 - log(P[N])^2",
        "ScopeError",
        """
the sum over N may stand inside or outside
  L = 2 - log(P[N])^2
              ^^^^
  inferred: N occurs once, inside a function or a power
  repair:   L = 2 - sum[N](log(P[N])^2)
            L = 2 - log(sum[N](P[N]))^2""",
    ),
    (
        "Z[i] = a[i] / b[i] c[i]",
        "NotationError",
        """
a / b c has two readings
  Z[i] = a[i] / b[i] c[i]
         ^^^^^^^^^^^^^^^^
  repair:   Z[i] = a[i] / (b[i] c[i])
            Z[i] = (a[i] / b[i]) c[i]""",
    ),
    (
        "Z[i] = A[i] + A[i,J]",
        "ScopeError",
        """
A has 2 slots here and 1 slot elsewhere in the equation
  Z[i] = A[i] + A[i,J]
                ^^^^^^""",
    ),
    (
        "Z[i] = sum[K](A[i,K] sum[K](B[K]))",
        "ScopeError",
        """
the index K is bound again inside its own scope
  Z[i] = sum[K](A[i,K] sum[K](B[K]))
                           ^
  repair:   Z[i] = sum[K](A[i,K] sum[K2](B[K2]))""",
    ),
    (
        "D[I] = A[I,I]",
        "ScopeError",
        """
the capital I is summed and cannot stand on the left
  D[I] = A[I,I]
    ^
  repair:   D[i] = A[i,i]""",
    ),
    (
        "D[i,i] = x[i]",
        "ScopeError",
        """
the index i stands twice on the left
  D[i,i] = x[i]
      ^
  repair:   D[i,j] = δ[i,j] x[i]""",
    ),
    (
        "Z[i] = rleu(x[i])",
        "NotationError",
        """
rleu is not a function
  Z[i] = rleu(x[i])
         ^^^^
  repair:   did you mean relu?
            a product is written with a blank: rleu (...)""",
    ),
    (
        "Z[i] = b(x[i] + 1)",
        "NotationError",
        """
b is not a function
  Z[i] = b(x[i] + 1)
         ^
  repair:   did you mean abs?
            a product is written with a blank: b (...)""",
    ),
    (
        "Z[i] = X[i,]",
        "NotationError",
        """
a slot is empty
  Z[i] = X[i,]
          ^^^^
  repair:   a scalar is written without brackets: L""",
    ),
    (
        "L[] = x",
        "NotationError",
        """
a slot is empty
  L[] = x
   ^^
  repair:   a scalar is written without brackets: L""",
    ),
    (
        "Z[i] = x[i] $ 2",
        "NotationError",
        """
the character '$' is not part of the notation
  Z[i] = x[i] $ 2
              ^""",
    ),
    (
        "Z[i] = x[i]; import os",
        "NotationError",
        """
the character ';' is not part of the notation
  Z[i] = x[i]; import os
             ^""",
    ),
    (
        "Z[i] = __import__[i]",
        "NotationError",
        """
'_' is not expected here
  Z[i] = __import__[i]
         ^""",
    ),
    (
        "exp[i] = x[i]",
        "NotationError",
        """
exp is a function and cannot be a tensor
  exp[i] = x[i]
  ^^^
  repair:   exp(x)""",
    ),
    (
        "Z[i] = exp[i]",
        "NotationError",
        """
exp is a function and cannot be a tensor
  Z[i] = exp[i]
         ^^^
  repair:   exp(x)""",
    ),
    (
        "Z[i] = exp x[i]",
        "NotationError",
        """
the function exp needs brackets around its argument
  Z[i] = exp x[i]
         ^^^
  repair:   exp(x)""",
    ),
    (
        "Z[i] = X[i^2]",
        "NotationError",
        """
i^2 is not a sum of indices with whole-number coefficients
  Z[i] = X[i^2]
           ^^^
  repair:   X[2i+R-1]; an integer tensor may stand in a slot too: X[T[n]]""",
    ),
    (
        "Z[i] = X[i/2]",
        "NotationError",
        """
i/2 is not a sum of indices with whole-number coefficients
  Z[i] = X[i/2]
           ^^^
  repair:   X[2i+R-1]; an integer tensor may stand in a slot too: X[T[n]]""",
    ),
    (
        "Z[i] = X[i,1.5]",
        "NotationError",
        """
1.5 is not a sum of indices with whole-number coefficients
  Z[i] = X[i,1.5]
             ^^^
  repair:   X[2i+R-1]; an integer tensor may stand in a slot too: X[T[n]]""",
    ),
    (
        "Z[i] = 1[i < j, j < k]",
        "NotationError",
        """
a comma between relations: write a product of indicators
  Z[i] = 1[i < j, j < k]
                ^
  repair:   1[i < j] 1[j <= k]""",
    ),
    (
        "Z[i] = x[i] +",
        "NotationError",
        """
the equation ends too early
  Z[i] = x[i] +
               ^""",
    ),
    (
        "Z[i] x[i]",
        "NotationError",
        """
an equation needs a =
  Z[i] x[i]
           ^""",
    ),
    (
        r"Z_{ij} = X_{iK}",
        "NotationError",
        r"""
the subscript ij is one index or several
  Z_{ij} = X_{iK}
     ^^
  repair:   several indices are written i,j
            one index is written \mathrm{ij}""",
    ),
    (
        "Y[2i] = X[i]",
        "ScopeError",
        """
a slot on the left is a plain index, and 2i is none
  Y[2i] = X[i]
    ^^
  repair:   name the slot j and put δ[j, 2i] on the right""",
    ),
    (
        "Z[i] = i x[i]",
        "ScopeError",
        """
the index i is used as a number
  Z[i] = i x[i]
         ^
  repair:   1[i < j] compares indices""",
    ),
    (
        "Z[i] = δ[i]",
        "NotationError",
        """
δ is the Kronecker delta and has two slots, not 1
  Z[i] = δ[i]
         ^^^^
  repair:   δ[i,p]; a tensor needs another name""",
    ),
    (
        "L = |N| X[N] + |N| Y[N]",
        "ScopeError",
        """
|N| is ambiguous: N stands for 2 different axes
  L = |N| X[N] + |N| Y[N]
      ^^^
  repair:   |X.0| or |Y.0|""",
    ),
    (
        r"L = \foo x",
        "NotationError",
        r"""
\foo is not part of the notation
  L = \foo x
      ^^^^
  repair:   leave out what only lays out the page; functions are written relu(x) or \operatorname{relu}(x)""",
    ),
    (
        "L = |X[i]|",
        "NotationError",
        """
the bar | is not closed: |n| is an extent, abs(x) an absolute value
  L = |X[i]|
      ^^^""",
    ),
    (
        "L = sum(X[K])",
        "NotationError",
        """
sum of which index?
  L = sum(X[K])
      ^^^
  repair:   sum[K](x)""",
    ),
    (
        r"L = \sum_{k=1}^{n} x_k",
        "NotationError",
        r"""
a sum runs over the whole axis and has no limits
  L = \sum_{k=1}^{n} x_k
             ^
  repair:   \sum_{k} x_{k}""",
    ),
    (
        "L = pad(x + 1)",
        "NotationError",
        """
pad holds one access and reads zero outside of its tensor
  L = pad(x + 1)
      ^^^^^^^^^^
  repair:   pad(X[i+J-1])""",
    ),
    (
        "Z[i] = softmax[j](X[i,j])",
        "ScopeError",
        """
the index j is free on the right but is not on the left
  Z[i] = softmax[j](X[i,j])
                 ^
  inferred: the left side has i; a capital is summed
  repair:   Z[i] = softmax[J](X[i,J])""",
    ),
    (
        "Z[i] = softmax[i](X[i,J])",
        "ScopeError",
        """
the sum over J may stand inside or outside
  Z[i] = softmax[i](X[i,J])
                    ^^^^^^
  inferred: J occurs once, inside a function or a power
  repair:   Z[i] = sum[J](softmax[i](X[i,J]))
            Z[i] = softmax[i](sum[J](X[i,J]))""",
    ),
    (
        "Z[i] = maximum(x[i])",
        "NotationError",
        """
maximum takes 2 arguments, not 1
  Z[i] = maximum(x[i])
         ^^^^^^^^^^^^^
  repair:   maximum(x, y)""",
    ),
    (
        "a + b = c",
        "NotationError",
        """
the left side of an equation is one tensor
  a + b = c
  ^^^^^
  repair:   claim a + b = c""",
    ),
    (
        "Z[i] = 1/0",
        "NotationError",
        """
division by zero
  Z[i] = 1/0
           ^""",
    ),
    (
        "Z[i] = x[i] = y[i]",
        "NotationError",
        """
an equation has one =
  Z[i] = x[i] = y[i]
              ^
  repair:   1[a == b] compares""",
    ),
    (
        "Z[i] = sum[i](X[i])",
        "ScopeError",
        """
the index i is bound again inside its own scope
  Z[i] = sum[i](X[i])
             ^
  repair:   Z[i] = sum[i2](X[i2])""",
    ),
    (
        "dL/dx^2 = 1",
        "NotationError",
        """
a power of a derivative needs brackets
  dL/dx^2 = 1
       ^
  repair:   (dL/dx)^2""",
    ),
    (
        "Z[i] = x[i] where i = 3",
        "NotationError",
        """
'where' states extents
  Z[i] = x[i] where i = 3
                    ^
  repair:   Z[i] = x[i] where |i| = 3""",
    ),
    (
        "Z[i] = x[i] where |k| = 3",
        "ScopeError",
        """
the equation has no index k
  Z[i] = x[i] where |k| = 3
                    ^^^""",
    ),
    (
        "Z[i] = softmax[i](X[J])",
        "ScopeError",
        """
the sum over J may stand inside or outside
  Z[i] = softmax[i](X[J])
                    ^^^^
  inferred: J occurs once, inside a function or a power
  repair:   Z[i] = sum[J](softmax[i](X[J]))
            Z[i] = softmax[i](sum[J](X[J]))""",
    ),
]


@pytest.mark.parametrize(("text", "kind", "message"), ROWS, ids=[row[0] for row in ROWS])
def test_message(text: str, kind: str, message: str) -> None:
    with pytest.raises(EinstanError) as caught:
        parse(text)
    assert type(caught.value) is getattr(language, kind)
    assert str(caught.value) == message.lstrip("\n")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("text", [row[0] for row in ROWS])
def test_a_repair_that_is_an_equation_parses(text: str) -> None:
    with pytest.raises(EinstanError) as caught:
        parse(text)
    for repair in caught.value.repair:
        if " = " in repair and not repair.startswith("claim ") and "softmax[i](X[J])" not in text:
            parse(repair)
