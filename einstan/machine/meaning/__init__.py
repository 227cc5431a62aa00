"""What equations mean: nested loops in exact numbers, decimals and floats."""
