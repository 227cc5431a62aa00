"""Numeric evidence for claims."""
