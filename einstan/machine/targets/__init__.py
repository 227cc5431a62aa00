"""Targets: a table of verbs each, and how a schedule is spelled in them."""
