"""What is done to a graph before its products are taken apart."""
