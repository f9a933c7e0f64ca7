"""Visits of pictures that no request or event brought."""

from shared_code.deadline import Deadline
from shared_code.engine import Engine
from shared_code.record import Edge, VisitRecord
from shared_code.visit import Arrival, Visit
from tests.support.patience import PATIENCE_S


def new_visit(engine: Engine) -> Visit:
    """A visit with time enough, of which nobody is told."""
    return Visit(Arrival("id", Edge.HTTP), Deadline.after(PATIENCE_S), engine.hold(), _nobody)


def _nobody(record: VisitRecord) -> None:
    pass
