"""Contraction paths: the order in which products of several operands are taken."""
