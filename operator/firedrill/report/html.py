"""Results as one HTML file that needs nothing else: no script, no network, for screen, phone and paper."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from firedrill import __version__
from firedrill.report.drawing import column_drawings, failing_rows, gauge, timeline, trend_drawings
from firedrill.report.entry import Entry, overall, shown_limit, shown_outcome, shown_value
from firedrill.report.overtime import over_time


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("firedrill.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["value"] = shown_value
    environment.filters["limit"] = shown_limit
    environment.filters["outcome"] = shown_outcome
    environment.filters["gauge"] = gauge
    environment.filters["moment"] = lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    return environment.get_template("report.html.j2")


def render_html(entries: Sequence[Entry], generated_at: datetime) -> str:
    """The whole page. Everything that came from outside is escaped; the page may load nothing."""
    cards = [
        {
            "entry": entry,
            "result": entry.result,
            "columns": column_drawings(entry.result.report),
            "over_time": over_time(entry.history, entry.result.cluster),
            "trends": trend_drawings(entry.result.report),
            "timeline": timeline(entry.result.report),
            "failing": failing_rows(entry.result.report),
            "raw": json.dumps(entry.result.to_wire(), indent=2, ensure_ascii=False),
        }
        for entry in entries
    ]
    return _template().render(
        cards=cards, overall=overall(entries).value, generated_at=generated_at, version=__version__
    )
