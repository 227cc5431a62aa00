"""Functions that are called with arrays."""
