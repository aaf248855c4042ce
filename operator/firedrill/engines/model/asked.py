"""What a validation asks beside accuracy and speed, with what was collected for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firedrill.api.baseline import Baseline
from firedrill.api.modelvalidation import Answers, Disparity, ModelTask, Robustness, Slices, TextMatch
from firedrill.engines.model.labels import Reading
from firedrill.engines.model.records import RequestLog


@dataclass(frozen=True)
class Tried:
    """Requests of one way to disturb a row, by what came of them; ``example`` is one that was not handled well."""

    kind: str
    tried: int
    good: int
    example: str = ""


@dataclass(frozen=True)
class Asked:
    """Task, reading and comparisons. ``groups`` holds the value of every row for each column that is asked for;
    ``labelled`` says whether rows have a truth at all."""

    task: ModelTask = ModelTask.CLASSIFICATION
    answers: Answers = field(default_factory=Answers)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    query_column: str | None = None
    slices: Slices | None = None
    disparity: Disparity | None = None
    baseline: Baseline | None = None
    baseline_log: RequestLog | None = None
    robustness: Robustness | None = None
    tried: Sequence[Tried] = ()
    labelled: bool = True

    @property
    def reading(self) -> Reading:
        """How answers are read."""
        text = self.task is ModelTask.TEXT
        contains = text and self.answers.match is TextMatch.CONTAINS
        return Reading(tuple(self.answers.classes), self.answers.threshold, text, contains)
