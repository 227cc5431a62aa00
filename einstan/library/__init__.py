"""Floor 4: layers, networks, training and the command line."""
