"""DriftCheck: does current data still look like the reference?"""

from enum import StrEnum

from pydantic import ConfigDict, Field, model_validator

from firedrill.api.base import Model
from firedrill.api.data import DataSource, ReferenceSource
from firedrill.api.ondrift import OnDrift
from firedrill.api.run import RunSpec
from firedrill.api.window import ColumnName


class Correction(StrEnum):
    """How the p-values of all tests are corrected together."""

    #: Bounds the chance of any false alarm (Holm 1979).
    HOLM = "Holm"
    #: Bounds the expected share of false alarms among the alarms (Benjamini and Hochberg 1995).
    BENJAMINI_HOCHBERG = "BenjaminiHochberg"


class ColumnType(StrEnum):
    """What the values of a column are compared as."""

    NUMERIC = "Numeric"
    CATEGORICAL = "Categorical"
    #: Texts by how many characters they have.
    TEXT_LENGTH = "TextLength"
    #: Dates and times as moments.
    TIME = "Time"
    #: Lists of numbers, all of one length.
    EMBEDDING = "Embedding"


class DriftThresholds(Model):
    """When a difference counts as drift: it must be both significant and large enough to matter."""

    significance: float = Field(
        default=0.05, gt=0, lt=1, description="Chance of any false alarm, over columns, joint and concept together."
    )
    correction: Correction = Field(
        default=Correction.HOLM,
        description="Holm bounds the chance of any false alarm; BenjaminiHochberg their share among all alarms.",
    )
    min_ks_effect: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Least difference in the share of values below a bound, or between two, of a numeric column.",
    )
    min_categorical_effect: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Least total variation distance, less what chance adds, of categories or of what is missing.",
    )
    min_joint_auc: float = Field(
        default=0.55, ge=0.5, le=1, description="Least area under the curve of the classifier that tells sides apart."
    )
    min_loss_change: float = Field(
        default=0.02, ge=0, le=1, description="Least change of the loss at the same features that is concept drift."
    )
    min_rows: int = Field(default=100, ge=10, le=1_000_000, description="Fewer rows on either side: Inconclusive.")


class ColumnSettings(Model):
    """How one column is compared."""

    name: ColumnName = Field(description="Name of the column.")
    type: ColumnType | None = Field(default=None, description="Else by the values.")
    limit: float | None = Field(default=None, ge=0, le=1, description="Least effect that counts here.")
    weight: float = Field(default=1.0, ge=0, le=1000, description="Share of the column in the score.")


class DriftColumns(Model):
    """Which columns are compared, and as what."""

    include: list[ColumnName] = Field(
        default_factory=list,
        max_length=1000,
        description="Only these; else all. Dates are compared only when named here.",
    )
    exclude: list[ColumnName] = Field(default_factory=list, max_length=1000, description="Not these.")
    settings: list[ColumnSettings] = Field(
        default_factory=list,
        max_length=1000,
        description="Type, limit and weight of single columns.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )

    @model_validator(mode="after")
    def _one_setting_a_column(self) -> "DriftColumns":
        names = [each.name for each in self.settings]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ValueError(f"settings names {twice[0]!r} twice")
        return self


class Segments(Model):
    """The same comparison within each value of a column."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    column: ColumnName = Field(description="Column whose values are the segments; it is compared itself as well.")
    max_segments: int = Field(default=10, ge=1, le=50, description="The most frequent values; the rest is told.")


class Rows(Model):
    """What is known of the rows."""

    dependent: bool = Field(
        default=False,
        description="Each row resembles the ones before it, as in a series; p-values then come from permuted blocks.",
    )
    order: ColumnName | None = Field(
        default=None, description="Column that orders dependent rows, such as a time; else they are taken as they come."
    )


class Joint(Model):
    """Whether all columns together tell the sides apart, where no column does by itself."""

    enabled: bool = Field(default=True, description="Train a classifier to tell reference from current.")
    max_rows: int = Field(default=5000, ge=200, le=100_000, description="Rows of each side that it sees.")


class ScaleMode(StrEnum):
    """How tables are compared that may be larger than memory."""

    #: Exact where it fits into the runner's memory, else by sketches.
    AUTO = "Auto"
    #: All values of a column of both sides in memory.
    EXACT = "Exact"
    #: Read in pieces, kept as mergeable sketches whose errors enter the verdict.
    SKETCH = "Sketch"


class Scale(Model):
    """How large tables are read."""

    mode: ScaleMode = Field(
        default=ScaleMode.AUTO,
        description="Exact holds a column of both sides in memory; Sketch reads in pieces, and its errors count; Auto "
        "is Exact where that fits into the memory of the runner and workers is 1, else Sketch.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Pods that share the files and row groups of both tables; their sketches are merged.",
    )

    @model_validator(mode="after")
    def _workers_sketch(self) -> "Scale":
        if self.workers > 1 and self.mode is ScaleMode.EXACT:
            raise ValueError("workers must be 1 with mode Exact: what several workers have seen is merged as sketches")
        return self

    @property
    def always_sketches(self) -> bool:
        """Whether sketches are made however small the tables are."""
        return self.workers > 1 or self.mode is ScaleMode.SKETCH


class DriftCheckSpec(RunSpec):
    """Compares current data with reference data, column by column."""

    reference: ReferenceSource = Field(description="Data as it was when all was well, such as in training.")
    current: DataSource = Field(description="Data as it is now.")
    columns: DriftColumns = Field(default_factory=DriftColumns, description="Columns to compare.")
    thresholds: DriftThresholds = Field(default_factory=DriftThresholds, description="What counts as drift.")
    target: ColumnName | None = Field(
        default=None, description="Column of the true labels: their relation to the features is compared (concept)."
    )
    prediction: ColumnName | None = Field(
        default=None, description="Column of a model's predictions; compared, but not a feature."
    )
    score: ColumnName | None = Field(
        default=None,
        description="Column of the model's probability of the label that sorts last; with target and prediction in "
        "the reference, performance is estimated without current labels.",
    )
    segments: Segments | None = Field(default=None, description="Compare within each value of a column as well.")
    rows: Rows = Field(default_factory=Rows, description="Whether rows depend on each other.")
    joint: Joint = Field(default_factory=Joint, description="Drift of all columns together.")
    on_drift: OnDrift | None = Field(default=None, description="What is started when data has drifted.")
    scale: Scale = Field(default_factory=Scale, description="How tables are read that may be larger than memory.")

    @property
    def crew_size(self) -> int:
        """Pods that share the tables."""
        return self.scale.workers

    @property
    def false_alarm_rate(self) -> float | None:
        """All tests of a run together."""
        return self.thresholds.significance

    @model_validator(mode="after")
    def _segments_have_no_order(self) -> "DriftCheckSpec":
        if self.segments is not None and self.rows.dependent:
            raise ValueError("segments can not be set with rows.dependent: a segment's rows are not one series")
        return self

    @model_validator(mode="after")
    def _sketches_keep_no_rows(self) -> "DriftCheckSpec":
        if self.scale.always_sketches and self.needing_rows:
            fields = ", ".join(self.needing_rows)
            raise ValueError(
                f"{fields} can not be set with scale.mode Sketch or several scale.workers: sketches keep no rows"
            )
        return self

    @property
    def needing_rows(self) -> tuple[str, ...]:
        """Fields that are set and need the rows themselves."""
        profile = self.reference.profile
        fields = {
            "target": self.target is not None,
            "segments": self.segments is not None,
            "rows.dependent": self.rows.dependent,
            "reference.profile.versionColumn": profile is not None and profile.version_column is not None,
        }
        return tuple(field for field, is_set in fields.items() if is_set)
