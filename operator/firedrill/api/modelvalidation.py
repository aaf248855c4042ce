"""ModelValidation: does a served model still answer rightly and fast?"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from firedrill.api.base import Duration, Model
from firedrill.api.baseline import Baseline, BaselineMode
from firedrill.api.data import DataSource
from firedrill.api.endpoint import ColumnName, ModelEndpoint
from firedrill.api.run import Regression, RunSpec


class ModelTask(StrEnum):
    """What kind of answer is right."""

    CLASSIFICATION = "Classification"
    REGRESSION = "Regression"
    RANKING = "Ranking"
    TEXT = "Text"


class TextMatch(StrEnum):
    """When a text is right."""

    EXACT = "Exact"
    CONTAINS = "Contains"


class LabelledData(Model):
    """Rows with their true labels, which a comparison of two models at once can do without."""

    source: DataSource = Field(description="Where the rows come from.")
    label_column: ColumnName | None = Field(
        default=None,
        description="Column with the truth: a label, a number, a relevance (Ranking), or the golden answer (Text). "
        "Only with a baseline of mode Shadow or Split may there be none.",
    )
    ignore_columns: list[ColumnName] = Field(
        default_factory=list, max_length=1000, description="Not sent to the model."
    )
    group_column: ColumnName | None = Field(
        default=None, description="Ranking: column with the query that a row belongs to; it is not sent."
    )


class Answers(Model):
    """How the values of an answer are read."""

    classes: list[Annotated[str, Field(max_length=128)]] = Field(
        default_factory=list,
        max_length=1000,
        description="Labels in the order of the scores, the positive one last; else 0, 1, 2 and so on.",
    )
    threshold: float | None = Field(
        default=None, description="A single number is the score of the positive class, which it is from here on."
    )
    match: TextMatch = Field(default=TextMatch.EXACT, description="Text: equal but for space and case, or contained.")


class Slices(Model):
    """Parts of the rows that must be right on their own."""

    columns: list[ColumnName] = Field(
        min_length=1, max_length=16, description="Each value of each column is a slice. They may be ignoreColumns."
    )
    min_rows: int = Field(default=30, ge=5, le=1_000_000, description="Slices with fewer rows are not judged.")
    min_accuracy: float | None = Field(default=None, ge=0, le=1, description="Of every slice, simultaneously at 95%.")
    max_mean_error: float | None = Field(default=None, ge=0, description="Regression: mean absolute error of each.")


class DisparityMeasure(StrEnum):
    """What groups are compared by."""

    ACCURACY = "Accuracy"
    POSITIVE_RATE = "PositiveRate"


class Disparity(Model):
    """Groups that must not be treated differently."""

    column: ColumnName = Field(description="Column with the group; it may be among ignoreColumns.")
    measure: DisparityMeasure = Field(default=DisparityMeasure.ACCURACY, description="Accuracy, or share of positives.")
    max_difference: float = Field(ge=0, le=1, description="Between any two groups, simultaneously at 95%.")
    min_rows: int = Field(default=30, ge=5, le=1_000_000, description="Groups with fewer rows are not judged.")


class Robustness(Model):
    """Rows that are not as they should be, and requests that are wrong. Sent after the load, not part of it."""

    rows: int = Field(default=100, ge=10, le=10_000, description="Rows that are tried in each way.")
    noise: float = Field(
        default=0.05, ge=0, le=10, description="Deviation of the noise on numbers, in deviations of their column."
    )
    max_changed: float | None = Field(
        default=None, ge=0, le=1, description="Share of labels that the noise may change."
    )
    min_handled: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of rows with a blank or a value far out of range that are answered, or refused with a 4xx.",
    )
    min_refused: float | None = Field(
        default=None, ge=0, le=1, description="Share of requests that break the schema that are refused with a 4xx."
    )


class ValidationLoad(Model):
    """How requests are sent: an open loop, so that a slow answer does not slow the questions."""

    requests: int = Field(default=500, ge=1, le=1_000_000, description="Measured requests, one row each.")
    warmup: int = Field(default=50, ge=0, le=100_000, description="Requests before, not measured but reported.")
    rate: float = Field(default=50.0, gt=0, le=10_000, description="Requests a second, Poisson arrivals.")
    seed: int = Field(default=1, ge=0, le=2**53, description="Seed of arrivals and of the order of rows.")
    max_in_flight: int = Field(
        default=256, ge=1, le=4096, description="Requests open at once; beyond, the next one waits, and that counts."
    )


class ValidationThresholds(Model):
    """Limits; each that is set is one measurement."""

    min_accuracy: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Passed when the whole 95% interval is at or above, failed when it is wholly below.",
    )
    min_macro_f1: float | None = Field(default=None, ge=0, le=1, description="F1, averaged over labels.")
    min_precision: float | None = Field(default=None, ge=0, le=1, description="Precision of the positive class.")
    min_recall: float | None = Field(default=None, ge=0, le=1, description="Recall of the positive class.")
    min_auc: float | None = Field(default=None, ge=0, le=1, description="Area under the ROC curve; needs scores.")
    max_calibration_error: float | None = Field(
        default=None, ge=0, le=1, description="Expected calibration error; needs scores that are probabilities."
    )
    max_mean_error: float | None = Field(default=None, ge=0, description="Regression: mean absolute error.")
    max_rmse: float | None = Field(default=None, ge=0, description="Regression: root of the mean squared error.")
    min_r2: float | None = Field(default=None, le=1, description="Regression: share of variance explained.")
    min_ndcg: float | None = Field(default=None, ge=0, le=1, description="Ranking: mean NDCG over queries.")
    min_mrr: float | None = Field(default=None, ge=0, le=1, description="Ranking: mean reciprocal rank over queries.")
    max_error_rate: float | None = Field(default=0.01, ge=0, le=1, description="Share of requests that failed.")
    max_p50: Duration | None = Field(
        default=None,
        description="Limit of the median latency. Needs 7 requests, fewer: Inconclusive.",
    )
    max_p95: Duration | None = Field(
        default=None, description="Limit of the 95th percentile of latency. Needs 90 requests."
    )
    max_p99: Duration | None = Field(
        default=None, description="Limit of the 99th percentile of latency. Needs 459 requests."
    )


class ModelValidationSpec(RunSpec):
    """Sends labelled rows to a model and holds answers and latency against limits."""

    endpoint: ModelEndpoint = Field(description="The model under test, as seen from inside the target.")
    dataset: LabelledData = Field(description="Labelled rows.")
    task: ModelTask = Field(default=ModelTask.CLASSIFICATION, description="What kind of answer is right.")
    answers: Answers = Field(default_factory=Answers, description="How answers are read.")
    slices: Slices | None = Field(default=None, description="Parts of the rows that are judged on their own.")
    disparity: Disparity | None = Field(default=None, description="Groups that are compared with each other.")
    baseline: Baseline | None = Field(default=None, description="Another model to compare with.")
    robustness: Robustness | None = Field(default=None, description="Noise, blanks and broken requests.")
    load: ValidationLoad = Field(default_factory=ValidationLoad, description="How requests are sent.")
    regression: Regression | None = Field(default=None, description="Comparison with the last runs.")
    thresholds: ValidationThresholds = Field(default_factory=ValidationThresholds, description="Limits.")

    @model_validator(mode="after")
    def _agrees(self) -> "ModelValidationSpec":
        self._has_time()
        if (self.task is ModelTask.RANKING) != (self.dataset.group_column is not None):
            raise ValueError("task Ranking needs dataset.groupColumn, and no other task has one")
        for name, fields in _OF_TASK.items():
            given = next((field for field in fields if getattr(self.thresholds, field) is not None), None)
            if given is not None and self.task is not name:
                raise ValueError(f"thresholds.{to_camel(given)} needs task: {name}")
        if self.thresholds.min_accuracy is not None and self.task not in (ModelTask.CLASSIFICATION, ModelTask.TEXT):
            raise ValueError(f"thresholds.minAccuracy does not fit task: {self.task}")
        self._comparisons_fit()
        if self.dataset.label_column is None:
            self._without_labels()
        return self

    def _has_time(self) -> None:
        """The last request of each load still has the whole of its own timeout."""
        load = (self.load.requests + self.load.warmup) / self.load.rate
        ours = self.endpoint.timeout.total_seconds()
        theirs = self.baseline.endpoint.timeout.total_seconds() if self.baseline is not None else 0.0
        if self.baseline is None:
            needed, of = load + ours, "endpoint.timeout"
        elif self.baseline.mode is BaselineMode.AFTER:
            needed = 2 * load + ours + theirs
            of = "endpoint.timeout + baseline.endpoint.timeout, with a baseline of mode After the load twice"
        else:
            needed, of = load + max(ours, theirs), "the longer of endpoint.timeout and baseline.endpoint.timeout"
        if needed > self.timeout.total_seconds():
            raise ValueError(
                f"timeout must be at least (load.requests + load.warmup) / load.rate + {of} ({needed:.4g} s)"
            )

    def _without_labels(self) -> None:
        """Without labels, what needs the truth is refused."""
        if self.baseline is None or self.baseline.mode is BaselineMode.AFTER:
            raise ValueError("dataset.labelColumn is missing; only a baseline of mode Shadow or Split needs none")
        of_truth = [*(field for fields in _OF_TASK.values() for field in fields), "min_accuracy"]
        given = [f"thresholds.{to_camel(name)}" for name in of_truth if getattr(self.thresholds, name) is not None]
        given += [name for name in ("slices", "disparity") if getattr(self, name) is not None]
        given += ["baseline.maxLoss"] if self.baseline.max_loss is not None else []
        if given:
            raise ValueError(f"{given[0]} needs dataset.labelColumn")

    def _comparisons_fit(self) -> None:
        """What could never be measured for the task is refused: its limit would stay open in every run."""
        labels = self.task in (ModelTask.CLASSIFICATION, ModelTask.TEXT)
        if self.slices is not None:
            if self.task is ModelTask.RANKING:
                raise ValueError(f"slices does not fit task: {self.task}")
            if self.slices.min_accuracy is not None and not labels:
                raise ValueError(f"slices.minAccuracy does not fit task: {self.task}; set slices.maxMeanError")
            if self.slices.max_mean_error is not None and labels:
                raise ValueError(f"slices.maxMeanError does not fit task: {self.task}; set slices.minAccuracy")
        if self.disparity is not None:
            if not labels:
                raise ValueError(f"disparity does not fit task: {self.task}")
            if self.disparity.measure is DisparityMeasure.POSITIVE_RATE and self.task is ModelTask.TEXT:
                raise ValueError("disparity.measure PositiveRate needs task: Classification")
        if self.baseline is not None and self.task is ModelTask.RANKING:
            raise ValueError(f"baseline does not fit task: {self.task}")
        if self.baseline is not None and self.baseline.min_agreement is not None and not labels:
            raise ValueError(f"baseline.minAgreement does not fit task: {self.task}; set baseline.maxScoreDifference")
        if self.baseline is not None and self.baseline.max_score_difference is not None and self.task is ModelTask.TEXT:
            raise ValueError(f"baseline.maxScoreDifference does not fit task: {self.task}; set baseline.minAgreement")
        if self.robustness is not None and self.robustness.max_changed is not None and not labels:
            raise ValueError(f"robustness.maxChanged does not fit task: {self.task}, whose answers are no labels")


_OF_TASK = {
    ModelTask.CLASSIFICATION: ("min_macro_f1", "min_precision", "min_recall", "min_auc", "max_calibration_error"),
    ModelTask.REGRESSION: ("max_mean_error", "max_rmse", "min_r2"),
    ModelTask.RANKING: ("min_ndcg", "min_mrr"),
}
