"""Rows that fail, for the report: their form is shown, and their content only where it may be."""

import json
from collections.abc import Set
from typing import Any

from firedrill.api.datapipelinetest import SampleRows
from firedrill.engines.common.masking import SHOWN, masked
from firedrill.engines.pipeline.finding import Shown


def sampled(shown: Shown | None, settings: SampleRows) -> list[dict[str, Any]]:
    """The first rows that fail: number from 1, and the values of the columns that say why, and of those to be shown."""
    if shown is None or settings.rows == 0:
        return []
    open_ones = set(settings.show)
    names = [*shown.columns, *(name for name in settings.show if name not in shown.columns)]
    columns = {name: shown.data.column(name) for name in names if shown.data.names.count(name) == 1}
    return [
        {
            "row": int(row) + 1,
            **({"table": shown.data.name} if shown.data.name else {}),
            "values": {
                name: _shown(column[int(row)].as_py(), name, open_ones, settings.masked)
                for name, column in columns.items()
            },
        }
        for row in shown.rows[: settings.rows]
    ]


def _shown(value: Any, name: str, open_ones: Set[str], hide: bool) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else _text(value)
    if hide and name not in open_ones:
        return masked(text)
    return text[:SHOWN] + "…" if len(text) > SHOWN else text


def _text(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
