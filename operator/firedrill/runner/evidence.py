"""What an experiment has seen so far, and the result that follows from it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from firedrill.api.base import format_time
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.record import Change, ChangeState, PacketsDropped, Record
from firedrill.api.task import Result
from firedrill.engines.chaos import measurements, verdict
from firedrill.engines.chaos.observation import Observation
from firedrill.engines.chaos.recovery import Recovery, find_recovery
from firedrill.engines.chaos.samples import Share, between, first_failure, share
from firedrill.engines.chaos.verdict import Ruling
from firedrill.runner import results
from firedrill.runner.context import RunContext
from firedrill.runner.faults.driver import Engine, Fault
from firedrill.runner.precheck import Targets
from firedrill.runner.prober import Prober


class Evidence:
    """Collects, in the order of the experiment; times are those of the context's clock."""

    def __init__(self, context: RunContext, spec: ChaosExperimentSpec, fault: Fault, prober: Prober) -> None:
        self._context = context
        self._spec = spec
        self._fault = fault
        self._prober = prober
        self._started_at = context.clock.now()
        self._timeline: list[dict[str, str]] = []
        self._targets: Targets | None = None
        self._record: Record | None = None
        self._record_error = ""
        self._planned: Sequence[Change] = ()
        self._reverted: Sequence[str] = ()
        self._recovery: Recovery | None = None
        self._cut_short = False
        self._during_end: datetime | None = None
        self.before: Share | None = None

    def note(self, event: str) -> None:
        """Put a line into the timeline of the report."""
        self._timeline.append({"at": format_time(self._context.clock.now()), "event": event})

    def targets(self, found: Targets) -> None:
        """The pods that were chosen."""
        self._targets = found
        self.note(f"{len(found.selected)} of {len(found.matching)} pods were chosen")

    def planned(self, changes: Sequence[Change]) -> None:
        """What would be changed, in a run that changes nothing."""
        self._planned = changes

    def watched_before(self, start: datetime, end: datetime) -> Share:
        """The window before the fault is over."""
        self.before = share(between(self._prober.samples, start, end))
        self.note(f"before the fault: {self.before.describe()}")
        return self.before

    def applied(self, record: Record) -> None:
        """The fault is in place."""
        self._record = record
        self.note(f"the fault is in place: {len(self._applied_times())} changes")

    @property
    def injected(self) -> bool:
        """Whether the fault has taken effect anywhere."""
        return bool(self._applied_times())

    @property
    def fault_start(self) -> datetime:
        """When the first change took effect."""
        return min(self._applied_times())

    @property
    def last_applied(self) -> datetime:
        """When the last change took effect."""
        return max(self._applied_times())

    @property
    def fault_end(self) -> datetime:
        """When the fault had ended everywhere, as far as it is known."""
        record = self._record
        assert record is not None  # asked for once the fault is in place
        undone_at = record.undone_at or self._context.clock.now()
        return max(self._fault.ended_at(change, undone_at) for change in record.changes if change.applied_at)

    def undone(self, record: Record) -> None:
        """What the record says after undoing."""
        self._record = record
        self.note(f"the record is {record.state}: {self.undo_evidence}")

    def undoing_failed(self, error: str) -> None:
        """Whether all is undone could not be read."""
        self._record_error = error
        self.note(f"undoing broke off: {error}")

    def ended(self, hold_end: datetime, reverted: Sequence[str]) -> None:
        """The fault's time is over; ``reverted`` are targets where it had ended before."""
        self._reverted = reverted
        self._during_end = hold_end if self._spec.fault.about.instant else self.fault_end

    @property
    def settled(self) -> bool:
        """Whether everything was seen undone, or nothing was ever recorded."""
        return not self._record_error and (self._record is None or self._record.state.settled)

    @property
    def undo_evidence(self) -> str:
        """How it was seen, or what is missing."""
        if self._record_error or self._record is None:
            return self._record_error
        wanted = self.settled
        lines = [
            f"{change.key}: {change.evidence}"
            for change in self._record.changes
            if (change.state is ChangeState.UNDONE) == wanted
        ]
        more = f"; and {len(lines) - 3} more" if len(lines) > 3 else ""
        return "; ".join(line[:300] for line in lines[:3]) + more

    def look_for_recovery(self) -> bool:
        """Whether the steady state has held for a whole window since the fault's end."""
        state = self._spec.steady_state
        self._recovery = find_recovery(
            self._prober.samples, self.fault_end, state.window, state.min_success_rate, self._prober.observed_until
        )
        if self._recovery:
            self.note(f"the steady state holds again since {format_time(self._recovery.at)}")
        return self._recovery is not None

    def gave_up_watching(self, *, cut_short: bool) -> None:
        """The steady state was not seen; ``cut_short`` when the run's own time was over first."""
        if self._recovery is None:
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
        record = self._record
        assert record is not None  # there is one once the fault is in place
        assert self.before is not None  # watched before anything is injected
        assert self._during_end is not None  # set when the fault's time is over
        hit = [change for change in record.changes if change.applied_at]
        counted = [
            change.dropped_packets
            for change in hit
            if isinstance(change, PacketsDropped) and change.dropped_packets is not None
        ]
        samples = self._prober.samples
        during = between(samples, self.fault_start, self._during_end)
        return Observation(
            spec=self._spec,
            before=self.before,
            during=share(during),
            after=self._recovery.share if self._recovery else self._last_window(),
            fault_start=self.fault_start,
            fault_end=self.fault_end,
            first_failure=first_failure(during, self.fault_start),
            recovery=self._recovery,
            targets=len(hit),
            proven=any(self._fault.proven(change) for change in hit),
            undone=self.settled,
            undo_evidence=self.undo_evidence,
            aborted=self._context.stop.reason,
            reverted=tuple(self._reverted),
            cut_short=self._cut_short,
            dropped_packets=sum(counted) if counted else None,
            engine=self._fault.outcome() if isinstance(self._fault, Engine) else None,
        )

    def _last_window(self) -> Share:
        end = self._prober.observed_until
        return share(between(self._prober.samples, max(self.fault_end, end - self._spec.steady_state.window), end))

    def _applied_times(self) -> list[datetime]:
        changes = self._record.changes if self._record else ()
        return [change.applied_at for change in changes if change.applied_at]

    def _make(self, ruling: Ruling, measured: Sequence[Any], found: Sequence[Any]) -> Result:
        return results.make(
            self._context.task,
            ruling.verdict,
            ruling.reason,
            ruling.message,
            started_at=self._started_at,
            finished_at=self._context.clock.now(),
            measurements=measured,
            findings=found,
            report=self._report(),
            settled=self.settled,
        )

    def _report(self) -> dict[str, Any]:
        targets = self._targets
        report: dict[str, Any] = {
            "timeline": self._timeline,
            "steadyState": self._spec.steady_state.to_wire(),
            "fault": self._spec.fault.to_wire(),
            "samples": {
                "columns": ["secondsSinceStart", "secondsTaken", "good", "detail"],
                "rows": [
                    [round((s.at - self._started_at) / timedelta(seconds=1), 3), round(s.seconds, 4), s.ok, s.detail]
                    for s in self._prober.samples
                ],
            },
        }
        if targets is not None:
            report["targets"] = {
                "matching": [pod.key for pod in targets.matching],
                "selected": [{"pod": pod.key, "uid": pod.uid, "node": pod.node} for pod in targets.selected],
            }
        if self._planned:
            report["planned"] = [
                change.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"body"})
                for change in self._planned
            ]
        if isinstance(self._fault, Engine) and self.injected:
            report["engine"] = self._fault.outcome().report
        if self._record is not None:
            report["record"] = _told(self._record)
        return report


def _told(record: Record) -> dict[str, Any]:
    """The record without what objects held and hold: that may be nobody else's business."""
    wire = record.to_wire()
    for change in wire["changes"]:
        change.pop("body", None)
        for edit in change.get("edits", ()):
            edit.pop("original", None)
            edit.pop("value", None)
    return wire
