"""All routes, by name."""

from tests.routes import derivatives, forward, training
from tests.routes.run import ROUTES

__all__ = ["ROUTES", "derivatives", "forward", "training"]
