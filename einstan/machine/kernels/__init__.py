"""Kernels: runs of calls as loops over entries, which numba compiles."""
