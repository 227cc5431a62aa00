"""Sizes: forms over labels, guards, extents, and single operations over them."""
