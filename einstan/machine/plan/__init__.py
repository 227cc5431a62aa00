"""Plans: steps of at most two operands, what they cost and what they hold."""
