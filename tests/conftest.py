"""The random tests draw the same examples in every run; ``EINSTAN_EXPLORE=1`` draws new ones.

The comparison of routes draws new programs in every run: ``EINSTAN_SEED`` repeats those of one, and the header says it.
"""

import os
import random

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("EINSTAN_EXPLORE") else "repeatable")
os.environ.setdefault("EINSTAN_SEED", str(random.randrange(10**9)))  # before the workers start, which inherit it


def pytest_report_header() -> str:
    return f"routes: EINSTAN_SEED={os.environ['EINSTAN_SEED']}"
