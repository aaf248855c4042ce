"""What a drift check found: typed, with the JSON form that the command line prints."""

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.drift.performance import ASSUMPTION, Estimate
from firedrill.engines.drift.whole import WholeTest

#: Columns whose bins are written out; the others keep their statistics.
BINS_SHOWN: Final = 50


class TestName(StrEnum):
    """The tests; each asks one question of one column."""

    #: Kolmogorov-Smirnov on the values: location and shape.
    KS = "ks"
    #: Contingency table of the values.
    CHI_SQUARE = "chi-square"
    #: Exact test of a table of two values.
    FISHER = "fisher"
    #: Values too rare for a cell of a table: how many rows have one that the other side lacks.
    RARE = "rare-values"
    #: Share of missing values and, in numbers, of infinities and of texts that are none: one test of all, named
    #: for the one that has moved most.
    MISSING = "missing-share"
    INFINITE = "infinite-share"
    INVALID = "invalid-share"


class Reason(StrEnum):
    """Why a column has, or has not, drifted, or why this can not be said."""

    NO_DRIFT = "NoDrift"
    CONSTANT = "Constant"
    VALUES_CHANGED = "ValuesChanged"
    MISSING_SHARE_CHANGED = "MissingShareChanged"
    INFINITE_SHARE_CHANGED = "InfiniteShareChanged"
    INVALID_SHARE_CHANGED = "InvalidShareChanged"
    COLUMN_MISSING = "ColumnMissing"
    TYPE_CHANGED = "TypeChanged"
    COLUMN_ADDED = "ColumnAdded"
    ALL_MISSING = "AllMissing"
    TOO_FEW_VALUES = "TooFewValues"
    TOO_FEW_ROWS = "TooFewRows"
    ALL_VALUES_RARE = "AllValuesRare"
    TEMPORAL = "Temporal"
    UNSUPPORTED_TYPE = "UnsupportedType"
    #: The values are not of the type that was asked for.
    NOT_OF_TYPE = "NotOfType"
    #: Too many different values to be counted one by one in a sketch.
    MANY_VALUES = "ManyValues"
    #: Too many different texts to be read as the numbers that the other side has.
    TOO_MANY_TEXTS = "TooManyTexts"
    #: Within the errors of the sketches there may be drift, or none.
    SKETCH_TOO_COARSE = "SketchTooCoarse"
    TOO_DEPENDENT = "TooDependent"


#: Drift that is seen from names and types, without a test.
SCHEMA_DRIFT: Final = frozenset({Reason.COLUMN_MISSING, Reason.TYPE_CHANGED})
#: Columns that no data could decide: they are told, and do not count in the score.
BY_NATURE: Final = frozenset({Reason.TEMPORAL, Reason.UNSUPPORTED_TYPE, Reason.ALL_VALUES_RARE, Reason.MANY_VALUES})
#: The column holds; anything else that is not drift leaves it undecided.
HOLDS: Final = frozenset({Reason.NO_DRIFT, Reason.CONSTANT})


@dataclass(frozen=True)
class Margin:
    """By how much the distances of a test that was made on sketches may be wrong, either way.

    ``statistic`` is the sum of ``reference`` and ``current``, the errors of the shares of each side; ``effect`` the
    same of the shares between two bounds. ``least_p`` is the p-value of the largest statistic that may be.
    """

    reference: float
    current: float
    effect: float
    least_p: float

    @property
    def statistic(self) -> float:
        """By how much the distance of the sides may be wrong."""
        return self.reference + self.current


@dataclass(frozen=True)
class TestResult:
    """One test of one column. ``effect`` is between 0 and 1; it alarms at ``limit`` or above.

    With a ``margin``, ``p_value`` is that of the least statistic that may be, an alarm needs the least effect that may
    be, and the test is ``open`` where there is no alarm and the largest ones that may be would give one.
    """

    test: TestName
    statistic: float
    p_value: float
    effect: float
    limit: float
    p_adjusted: float = 1.0
    alarm: bool = False
    margin: Margin | None = None
    open: bool = False

    @property
    def severity(self) -> float:
        """Effect in units of its limit, for ordering."""
        return self.effect / self.limit if self.limit > 0 else self.effect * 1e9

    def to_json(self) -> dict[str, Any]:
        """The test; what speaks of sketches only where there are some."""
        fields = asdict(self) | {"test": self.test.value}
        return fields if self.margin else {name: fields[name] for name in fields if name not in ("margin", "open")}


@dataclass(frozen=True)
class Effects:
    """How far a column has moved by measures that decide nothing; None where they do not apply.

    ``psi`` is less its mean without a change; ``wasserstein`` is in standard deviations of the reference;
    ``jensen_shannon`` is 0..1; ``unseen`` is the share of current values that the reference lacks.
    """

    psi: float | None = None
    wasserstein: float | None = None
    jensen_shannon: float | None = None
    unseen: float | None = None


@dataclass(frozen=True)
class Bin:
    """Shares of the rows of each side that fall into one bin of the population stability index."""

    label: str
    reference: float
    current: float


@dataclass(frozen=True)
class ColumnReport:
    """All that was found of one column. ``type`` is numeric, categorical, or the type that was not compared."""

    name: str
    type: str
    reason: Reason
    message: str
    tests: tuple[TestResult, ...] = ()
    effects: Effects = Effects()
    reference_missing: float | None = None
    current_missing: float | None = None
    bins: tuple[Bin, ...] = ()
    weight: float = 1.0
    segment: str | None = None

    @property
    def label(self) -> str:
        """The name, with the segment that it speaks of."""
        return self.name if self.segment is None else f"{self.name} where {self.segment}"

    @property
    def drift(self) -> bool:
        """Whether the column has drifted."""
        return self.reason in SCHEMA_DRIFT or any(test.alarm for test in self.tests)

    @property
    def decided(self) -> bool:
        """Whether drift or its absence could be shown."""
        return self.drift or self.reason in HOLDS

    @property
    def headline(self) -> TestResult | None:
        """The test that a person should look at first: the strongest alarm, else the test nearest to one."""
        if not self.tests:
            return None
        return max(self.tests, key=lambda t: (t.alarm, t.open, -t.p_adjusted, t.severity))

    def to_json(self, with_bins: bool = True) -> dict[str, Any]:
        """The column in the form that ``firedrill drift -o json`` prints."""
        top = self.headline
        return {
            "name": self.name,
            "type": self.type,
            "test": top.test.value if top else None,
            "statistic": _finite(top.statistic) if top else None,
            "p_value": _finite(top.p_value) if top else None,
            "p_adjusted": _finite(top.p_adjusted) if top else None,
            "effect": _finite(top.effect) if top else None,
            "limit": top.limit if top else None,
            **{name: _finite(value) for name, value in asdict(self.effects).items()},
            "segment": self.segment,
            "drift": self.drift,
            "reason": self.reason.value,
            "message": self.message,
            "missing": {"reference": _finite(self.reference_missing), "current": _finite(self.current_missing)},
            "tests": [test.to_json() for test in self.tests],
            "bins": [asdict(item) for item in self.bins] if with_bins else [],
        }


@dataclass(frozen=True)
class Sketched:
    """That a check was made on sketches: their errors hold all together but for a probability of ``doubt``."""

    doubt: float
    workers: int


@dataclass(frozen=True)
class DriftReport:
    """The outcome of a check. Columns are ordered worst first."""

    verdict: Verdict
    reason: str
    message: str
    reference_rows: int
    current_rows: int
    significance: float
    columns: tuple[ColumnReport, ...]
    wholes: tuple[WholeTest, ...] = ()
    performance: tuple[Estimate, ...] = ()
    #: Current rows at which the error rate of the predictions rose; None where it can not be known.
    error_rises: tuple[int, ...] | None = None
    measurements: tuple[Measurement, ...] = ()
    sketched: Sketched | None = None

    @property
    def drift(self) -> bool:
        """Whether the verdict is that the data has drifted."""
        return self.verdict is Verdict.FAILED

    @property
    def drifted(self) -> list[str]:
        """What has drifted, worst first: columns, with their segment, then the whole table."""
        return [each.label for each in self.columns if each.drift] + [
            f"{whole.part.value} drift" for whole in self.wholes if whole.drift
        ]

    def to_json(self) -> dict[str, Any]:
        """The report as ``firedrill drift -o json`` prints it; numbers that are not finite become null."""
        return {
            "drift": self.drift,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "message": self.message,
            "rows": {"reference": self.reference_rows, "current": self.current_rows},
            "significance": self.significance,
            "tests": sum(len(column.tests) for column in self.columns)
            + sum(whole.p_value is not None for whole in self.wholes),
            **{whole.part.value: whole.to_json() for whole in self.wholes},
            "performance": {"assumption": ASSUMPTION, "estimates": [asdict(item) for item in self.performance]}
            if self.performance
            else None,
            "sketched": asdict(self.sketched) if self.sketched else None,
            "error_rises_at": list(self.error_rises) if self.error_rises is not None else None,
            "columns": [column.to_json(i < BINS_SHOWN) for i, column in enumerate(self.columns)],
        }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
