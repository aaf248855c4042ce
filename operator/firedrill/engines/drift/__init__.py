"""Drift: does current data still look like the reference, column by column, jointly, and in its labels?"""

from firedrill.engines.drift.asked import Asked
from firedrill.engines.drift.check import check
from firedrill.engines.drift.errors import UnknownColumn
from firedrill.engines.drift.report import DriftReport
from firedrill.engines.drift.table import Columns, TableColumns

__all__ = ["Asked", "Columns", "DriftReport", "TableColumns", "UnknownColumn", "check"]
