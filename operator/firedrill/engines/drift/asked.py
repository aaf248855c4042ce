"""What is asked of a drift check, whoever asks."""

from dataclasses import dataclass, field

from firedrill.api.driftcheck import DriftCheckSpec, DriftColumns, DriftThresholds, Joint, Rows, Segments
from firedrill.engines.drift.dependent import MIN_ROWS


@dataclass(frozen=True)
class Asked:
    """Everything but the data. The fields are those of the spec."""

    columns: DriftColumns = field(default_factory=DriftColumns)
    thresholds: DriftThresholds = field(default_factory=DriftThresholds)
    target: str | None = None
    prediction: str | None = None
    score: str | None = None
    segments: Segments | None = None
    rows: Rows = field(default_factory=Rows)
    joint: Joint = field(default_factory=Joint)

    @classmethod
    def of(cls, spec: DriftCheckSpec) -> "Asked":
        """What a resource asks for."""
        return cls(
            columns=spec.columns,
            thresholds=spec.thresholds,
            target=spec.target,
            prediction=spec.prediction,
            score=spec.score,
            segments=spec.segments,
            rows=spec.rows,
            joint=spec.joint,
        )

    @property
    def named(self) -> dict[str, list[str]]:
        """Columns that are named, by the field that names them; ``exclude`` may name what is not there."""
        return {
            "columns.include": self.columns.include,
            "columns.settings": [each.name for each in self.columns.settings],
            "target": [self.target] if self.target else [],
            "prediction": [self.prediction] if self.prediction else [],
            "score": [self.score] if self.score else [],
            "segments.column": [self.segments.column] if self.segments else [],
            "rows.order": [self.rows.order] if self.rows.order else [],
        }

    @property
    def min_rows(self) -> int:
        """Rows that each side must have; dependent rows say less, so more of them are needed."""
        return max(self.thresholds.min_rows, MIN_ROWS) if self.rows.dependent else self.thresholds.min_rows

    @property
    def not_features(self) -> set[str]:
        """Columns that a model of the label must not see."""
        return {name for name in (self.target, self.prediction, self.score) if name}
