from einstan.calculus import identities  # noqa: F401  nothing is simplified without them
