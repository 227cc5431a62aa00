"""A program as a graph of single operations."""
