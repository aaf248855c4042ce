"""From the counts of a benchmark to a verdict."""

from collections.abc import Sequence

from firedrill.api.performancebenchmark import BenchmarkThresholds, PerformanceBenchmarkSpec
from firedrill.api.verdict import Measurement
from firedrill.engines.benchmark.limits import Check, check_growth, check_phase, check_pods, reaches, saturated
from firedrill.engines.benchmark.ramp import Step, knee
from firedrill.engines.benchmark.report import BenchmarkReport
from firedrill.engines.benchmark.tally import Phase, PodUsage, Tally
from firedrill.engines.benchmark.verdict import Evidence, judge


def held(phase: Phase, limits: BenchmarkThresholds) -> bool | None:
    """Whether good answers keep up with a rate of a ramp, and every limit holds; None where that is open."""
    if not phase.tally.latency.size:
        return None
    if not phase.tally.stopped and not reaches(phase, limits):
        return False
    limited = [check.passed for check in check_phase(phase, limits) if check.limited]
    if False in limited:
        return False
    return None if None in limited or saturated(phase.tally) or phase.tally.stopped else True


def evaluate(
    spec: PerformanceBenchmarkSpec,
    phases: Sequence[Phase],
    warmup: Tally | None,
    usage: PodUsage | None,
) -> BenchmarkReport:
    """Judge what was counted. Never raises for what a server did or did not do."""
    limits = spec.thresholds
    steps: tuple[Step, ...] = ()
    judged = phases[-1] if phases else None
    if spec.load.ramp is not None:
        steps = tuple(Step(phase.rate or 0.0, held(phase, limits)) for phase in phases)
        best = knee(steps)
        # What is said of latency and errors is said of the knee; without one, of the first rate.
        judged = next((phase for phase in phases if phase.rate == best), phases[0] if phases else None)
    checks: tuple[Check, ...] = ()
    if judged is not None and judged.tally.latency.size:
        checks = check_phase(judged, limits)
        if spec.load.ramp is not None:
            checks = (_knee(steps, limits), *checks)
        if spec.load.soak is not None:
            checks = (*checks, check_growth(judged.tally, limits.max_soak_growth))
        if spec.pods is not None:
            checks = (*checks, *check_pods(usage or PodUsage(0, 0, None, None, "nobody looked"), limits))
    decision = judge(Evidence(judged, checks))
    return BenchmarkReport(
        verdict=decision.verdict,
        reason=decision.reason,
        message=decision.message,
        measurements=tuple(check.measurement for check in checks),
        phases=tuple(phases),
        warmup=warmup,
        steps=steps,
        usage=usage,
        workers=spec.workers,
        judged=judged,
    )


def _knee(steps: Sequence[Step], limits: BenchmarkThresholds) -> Check:
    best, limit = knee(steps), limits.min_knee
    broken = min((step.rate for step in steps if step.held is False), default=None)
    open_rates = sorted(step.rate for step in steps if step.held is None)
    passed: bool | None = None
    if limit is not None:
        reached = best is not None and best >= limit
        passed = True if reached else False if broken is not None and broken <= limit else None
    phrase = f"limits hold up to {best:.4g} requests a second" if best is not None else "limits hold at no rate tried"
    phrase += f", not at {broken:.4g}" if broken is not None else ""
    phrase += f", undecided at {open_rates[0]:.4g}" if open_rates else ""
    text = "" if limit is None else f">= {limit:g}"
    measurement = Measurement(
        name="knee", value=best, unit="1/s", limit=text, passed=passed, detail=phrase, weight=1.0 if text else 0.0
    )
    return Check(measurement, f"{phrase}, limit {text}" if text else phrase)
