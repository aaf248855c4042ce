"""What an experiment has seen so far, and the result that follows from it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from firedrill.api.base import format_time
from firedrill.api.changes import Change, PacketsDropped
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.record import Record
from firedrill.api.task import Result
from firedrill.engines.chaos import measurements, verdict
from firedrill.engines.chaos.aborting import AbortLook
from firedrill.engines.chaos.audit import audit, audit_findings
from firedrill.engines.chaos.observation import Observation
from firedrill.engines.chaos.recovery import find_recovery
from firedrill.engines.chaos.rounds import Round
from firedrill.engines.chaos.samples import Share, joined
from firedrill.engines.chaos.verdict import Ruling
from firedrill.runner import reporting, results
from firedrill.runner.context import RunContext
from firedrill.runner.judging import Spans, judged
from firedrill.runner.panel import Panel, share_of
from firedrill.runner.planned import Part
from firedrill.runner.precheck import Targets
from firedrill.runner.prober import Prober
from firedrill.runner.repetition import Repetition

#: More pods are not named in a line of the timeline.
_NAMED: Final = 8


class Evidence:
    """Collects, in the order of the experiment; times are those of the context's clock."""

    def __init__(self, context: RunContext, spec: ChaosExperimentSpec, panel: Panel) -> None:
        self._context = context
        self._spec = spec
        self._panel = panel
        self._prober = panel.steady
        self._started_at = context.clock.now()
        self._timeline: list[dict[str, str]] = []
        self._targets: Mapping[str, Targets] = {}
        self._record: Record | None = None
        self._record_error = ""
        #: What would be changed, in a run that changes nothing.
        self.planned: Sequence[Change] = ()
        self._reverted: list[str] = []
        self._cut_short = False
        self._before_window: tuple[datetime, datetime] | None = None
        self._repetitions = [self._repetition()]
        self.before: Share | None = None
        #: Whether a fault was in place as a whole.
        self.in_place = False
        #: Reason and sentence of what broke the run off after that.
        self.broken: tuple[str, str] | None = None
        self.abort_met = ""
        self.aborts: Sequence[AbortLook] = ()

    def note(self, event: str) -> None:
        """Put a line into the timeline of the report."""
        self._timeline.append({"at": format_time(self._context.clock.now()), "event": event})

    def targets(self, found: Mapping[str, Targets]) -> None:
        """The pods that were chosen, by step."""
        self._targets = found
        for name, each in found.items():
            self.note(f"{_of(name)}{len(each.selected)} of {len(each.matching)} pods were chosen")

    def watched_before(self, start: datetime, end: datetime) -> Share:
        """The window before the fault is over."""
        self._before_window = (start, end)
        self.before = share_of(self._prober, start, end)
        self.note(f"before the fault: {self.before.describe()}")
        return self.before

    def share_before(self, prober: Prober) -> Share:
        """What another probe had answered by then."""
        assert self._before_window is not None  # asked for when it is over
        return share_of(prober, *self._before_window)

    def begins(self, parts: Sequence[Part]) -> None:
        """These parts are about to be carried out."""
        self._repetitions[-1].begin(parts, self._context.clock.now())

    def applied(self, record: Record, parts: Sequence[Part]) -> None:
        """The fault of these parts is in place."""
        self._record = record
        self.in_place = True
        for part in parts:
            made = [change for change in record.changes if change.step == part.key and change.applied_at]
            self.note(f"{_of(part.key)}the fault is in place: {len(made)} changes")

    def followed(self, record: Record, pods: Sequence[str]) -> None:
        """The fault was brought to pods that have come since."""
        self._record = record
        self.note(f"the fault has followed to {', '.join(pods[:_NAMED])}{' and more' if len(pods) > _NAMED else ''}")

    @property
    def fault_start(self) -> datetime:
        """When the first change of this repetition took effect."""
        return min(self._last.applied_times(self._record))

    @property
    def last_applied(self) -> datetime:
        """When the last change of this repetition took effect."""
        return max(self._last.applied_times(self._record))

    @property
    def fault_end(self) -> datetime:
        """When the fault had ended everywhere, as far as it is known."""
        assert self._record is not None  # asked for once the fault is in place
        return self._last.fault_end(self._record, self._context.clock.now())

    def ends(self, now: datetime) -> None:
        """A fault is about to be ended by us."""
        self._repetitions[-1].first_end = self._repetitions[-1].first_end or now

    def reverted(self, keys: Sequence[str]) -> None:
        """Targets where somebody else has ended the fault before we did."""
        self._reverted.extend(keys)

    def step_undone(self, record: Record, parts: Sequence[Part]) -> None:
        """A step was seen undone while the run goes on, and with it what has followed it."""
        self._record = record
        now = self._context.clock.now()
        self._repetitions[-1].undone_at.update({part.key: now for part in parts})
        self.note(f"{_of(parts[0].key)}undone")

    def undone(self, record: Record) -> None:
        """What the record says after undoing."""
        self._record = record
        self.note(f"the record is {record.state}: {self.undo_evidence}")

    def undoing_failed(self, error: str) -> None:
        """Whether all is undone could not be read."""
        self._record_error = error
        self.note(f"undoing broke off: {error}")

    def ended(self, hold_end: datetime) -> None:
        """The fault's time is over in this repetition."""
        self._last.during_end = hold_end if self._last.instant else self.fault_end

    def next_repetition(self) -> None:
        """Another repetition begins."""
        self._repetitions.append(self._repetition())
        self.note(f"repetition {len(self._repetitions)}")

    @property
    def settled(self) -> bool:
        """Whether everything was seen undone, or nothing was ever recorded."""
        return not self._record_error and (self._record is None or self._record.state.settled)

    @property
    def undo_evidence(self) -> str:
        """How it was seen, or what is missing."""
        if self._record_error or self._record is None:
            return self._record_error
        return reporting.undone_how(self._record, settled=self.settled)

    def look_for_recovery(self) -> bool:
        """Whether the steady state has held for a whole window since the fault's end."""
        state = self._spec.steady_state
        self._last.recovery = find_recovery(
            self._prober.samples, self.fault_end, state.window, state.min_success_rate, self._prober.observed_until
        )
        if self._last.recovery:
            self.note(f"the steady state holds again since {format_time(self._last.recovery.at)}")
        self._last.watched = self._last.recovery is not None
        return self._last.watched

    @property
    def was_watched(self) -> bool:
        """Whether recovery from the last fault was watched for to its end."""
        return self._last.watched

    @property
    def recovered(self) -> bool:
        """Whether it was seen in this repetition."""
        return self._last.recovery is not None

    def gave_up_watching(self, *, cut_short: bool) -> None:
        """The steady state was not seen; ``cut_short`` when the run's own time was over first."""
        self._last.watched = True
        if self._last.recovery is None:
            self._cut_short = cut_short
            self.note("gave up watching for the steady state")

    def not_begun(self, ruling: Ruling) -> Result:
        """The result of a run that ended before its fault was in place everywhere."""
        if not self.settled:
            ruling = verdict.not_undone(self.undo_evidence)
        limit = self._spec.steady_state.min_success_rate
        measured = [measurements.measure_before(self.before, limit)] if self.before else []
        return self._make(ruling, measured, measurements.not_injected(ruling.reason, ruling.message))

    def result(self) -> Result:
        """The result of a run whose fault was in place."""
        seen = self._observation()
        return self._make(verdict.rule(seen), measurements.measure(seen), measurements.findings(seen))

    def _observation(self) -> Observation:
        record, before = self._record, self.before
        assert record is not None  # there is one once the fault is in place
        assert before is not None  # watched before anything is injected
        hit = [(each, change) for each in self._repetitions for change in each.hit(record)]
        filters = [change for _, change in hit if isinstance(change, PacketsDropped)]
        counted = [change.dropped_packets for change in filters if change.dropped_packets is not None]
        proven = {change.step for each, change in hit if each.fault_of(change).proven(change)}
        seen = self._rounds()
        last = seen[-1]
        during = joined(each.during for each in seen)
        return Observation(
            spec=self._spec,
            before=before,
            during=during,
            after=last.recovery.share if last.recovery else self._last_window(),
            fault_start=last.fault_start,
            fault_end=last.fault_end,
            first_failure=last.first_failure,
            recovery=last.recovery,
            targets=len(hit),
            proven=bool(proven),
            undone=self.settled,
            undo_evidence=self.undo_evidence,
            aborted=self._context.stop.reason,
            reverted=tuple(self._reverted),
            cut_short=self._cut_short,
            dropped_packets=sum(counted) if counted else None,
            broken=self.broken,
            abort_met=self.abort_met,
            judged=tuple(judged(self._spec, self._panel, self._spans(seen), self.aborts, seen)),
            unproven=tuple(
                dict.fromkeys(
                    change.step
                    for each, change in hit
                    if change.step not in {*proven, ""} and not each.parts[change.step].follows
                )
            ),
            healing_seconds=last.healing_seconds,
            engine=self._last.engine(record),
        )

    def _rounds(self) -> list[Round]:
        """All repetitions in which a fault took effect."""
        assert self._record is not None  # asked for once the fault is in place
        record, now, state = self._record, self._context.clock.now(), self._spec.steady_state
        return [each.seen(record, self._prober, state, now) for each in self._repetitions if each.hit(record)]

    def _spans(self, seen: Sequence[Round]) -> Spans:
        assert self._before_window is not None  # watched before anything is injected
        now, window, last = self._context.clock.now(), self._spec.steady_state.window, seen[-1]
        ends = [each.during_end or now for each in self._repetitions]
        end = self._panel.observed_until
        return Spans(
            before=self._before_window,
            during=[(each.fault_start, ended) for each, ended in zip(seen, ends, strict=False)],
            after=(last.recovery.at, last.recovery.at + window)
            if last.recovery
            else (max(last.fault_end, end - window), end),
        )

    def _last_window(self) -> Share:
        end = self._prober.observed_until
        return share_of(self._prober, max(self.fault_end, end - self._spec.steady_state.window), end)

    @property
    def _last(self) -> Repetition:
        """The last repetition that has come to anything; the one that goes on, where none has."""
        begun = [each for each in self._repetitions if each.hit(self._record)]
        return begun[-1] if begun else self._repetitions[-1]

    def _repetition(self) -> Repetition:
        return Repetition(instant=all(fault.about.instant for fault in self._spec.faults))

    def _make(self, ruling: Ruling, measured: Sequence[Any], found: Sequence[Any]) -> Result:
        return results.make(
            self._context.task,
            ruling.verdict,
            ruling.reason,
            ruling.message,
            started_at=self._started_at,
            finished_at=self._context.clock.now(),
            measurements=measured,
            findings=[*found, *audit_findings(self._spec)],
            report=self._report(),
            settled=self.settled,
        )

    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = {
            "timeline": self._timeline,
            **reporting.asked_for(self._spec),
            "safety": audit(self._context.task, self._spec),
            "samples": reporting.sampled(self._prober.samples, self._started_at),
        }
        if self._panel.probes:
            report["samplesOfProbes"] = {
                name: reporting.sampled(prober.samples, self._started_at) for name, prober in self._panel.probes.items()
            }
        if self._targets:
            report.update(reporting.aimed_at(self._targets))
        if self.planned:
            report["planned"] = reporting.would_change(self.planned)
        if self._spec.repeat and self.in_place:
            report["repetitions"] = reporting.repeated(self._rounds())
        engine = self._last.engine(self._record) if self.in_place else None
        if engine:
            report["engine"] = engine.report
        if self._record is not None:
            report["record"] = reporting.told(self._record)
        return report


def _of(name: str) -> str:
    return f"step {name}: " if name else ""
