"""All routes, by name."""

from tests.routes import derivatives, forward, frameworks, training
from tests.routes.run import ROUTES

__all__ = ["ROUTES", "derivatives", "forward", "frameworks", "training"]
