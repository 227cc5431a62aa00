"""Papers as they are typed: LaTeX and Markdown to lines of the notation."""

from einstan.papers.paper import Item, Paper, read_paper

__all__ = ["Item", "Paper", "read_paper"]
