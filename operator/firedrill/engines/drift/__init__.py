"""Drift: does current data still look like the reference, column by column?"""

from firedrill.engines.drift.check import check
from firedrill.engines.drift.errors import UnknownColumn
from firedrill.engines.drift.report import DriftReport
from firedrill.engines.drift.table import Columns, TableColumns

__all__ = ["Columns", "DriftReport", "TableColumns", "UnknownColumn", "check"]
