"""Model validation: does a served model answer rightly, reliably and fast?"""

from firedrill.engines.model.asked import Asked, Tried
from firedrill.engines.model.evaluate import evaluate
from firedrill.engines.model.records import Outcome, Readiness, RequestLog, RequestRecord
from firedrill.engines.model.report import ModelReport
from firedrill.engines.model.schedule import Planned, arrivals, model_first, plan, plans, row_order

__all__ = [
    "Asked",
    "ModelReport",
    "Outcome",
    "Planned",
    "Readiness",
    "RequestLog",
    "RequestRecord",
    "Tried",
    "arrivals",
    "evaluate",
    "model_first",
    "plan",
    "plans",
    "row_order",
]
