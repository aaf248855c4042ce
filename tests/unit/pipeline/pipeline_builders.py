"""Tables and checks in few words."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from firedrill.api.datapipelinetest import DataCheck
from firedrill.engines.pipeline import Data, PipelineReport, PipelineRun, Subject, check
from firedrill.engines.pipeline.finding import Finding

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)


class Columns:
    """A table in memory."""

    def __init__(self, table: pa.Table) -> None:
        self.names: list[str] = table.column_names
        self.num_rows: int = table.num_rows
        self._table = table

    def column(self, index: int) -> Any:
        return self._table.column(index)


def data(columns: Mapping[str, Any] | pa.Table, name: str = "") -> Data:
    table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    return Data(Columns(table), name)


def subject(columns: Mapping[str, Any] | pa.Table, *, runs: Sequence[PipelineRun] = (), **tables: Any) -> Subject:
    """The data and other tables by name; ``before`` is what the first of two runs has left."""
    before = data(tables.pop("before")) if "before" in tables else None
    return Subject(data(columns), NOW, {name: data(table, name) for name, table in tables.items()}, runs, before)


def report(of: Subject, *checks: Mapping[str, Any], **settings: Any) -> PipelineReport:
    return check([DataCheck.model_validate(each) for each in checks], of, **settings)


def findings(of: Subject, check_: Mapping[str, Any]) -> list[Finding]:
    """What one check finds."""
    return list(report(of, check_).checks[0].findings)


def only(of: Subject, check_: Mapping[str, Any]) -> Finding:
    """What a check with one finding finds."""
    (found,) = findings(of, check_)
    return found
