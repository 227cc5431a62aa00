"""Floor 3, the machine: the meaning as loops, extents, plans, and generated source.

Nothing here is imported by the symbolic floors, and importing this package does not import NumPy.
"""
