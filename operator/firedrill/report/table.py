"""Results as a table in a terminal."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from firedrill.api.verdict import Verdict
from firedrill.report.entry import Entry, shown_limit, shown_outcome, shown_value

_STYLE: Final = {
    Verdict.PASSED: "bold green",
    Verdict.FAILED: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.ERROR: "bold magenta",
}
_OUTCOME_STYLE: Final = {"passed": "green", "failed": "red", "undecided": "yellow", "info": "dim"}
#: Measurements of one result that are shown; the other forms have them all.
ROWS_SHOWN: Final = 40


def print_table(entries: Sequence[Entry], console: Console) -> None:
    """Print each result: verdict, sentence, measurements. Worst measurements come first, as the result has them."""
    for i, entry in enumerate(entries):
        if i:
            console.print()
        console.print(_entry(entry))


def _entry(entry: Entry) -> Group:
    result = entry.result
    points = "" if entry.score is None else f"  score {entry.score}"
    head = Text.assemble(
        (result.verdict.value, _STYLE[result.verdict]), f"  {entry.title}", (f"  {result.reason}{points}", "dim")
    )
    parts: list[Text | Table] = [head, Text(result.message)]
    if result.measurements:
        parts.append(_measurements(entry))
    left = len(result.measurements) - ROWS_SHOWN
    if left > 0:
        parts.append(Text(f"{left} more measurements; -o json has them all", style="dim"))
    return Group(*parts)


def _measurements(entry: Entry) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", width=9, no_wrap=True)
    table.add_column("MEASUREMENT", overflow="fold")
    table.add_column("VALUE", overflow="fold")
    table.add_column("LIMIT", overflow="fold")
    table.add_column("DETAIL", overflow="fold")
    for item in entry.result.measurements[:ROWS_SHOWN]:
        outcome = shown_outcome(item)
        table.add_row(
            Text(outcome, style=_OUTCOME_STYLE[outcome]),
            Text(item.name),
            Text(shown_value(item)),
            Text(shown_limit(item)),
            Text(item.detail, style="dim"),
        )
    return table
