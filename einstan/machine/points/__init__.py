"""Points at which a claim is tried: drawn, or solved for."""
