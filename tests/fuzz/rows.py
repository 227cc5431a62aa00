"""Texts that once raised what is no error of ours, or were printed otherwise than they are."""

ROWS = [
    "M[i,ﬁ] = 1[i = j]",
    "Z_{\\alpha} = x_{K}",
    "y[n] = sum[J](Y[n,J,J,J,Jassume,J,J,J]) \n\n",
    "Y[i] = X[i] + 0 q",
    "y[i,p] = δ[i,p] \n+ 0 A[i,p]",
    "y[n] = V[0,T[n]]",
    "Y[i] = 9^9^7 X[i]",
    "Y[i] = 1e999999999 X[i]",
    "Y[i] = X[i] if 1 else 0",
    "Y[i] = A[i,Κ] B[K,i]",
    "y[i] = prod[Jᖍ](1[J <= i] x[J] + 1[J >= i]) where |i| = |x.0|",
    "A[i] = x[i]\nclaim A[i] = 9^9^7 x[i]",
    "Z[i] = " + "sin(" * 200 + "x[i]" + ")" * 200,
    "Z[i] = " + "(" * 900 + "x[i]" + "^2 + 1)" * 900,
    "Z[i] = " + "1/(1 + " * 300 + "x[i]" + ")" * 300,
]
