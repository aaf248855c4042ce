"""DriftCheck: does current data still look like the reference?"""

from pydantic import Field

from firedrill.api.base import Model
from firedrill.api.data import DataSource
from firedrill.api.run import RunSpec
from firedrill.api.window import ColumnName


class DriftThresholds(Model):
    """When a difference counts as drift: it must be both significant and large enough to matter."""

    significance: float = Field(default=0.05, gt=0, lt=1, description="Family-wise error rate over all columns (Holm).")
    min_ks_effect: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Least Kolmogorov-Smirnov distance, of the values of a numeric column or of their spread.",
    )
    min_categorical_effect: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Least Cramér's V of a categorical column, or of the share of missing values.",
    )
    min_rows: int = Field(default=100, ge=10, le=1_000_000, description="Fewer rows on either side: Inconclusive.")


class DriftColumns(Model):
    """Which columns are compared, and as what."""

    include: list[ColumnName] = Field(
        default_factory=list,
        max_length=1000,
        description="Only these; else all. Dates are compared only when named here.",
    )
    exclude: list[ColumnName] = Field(default_factory=list, max_length=1000, description="Not these.")
    categorical: list[ColumnName] = Field(
        default_factory=list, max_length=1000, description="Numeric columns that are codes, not quantities."
    )


class DriftCheckSpec(RunSpec):
    """Compares current data with reference data, column by column."""

    reference: DataSource = Field(description="Data as it was when all was well, such as in training.")
    current: DataSource = Field(description="Data as it is now.")
    columns: DriftColumns = Field(default_factory=DriftColumns, description="Columns to compare.")
    thresholds: DriftThresholds = Field(default_factory=DriftThresholds, description="What counts as drift.")
