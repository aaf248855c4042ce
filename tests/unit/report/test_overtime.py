"""The last runs drawn over time: what is drawn, where, and in which order."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firedrill.api.run import ClusterResult, Figure, HistoryEntry
from firedrill.api.task import Result
from firedrill.api.verdict import Measurement, Verdict
from firedrill.core.figures import figures_of
from firedrill.report.entry import Entry
from firedrill.report.html import render_html
from firedrill.report.json import render_json
from firedrill.report.overtime import over_time

T0 = datetime(2026, 5, 1, tzinfo=UTC)
LIMIT = "< 0.1 or p >= 0.05"


def figure(name: str = "amount", value: float = 0.05, p: float | None = 0.5, **more: Any) -> Figure:
    given = {"cluster": "finance", "better": "Lower", "limit": LIMIT, "passed": True} | more
    return Figure(name=name, value=value, p_value=p, **given)


def run(hours: float, *figures: Figure, verdict: Verdict = Verdict.PASSED, score: int | None = 100) -> HistoryEntry:
    at = T0 + timedelta(hours=hours)
    return HistoryEntry(
        id=f"r{hours:g}", verdict=verdict, score=score, started_at=at, finished_at=at, figures=list(figures)
    )


def test_a_figure_is_drawn_with_its_limit_and_its_p_value_at_the_time_of_its_runs() -> None:
    history = [
        run(4, figure(value=0.2, p=1e-9, passed=False), verdict=Verdict.FAILED, score=50),
        run(1, figure(value=0.05, p=0.5)),
        run(0, figure(value=0.0, p=1.0)),
    ]
    score, amount = over_time(history, "finance")
    assert [(dot.x, dot.y, dot.outcome) for dot in score.panels[0].dots] == [
        (0.0, 0.0, "Passed"),
        (25.0, 0.0, "Passed"),
        (100.0, 50.0, "Failed"),
    ]
    value, p = amount.panels
    assert (amount.name, amount.first, amount.last) == ("amount", T0, T0 + timedelta(hours=4))
    assert [dot.x for dot in value.dots] == [0.0, 25.0, 100.0]
    # The highest is a little below the top, nothing is at the bottom, the limit half as high as twice its value.
    assert [dot.y for dot in value.dots] == [100.0, 77.27, 9.09]
    assert (value.limit, value.limit_text) == (54.55, "limit 0.1")
    assert [dot.outcome for dot in value.dots] == ["passed", "passed", "failed"]
    assert value.dots[-1].text == "2026-05-01 04:00 UTC, run r4: 0.2"
    # Smaller is higher: the last run is above the line, by far.
    assert p.limit is not None
    assert p.dots[-1].y < p.limit < p.dots[1].y < p.dots[0].y == 100.0
    assert (p.title, p.limit_text) == ("p now 1e-09", "limit 0.05")


@pytest.mark.parametrize(
    ("history", "names"),
    [
        ([], []),
        ([run(0, figure())], []),
        ([run(1, figure()), run(0, figure())], ["score", "amount"]),
        ([run(1, figure(), score=None), run(0, figure(), score=None)], ["amount"]),
        ([run(1, figure()), run(0)], ["score"]),
        ([run(1, figure(cluster="iot")), run(0, figure(cluster="iot"))], ["score"]),
        (
            [run(1, figure("b"), figure("z", passed=False)), run(0, figure("a"), figure("b"), figure("z")), run(-1)],
            ["score", "z", "b"],
        ),
        # What the last run has no value of comes last.
        ([run(2, figure("b")), run(1, figure("a"), figure("b")), run(0, figure("a"))], ["score", "b", "a"]),
    ],
)
def test_what_is_drawn_and_in_which_order(history: list[HistoryEntry], names: list[str]) -> None:
    assert [each.name for each in over_time(history, "finance")] == names


@pytest.mark.parametrize(
    ("limit", "values", "line"),
    [
        ("<= 0.2", [0.1, 0.1], 9.09),
        ("", [0.1, 0.1], None),
        ("one of a, b", [0.1, 0.1], None),
        ("< 0.02 or p >= 0.05", [-0.05, 0.05], 36.36),
        ("< 0", [0.0, 0.0], 100.0),
    ],
)
def test_limits_of_all_forms_and_values_below_nothing(limit: str, values: list[float], line: float | None) -> None:
    history = [run(n, figure(value=value, p=None, limit=limit), score=None) for n, value in enumerate(values)]
    (drawing,) = over_time(history, "finance")
    (panel,) = drawing.panels
    assert panel.limit == line
    assert all(0 <= dot.y <= 100 for dot in panel.dots)


def test_runs_at_the_same_moment_and_without_an_old_limit() -> None:
    """Runs of an earlier release have neither limit nor outcome."""
    old = Figure(cluster="finance", name="amount", value=0.1, better="Lower")
    score, drawing = over_time([run(0, old), run(0, old)], "finance")
    assert [dot.x for dot in score.panels[0].dots] == [50.0, 50.0]
    assert [dot.outcome for dot in drawing.panels[0].dots] == ["undecided", "undecided"]


def entry(history: tuple[HistoryEntry, ...]) -> Entry:
    result = Result(
        uid="u",
        run_id="r4",
        cluster="finance",
        verdict=Verdict.FAILED,
        reason="DriftDetected",
        message="m",
        started_at=T0,
        finished_at=T0,
    )
    return Entry("DriftCheck", "team", "payments", result, history)


def test_page_and_json_have_the_history() -> None:
    history = (run(1, figure(name='<script>"x"')), run(0, figure(name='<script>"x"')))
    page = render_html([entry(history)], T0)
    assert "The last runs" in page
    assert "<script>" not in page
    assert "The last runs" not in render_html([entry(())], T0)
    (told,) = json.loads(render_json([entry(history)]))["results"]
    assert [each["id"] for each in told["history"]] == ["r1", "r0"]
    assert told["history"][0]["figures"][0]["pValue"] == 0.5
    assert "history" not in json.loads(render_json([entry(())]))["results"][0]


def test_of_many_columns_those_nearest_to_an_alarm_are_kept_and_of_other_measurements_the_first_by_name() -> None:
    columns = [Measurement(name=f"c{n:02}", value=n / 100, limit=LIMIT, p_value=1.0, passed=True) for n in range(30)]
    columns[3] = columns[3].model_copy(update={"p_value": 1e-9, "passed": False})
    found = figures_of([ClusterResult(name="finance", measurements=columns)])
    assert [each.name for each in found] == ["c03", "c29", "c28", "c27", "c26", "c25", "c24", "c23"]
    assert (found[0].passed, found[0].p_value, found[0].limit) == (False, 1e-9, LIMIT)
    plain = [Measurement(name=f"m{n:02}", value=100 - n, limit="<= 1") for n in range(30)]
    assert [each.name for each in figures_of([ClusterResult(name="f", measurements=plain)])][:2] == ["m00", "m01"]
