"""Reports: table, JSON, JUnit XML, HTML."""

import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from firedrill.api.task import Result
from firedrill.api.verdict import ConditionStatus, Finding, Measurement, Verdict
from firedrill.core.score import score
from firedrill.engines.drift import check
from firedrill.report.drawing import column_drawings, gauge, trend_drawings
from firedrill.report.entry import Entry, overall, shown_limit, shown_value
from firedrill.report.html import render_html
from firedrill.report.json import render_json
from firedrill.report.junit import render_junit
from firedrill.report.table import print_table

NOW = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
NASTY = '<script>alert("x")</script>\x07 & ünï'
MEASUREMENTS = [
    Measurement(name="accuracy", value=0.8, unit="ratio", limit=">= 0.9", passed=False, detail=NASTY),
    Measurement(name="latency_p99", value=0.05, unit="s", limit="<= 0.2", passed=True),
    Measurement(name="latency_p50", value=float("inf"), unit="s", limit="<= 0.1", passed=None),
    Measurement(name="latency_p95", value=1.5, unit="s", weight=0),
]


def entry(verdict: Verdict = Verdict.FAILED, **more: Any) -> Entry:
    given = {"measurements": MEASUREMENTS, "message": f"It broke: {NASTY}", "reason": "AccuracyBelowLimit"} | more
    return Entry(
        "ModelValidation",
        "team",
        "triage",
        Result(
            uid="u",
            run_id="r1",
            cluster="clinic",
            verdict=verdict,
            started_at=NOW,
            finished_at=NOW + timedelta(seconds=2.5),
            **given,
        ),
    )


def drift_entry() -> Entry:
    rng = np.random.default_rng(1)
    a, b = pa.table({NASTY: rng.normal(size=200)}), pa.table({NASTY: rng.normal(2, 1, 200)})
    report = check(a, b)
    return entry(measurements=list(report.measurements), report=report.to_json())


def test_score_is_the_weighted_share_of_what_passed() -> None:
    assert score(Verdict.FAILED, MEASUREMENTS) == 33
    assert score(Verdict.ERROR, MEASUREMENTS) is None
    assert score(Verdict.PASSED, []) == 100
    assert score(Verdict.INCONCLUSIVE, []) == 0
    assert score(Verdict.PASSED, [Measurement(name="x", passed=True, weight=0.1)] * 3) == 100


def test_the_worst_verdict_is_that_of_all() -> None:
    order = [Verdict.PASSED, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAILED]
    for i, verdict in enumerate(order):
        assert overall([entry(v) for v in order[: i + 1]]) is verdict
    assert overall([]) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("value", "unit", "limit", "shown", "limit_shown"),
    [
        (0.05, "s", "<= 0.2", "50 ms", "<= 200 ms"),
        (1.5, "s", "<= 2", "1.5 s", "<= 2 s"),
        (0.993, "ratio", ">= 0.9", "99.3 %", ">= 90 %"),
        (3, "count", "<= 5", "3 count", "<= 5"),
        (0.2, "KS distance", "< 0.1 or p >= 0.05", "0.2 KS distance", "< 0.1 or p >= 0.05"),
        (None, "s", "", "–", "–"),
    ],
)
def test_values_and_limits_are_shown_in_their_unit(
    value: float | None, unit: str, limit: str, shown: str, limit_shown: str
) -> None:
    item = Measurement(name="x", value=value, unit=unit, limit=limit)
    assert shown_value(item).replace("\u00a0", " ") == shown
    assert shown_limit(item).replace("\u00a0", " ") == limit_shown


def test_json_holds_everything_and_no_number_that_is_none() -> None:
    body = json.loads(render_json([entry(), drift_entry()]))
    assert body["verdict"] == "Failed"
    assert body["results"][0]["name"] == "triage"
    assert body["results"][0]["score"] == 33
    assert body["results"][0]["measurements"][2].get("value") is None
    assert body["results"][1]["report"]["drift"] is True


@pytest.mark.parametrize(
    ("verdict", "errors", "failures"),
    [(Verdict.PASSED, 0, 1), (Verdict.FAILED, 0, 2), (Verdict.INCONCLUSIVE, 1, 1), (Verdict.ERROR, 1, 1)],
)
def test_junit_counts_what_did_not_pass(verdict: Verdict, errors: int, failures: int) -> None:
    root = ElementTree.fromstring(render_junit([entry(verdict)]))
    assert root.get("tests") == "5"
    assert root.get("errors") == str(errors)
    assert root.get("failures") == str(failures)
    assert root.get("skipped") == "2"
    case = root.find(".//testcase")
    assert case is not None
    assert case.get("name") == "verdict"
    assert case.get("time") == "2.5"


def test_table_shows_verdict_message_and_measurements() -> None:
    stream = io.StringIO()
    many = [Measurement(name=f"m{i}", passed=True) for i in range(50)]
    print_table([entry(), entry(measurements=many)], Console(file=stream, width=200))
    text = stream.getvalue().replace("\u00a0", " ")
    for part in ("Failed", "ModelValidation team/triage", "score 33", "It broke", "accuracy", "80 %", ">= 90 %"):
        assert part in text
    assert "undecided" in text
    assert "10 more measurements" in text


def test_table_takes_brackets_for_what_they_are() -> None:
    stream = io.StringIO()
    odd = [Measurement(name="[red]x[/red]", passed=True, detail="[/]")]
    print_table([entry(measurements=odd, message="[bold]")], Console(file=stream, width=200))
    assert "[red]x[/red]" in stream.getvalue()


def test_html_escapes_loads_nothing_and_is_whole() -> None:
    finding = Finding(type="Recovered", status=ConditionStatus.FALSE, reason="TooSlow", message=NASTY)
    timeline = {"timeline": [{"time": "12:00:01", "what": "fault injected"}]}
    page = render_html([entry(findings=[finding], report=timeline), drift_entry(), entry(measurements=[])], NOW)
    assert "<script" not in page
    assert not re.findall(r"(?:src|href|url\()\s*=?\s*[\"']?(?:https?:)?//", page)
    for part in ("Failed", "It broke", "score 33 of 100", "Recovered", "TooSlow", "fault injected", "Distributions"):
        assert part in page
    assert page.count("<section") == page.count("</section>") == 3
    assert "2025-01-02 03:04:05 UTC" in page


def test_gauges_fit_their_track() -> None:
    for item in MEASUREMENTS:
        drawn = gauge(item)
        if drawn is not None:
            assert 0 <= drawn.value <= 100
            assert 0 <= drawn.limit <= 100
    assert gauge(MEASUREMENTS[2]) is None
    assert gauge(MEASUREMENTS[3]) is None
    assert gauge(Measurement(name="x", value=0, limit="<= 0")) is not None


def test_drawings_ignore_reports_of_other_shapes() -> None:
    assert column_drawings({"columns": 5}) == []
    bins = [{"label": "a", "reference": 0.2, "current": 0.4}]
    within = {"name": "amount", "segment": "country = CH", "drift": True, "message": "m", "bins": bins}
    assert column_drawings({"columns": [within]})[0].name == "amount where country = CH"
    assert column_drawings({"columns": [5, {"name": "x"}]}) == []
    assert column_drawings({}) == []


def test_latency_of_a_load_is_drawn_over_time() -> None:
    rows = [{"at": i, "requests": 5, "failed": 0, "p50": 0.01, "p99": 0.01 * (i + 1)} for i in range(4)]
    rows.append({"at": 4, "requests": 0, "failed": 0, "p50": None, "p99": None})
    report = {"phases": [{"rate": 100.0, "seconds": 5.0, "trend": rows}, {"rate": 200.0, "seconds": 5.0, "trend": []}]}
    [drawing] = trend_drawings(report)
    assert (drawing.title, "up to 40 ms" in drawing.detail) == ("100 requests a second", True)
    assert drawing.second.split()[0] == "0.00,29.00"
    assert len(drawing.second.split()) == 4
    page = render_html([entry(report=report)], NOW)
    assert "Over time" in page
    assert drawing.second in page
    assert trend_drawings({"phases": "x"}) == []


def test_rows_that_fail_are_shown_by_check() -> None:
    samples = [{"row": 7, "table": "source", "values": {NASTY: NASTY, "note": None}}]
    checks = [{"name": NASTY, "kind": "nulls", "samples": samples}, {"name": "", "kind": "unique", "samples": []}]
    page = render_html([entry(report={"checks": checks})], NOW)
    assert "Rows that fail" in page
    assert "7 of source" in page
    assert "<script>" not in page
    assert "Rows that fail" not in render_html([entry(report={"checks": "odd"})], NOW)
