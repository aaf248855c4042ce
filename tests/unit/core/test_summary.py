"""From the outcomes of targets to the status of a resource."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.kinds import CHAOS_EXPERIMENT, DRIFT_CHECK
from firedrill.api.run import ClusterResult, Figure, HistoryEntry, RunRef, RunStatus
from firedrill.api.verdict import Condition, ConditionStatus, Finding, Measurement, Verdict
from firedrill.core.outcome import Outcome
from firedrill.core.summary import cluster_result, finish, fit, kind_findings, set_conditions
from firedrill.core.worst import worst
from support.seen import T0, after, resource, result

P, F, E = Verdict.PASSED, Verdict.FAILED, Verdict.ERROR
UNDECIDED = Verdict.INCONCLUSIVE
LETTERS = {"P": P, "F": F, "I": UNDECIDED, "E": E}
LIMIT = 64 * 1024


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ("", UNDECIDED),
        ("P", P),
        ("PP", P),
        ("PI", UNDECIDED),
        ("PE", E),
        ("IE", E),
        ("PIEF", F),
        ("FP", F),
        ("EF", F),
        ("II", UNDECIDED),
    ],
)
def test_failed_before_error_before_inconclusive_before_passed(verdicts: str, expected: Verdict) -> None:
    for order in itertools.permutations(verdicts):
        assert worst(LETTERS[letter] for letter in order) is expected


def entry(verdict: Verdict, name: str = "finance", message: str = "m") -> ClusterResult:
    return ClusterResult(name=name, verdict=verdict, reason=verdict.value, message=message)


def ended(verdicts: str, history: str = "", **spec: object) -> RunStatus:
    """The status after a run with these verdicts in its targets; ``history`` is newest first."""
    entries = [
        HistoryEntry(id=str(n), verdict=LETTERS[v], started_at=T0, finished_at=T0) for n, v in enumerate(history)
    ]
    of = resource(DRIFT_CHECK, RunStatus(history=entries), **spec)
    clusters = [entry(LETTERS[v], f"c{n}") for n, v in enumerate(verdicts)]
    return finish(of, clusters, RunRef(id="now", trigger="Spec:x", started_at=T0), "", after(5))


def condition(status: RunStatus, name: str) -> Condition:
    return next(c for c in status.conditions if c.type == name)


@dataclass(frozen=True)
class Row:
    """A run that ends, what ran before it, and what is told."""

    name: str
    verdicts: str
    passed: str
    reason: str
    history: str = ""
    threshold: tuple[int, int] | None = None
    limit: int = 10
    pass_rate: str = "0%"
    flip_rate: str = ""
    kept: int = 1
    summary: str = "0/1"


ROWS = [
    Row("passed", "P", "True", "Passed", pass_rate="100%", summary="1/1"),
    Row("failed", "F", "False", "Failed"),
    Row("inconclusive is never a pass", "I", "Unknown", "Inconclusive"),
    Row("error", "E", "Unknown", "Error"),
    Row("one of three fails", "PFP", "False", "Failed", summary="2/3"),
    Row("one of three out of reach", "PIP", "Unknown", "Inconclusive", summary="2/3"),
    Row("first failure below the threshold", "F", "True", "BelowThreshold", "PPP", (2, 3), kept=4,
        pass_rate="75%", flip_rate="33%"),
    Row("second failure of the last three", "F", "False", "Failed", "PFP", (2, 3), kept=4,
        pass_rate="50%", flip_rate="100%"),
    Row("the second failure is out of the window", "F", "True", "BelowThreshold", "PPF", (2, 3), kept=4,
        pass_rate="50%", flip_rate="67%"),
    Row("errors do not count as failures", "F", "True", "BelowThreshold", "EE", (2, 3), kept=3, flip_rate="50%"),
    Row("history is cut", "P", "True", "Passed", "FFFF", limit=3, kept=3, pass_rate="33%", flip_rate="50%",
        summary="1/1"),
    Row("no history is kept", "P", "True", "Passed", "FFFF", limit=0, kept=0, pass_rate="", summary="1/1"),
    Row("the threshold needs its window, whatever the limit", "F", "False", "Failed", "FPP", (2, 3), limit=1, kept=3,
        pass_rate="33%", flip_rate="50%"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_end_of_a_run(row: Row) -> None:
    spec: dict[str, object] = {"historyLimit": row.limit}
    if row.threshold:
        spec["failureThreshold"] = {"failures": row.threshold[0], "of": row.threshold[1]}
    status = ended(row.verdicts, row.history, **spec)
    passed, complete = condition(status, "Passed"), condition(status, "Complete")
    assert (passed.status.value, passed.reason) == (row.passed, row.reason)
    assert (complete.status, complete.reason) == (ConditionStatus.TRUE, "Finished")
    assert status.verdict is worst(LETTERS[v] for v in row.verdicts)
    assert (status.pass_rate, status.flip_rate) == (row.pass_rate, row.flip_rate)
    assert len(status.history) == row.kept
    assert status.cluster_summary == row.summary
    assert status.last_run is not None
    assert status.last_run.finished_at == after(5)
    assert status.message


def test_a_threshold_forgives_nothing_that_may_still_be_there() -> None:
    of = resource(DRIFT_CHECK, failureThreshold={"failures": 2, "of": 3})
    left = entry(Verdict.FAILED).model_copy(update={"settled": False})
    status = finish(of, [left], RunRef(id="now", trigger="Spec:x", started_at=T0), "", after(5))
    assert condition(status, "Passed").status is ConditionStatus.FALSE


def test_a_transition_time_moves_with_the_status_alone() -> None:
    first = set_conditions(RunStatus(), [Finding(type="Passed", status=ConditionStatus.TRUE, reason="A")], 1, T0)
    same = set_conditions(first, [Finding(type="Passed", status=ConditionStatus.TRUE, reason="B")], 2, after(5))
    assert condition(same, "Passed").last_transition_time == T0
    assert (condition(same, "Passed").reason, condition(same, "Passed").observed_generation) == ("B", 2)
    turned = set_conditions(same, [Finding(type="Passed", status=ConditionStatus.FALSE, reason="C")], 2, after(9))
    assert condition(turned, "Passed").last_transition_time == after(9)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], "Unknown"),
        (["True"], "True"),
        (["True", "True"], "True"),
        (["True", None], "Unknown"),
        (["True", "False"], "False"),
        (["Unknown", "True"], "Unknown"),
        (["False", "Unknown", "True"], "False"),
        ([None, "False"], "False"),
    ],
)
def test_a_condition_of_the_kind_holds_where_every_target_says_so(said: list[str | None], expected: str) -> None:
    clusters = []
    for number, status in enumerate(said):
        found = [Condition(type="Injected", status=ConditionStatus(status), reason="R")] if status else []
        clusters.append(entry(P, f"c{number}").model_copy(update={"findings": found}))
    injected = next(f for f in kind_findings(CHAOS_EXPERIMENT, clusters) if f.type == "Injected")
    assert injected.status.value == expected


def test_the_worst_measurements_of_a_target_are_kept() -> None:
    measured = [Measurement(name=f"ok{n}", passed=True) for n in range(40)]
    measured += [Measurement(name="undecided"), Measurement(name="broken", passed=False)]
    outcome = Outcome(F, "Failed", "m", result("r").model_copy(update={"measurements": measured}))
    made = cluster_result(ClusterResult(name="c", job="ns/j"), outcome, 1, T0)
    assert [m.name for m in made.measurements[:3]] == ["broken", "undecided", "ok0"]
    assert (len(made.measurements), made.omitted, made.report) == (32, 10, "configmap:ns/j-result")


TEXTS = st.sampled_from(["m", "x" * 1000, "ü" * 1024, "\u6f14" * 1024])


@given(
    clusters=st.integers(1, 64),
    measurements=st.integers(0, 32),
    message=TEXTS,
    finding=st.sampled_from(["", "f" * 2048, "\u6f14" * 2000]),
    history=st.integers(0, 50),
    name=st.sampled_from(["c", "n" * 240]),
)
def test_a_status_fits_whatever_there_is_to_tell(
    clusters: int, measurements: int, message: str, finding: str, history: int, name: str
) -> None:
    measured = [
        Measurement(name=f"latency_p{n}", value=1 / 3, unit="s", limit="<= 0.25", passed=False, detail=message[:512])
        for n in range(measurements)
    ]
    found = [Condition(type=t, status=ConditionStatus.TRUE, reason="R", message=finding) for t in ("A", "B", "C")]
    entries = [
        ClusterResult(
            name=f"{name}{n}"[:253],
            verdict=F,
            reason="TooSlow",
            message=message,
            measurements=measured,
            job=f"firedrill/{'j' * 52}",
            report=f"configmap:firedrill/{'j' * 52}-result",
            findings=found if finding else [],
        )
        for n in range(clusters)
    ]
    past = [HistoryEntry(id="0123456789", verdict=P, score=100, started_at=T0, finished_at=T0) for _ in range(history)]
    fitted = fit(RunStatus(clusters=entries, history=past, message=message[:1024]))
    assert len(fitted.model_dump_json(by_alias=True, exclude_none=True).encode()) <= LIMIT
    assert len(fitted.clusters) == clusters
    for made in fitted.clusters:
        assert made.verdict is F
        assert made.message
        assert len(made.measurements) + made.omitted == measurements
    assert fit(fitted) == fitted, "cut again, it must not change: each change is a write"


def test_figures_of_columns_with_the_longest_names_do_not_burst_it() -> None:
    figures = [Figure(cluster="c" * 253, name="n" * 253, value=0.1, better="Lower", limit="<" * 128) for _ in range(8)]
    runs = [HistoryEntry(id=str(n), verdict=P, started_at=T0, finished_at=T0, figures=figures) for n in range(20)]
    fitted = fit(RunStatus(clusters=[entry(P)], history=runs))
    assert len(fitted.model_dump_json(by_alias=True, exclude_none=True).encode()) <= LIMIT
    assert len(fitted.history) == 20
    assert fit(fitted) == fitted


def test_a_status_that_fits_is_left_as_it_is() -> None:
    status = RunStatus(clusters=[entry(P, message="all is well")])
    assert fit(status) == status
