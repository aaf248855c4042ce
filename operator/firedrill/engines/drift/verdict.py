"""The verdict over all columns, as a chain of policies: the first that has something to say decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.common.ruling import Decision, first_decision
from firedrill.engines.drift.decide import describe_test, effect_name
from firedrill.engines.drift.report import BY_NATURE, SCHEMA_DRIFT, ColumnReport, Reason, TestResult
from firedrill.engines.drift.whole import Part, WholeTest

NAMES_SHOWN: Final = 5
#: Measurements beyond, the best ones, go without detail: a thousand columns must fit into one record.
DETAILED: Final = 150
#: Outcomes of a column that leave the whole check open.
_OPEN: Final = frozenset({Reason.TOO_DEPENDENT, Reason.NOT_OF_TYPE})


@dataclass(frozen=True)
class Evidence:
    """All that the verdict depends on. Columns are ordered worst first."""

    columns: Sequence[ColumnReport]
    reference_rows: int
    current_rows: int
    min_rows: int
    significance: float
    wholes: Sequence[WholeTest] = ()

    @property
    def sizes(self) -> str:
        """Sample sizes, for a message."""
        return f"{self.reference_rows} reference and {self.current_rows} current rows"

    @property
    def drifted(self) -> list[ColumnReport]:
        """Columns that have drifted."""
        return [column for column in self.columns if column.drift]

    @property
    def drifted_whole(self) -> list[WholeTest]:
        """Tests of the whole table that alarm."""
        return [whole for whole in self.wholes if whole.drift]

    @property
    def undecided(self) -> list[ColumnReport]:
        """Columns of which neither drift nor its absence can be said."""
        return [c for c in self.columns if not c.decided and c.reason is not Reason.COLUMN_ADDED]


Policy = Callable[[Evidence], Decision | None]


def no_rows(evidence: Evidence) -> Decision | None:
    """A side without a single row says nothing, not even of its columns."""
    if min(evidence.reference_rows, evidence.current_rows) > 0:
        return None
    return Decision(Verdict.INCONCLUSIVE, "TooFewRows", f"Too few rows: {evidence.sizes}, at least {evidence.min_rows}")


def schema_changed(evidence: Evidence) -> Decision | None:
    """A lost column or a changed type is drift, whatever the number of rows."""
    changed = [column for column in evidence.columns if column.reason in SCHEMA_DRIFT]
    if not changed:
        return None
    return Decision(Verdict.FAILED, "DriftDetected", _drift_message(evidence, evidence.drifted))


def too_few_rows(evidence: Evidence) -> Decision | None:
    """Too few rows on either side."""
    if min(evidence.reference_rows, evidence.current_rows) >= evidence.min_rows:
        return None
    message = f"Too few rows: {evidence.sizes}, at least {evidence.min_rows} are needed on each side"
    return Decision(Verdict.INCONCLUSIVE, "TooFewRows", message)


def drift_detected(evidence: Evidence) -> Decision | None:
    """At least one column has drifted."""
    if not evidence.drifted:
        return None
    return Decision(Verdict.FAILED, "DriftDetected", _drift_message(evidence, evidence.drifted))


def whole_drift_detected(evidence: Evidence) -> Decision | None:
    """No column has, but all together or the labels have."""
    if not evidence.drifted_whole:
        return None
    reason = evidence.drifted_whole[-1].reason
    message = f"No column has drifted by itself{_whole(evidence)}; {evidence.sizes}{_undecided(evidence)}"
    return Decision(Verdict.FAILED, reason, message)


def sketch_too_coarse(evidence: Evidence) -> Decision | None:
    """What was seen is so near to a limit that the errors of the sketches decide."""
    open_ = [column for column in evidence.columns if column.reason is Reason.SKETCH_TOO_COARSE]
    if not open_:
        return None
    more = f" and {len(open_) - 1} more" if len(open_) > 1 else ""
    message = (
        f"Too near to a limit for sketches: {open_[0].label}{more}; {open_[0].message}; {evidence.sizes}"
        f"{_undecided(evidence)}"
    )
    return Decision(Verdict.INCONCLUSIVE, "SketchTooCoarse", message)


def too_many_texts(evidence: Evidence) -> Decision | None:
    """Numbers on a side at least, and texts that sketches have not read as such."""
    open_ = [column for column in evidence.columns if column.reason is Reason.TOO_MANY_TEXTS]
    if not open_:
        return None
    message = f"Not compared: {open_[0].label} {open_[0].message}; {evidence.sizes}{_undecided(evidence)}"
    return Decision(Verdict.INCONCLUSIVE, Reason.TOO_MANY_TEXTS.value, message)


def columns_undecided(evidence: Evidence) -> Decision | None:
    """A column that was to be compared could not be: that the others hold says nothing of it.

    Not where no data could decide, nor where values are few or none, whose share was tested; nor in segments, which may
    be small.
    """
    open_ = [column for column in evidence.undecided if column.reason in _OPEN and column.segment is None]
    if not open_:
        return None
    more = f" and {len(open_) - 1} more" if len(open_) > 1 else ""
    message = f"Not compared: {open_[0].label}{more} ({open_[0].message}); {evidence.sizes}{_undecided(evidence)}"
    return Decision(Verdict.INCONCLUSIVE, "ColumnsUndecided", message)


def nothing_compared(evidence: Evidence) -> Decision | None:
    """There is no column of which anything can be said."""
    if any(column.decided for column in evidence.columns):
        return None
    message = f"No column could be compared, of {len(evidence.columns)}; {evidence.sizes}{_undecided(evidence)}"
    return Decision(Verdict.INCONCLUSIVE, "NoColumns", message)


def concept_undecided(evidence: Evidence) -> Decision | None:
    """Labels were given, but nothing can be said of them."""
    open_ = [whole for whole in evidence.wholes if whole.part is Part.CONCEPT and whole.p_value is None]
    if not open_:
        return None
    message = f"No column has drifted; {open_[0].phrase}; {evidence.sizes}{_undecided(evidence)}"
    return Decision(Verdict.INCONCLUSIVE, "ConceptUndecided", message)


def no_drift(evidence: Evidence) -> Decision | None:
    """Everything that could be compared holds; what could not is named."""
    compared = [column for column in evidence.columns if column.decided]
    tests = sum(len(column.tests) for column in evidence.columns)
    largest = next((column for column in compared if column.headline), None)
    nearest = f"; nearest: {_phrase(largest)}" if largest else ""
    message = (
        f"No drift in {_columns(len(compared))} ({tests} tests at {evidence.significance:g} together)"
        f"{nearest}; {evidence.sizes}{_undecided(evidence)}"
    )
    return Decision(Verdict.PASSED, "NoDrift", message)


#: In this order. What is seen from the schema needs no sample size; all other drift does.
CHAIN: Final[tuple[Policy, ...]] = (
    no_rows,
    schema_changed,
    too_few_rows,
    drift_detected,
    whole_drift_detected,
    sketch_too_coarse,
    too_many_texts,
    nothing_compared,
    columns_undecided,
    concept_undecided,
    no_drift,
)


def judge(evidence: Evidence) -> Decision:
    """The decision of the first policy that has one; the last one always has."""
    return first_decision(CHAIN, evidence)


def measurements(evidence: Evidence) -> tuple[Measurement, ...]:
    """One measurement a column, in the order of the columns; added columns are not held against anything."""
    held = [column for column in evidence.columns if column.reason is not Reason.COLUMN_ADDED]
    made = [_measurement(column, evidence) for column in held]
    # Joint drift that can not be looked for is no fault of the data, and no measurement.
    looked = [test for test in evidence.wholes if test.p_value is not None or test.part is Part.CONCEPT]
    made_whole = [_whole_measurement(test, evidence) for test in looked]
    return (*made[:DETAILED], *(item.model_copy(update={"detail": ""}) for item in made[DETAILED:]), *made_whole)


def _whole_measurement(test: WholeTest, evidence: Evidence) -> Measurement:
    undecided = test.p_value is None
    return Measurement(
        name=f"{test.part.value} drift",
        value=None if undecided else round(test.effect, 6),
        unit="auc" if test.part is Part.JOINT else "loss",
        limit=f"< {test.limit:g} or p >= {evidence.significance:g}",
        passed=None if undecided else not test.drift,
        p_value=test.p_adjusted,
        detail=f"{test.reason}; {test.phrase}"[:512],
    )


def _measurement(column: ColumnReport, evidence: Evidence) -> Measurement:
    top = column.headline
    weight = 0.0 if column.reason in BY_NATURE else column.weight
    name = column.label if len(column.label) <= 253 else column.label[:252] + "…"
    if top is None:
        passed = False if column.drift else (True if column.decided else None)
        detail = f"{column.reason.value}: {column.message}"[:512]
        return Measurement(name=name, passed=passed, detail=detail, weight=weight)
    return Measurement(
        name=name,
        value=round(top.effect, 6),
        unit=effect_name(top.test),
        limit=f"< {top.limit:g} or p >= {evidence.significance:g}",
        passed=False if column.drift else (True if column.decided else None),
        p_value=top.p_adjusted,
        detail=_detail(column, top, evidence)[:512],
        weight=weight,
    )


def _detail(column: ColumnReport, top: TestResult, evidence: Evidence) -> str:
    """What the other fields of a measurement leave out."""
    n, m = evidence.reference_rows, evidence.current_rows
    odd = f": {column.message}" if not column.drift and column.reason is not Reason.NO_DRIFT else ""
    give = f" ± {top.margin.effect:.2g} by sketches" if top.margin else ""
    return f"{column.reason.value}{odd}; {top.test.value}{give}, p {top.p_adjusted:.2g} adjusted, {n} and {m} rows"


def _drift_message(evidence: Evidence, drifted: Sequence[ColumnReport]) -> str:
    names = ", ".join(column.label for column in drifted[:NAMES_SHOWN])
    more = f" and {len(drifted) - NAMES_SHOWN} more" if len(drifted) > NAMES_SHOWN else ""
    of = sum(1 for column in evidence.columns if column.reason is not Reason.COLUMN_ADDED)
    have = "has" if len(drifted) == 1 else "have"
    return (
        f"{len(drifted)} of {_columns(of)} {have} drifted ({names}{more}); worst: {_phrase(drifted[0])}"
        f"{_whole(evidence)}; {evidence.sizes}{_undecided(evidence)}"
    )


def _whole(evidence: Evidence) -> str:
    return "".join(f"; {whole.part.value} drift: {whole.phrase}" for whole in evidence.drifted_whole)


def _phrase(column: ColumnReport) -> str:
    top = column.headline
    return f"{column.label}, {describe_test(top) if top else column.message}"


def _undecided(evidence: Evidence) -> str:
    left = evidence.undecided
    if not left:
        return ""
    named = ", ".join(f"{column.label} ({column.reason.value})" for column in left[:NAMES_SHOWN])
    more = f" and {len(left) - NAMES_SHOWN} more" if len(left) > NAMES_SHOWN else ""
    return f"; not compared: {named}{more}"


def _columns(count: int) -> str:
    return f"{count} column" if count == 1 else f"{count} columns"
