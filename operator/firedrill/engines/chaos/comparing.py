"""Before the fault against during it, by tests of two samples: worse by chance, by a little, or by too much."""

from collections.abc import Sequence

from firedrill.api.shape import Compare
from firedrill.api.verdict import Measurement
from firedrill.engines.chaos import statistics
from firedrill.engines.chaos.judged import Judged
from firedrill.engines.chaos.samples import MIN_SAMPLES, Share
from firedrill.engines.chaos.statistics import Difference

WORSE = "WorseThanBefore"
UNDECIDED = "DifferenceUndecided"


def judge(
    compare: Compare | None, before: Share, during: Share, good_before: Sequence[float], good_during: Sequence[float]
) -> list[Judged]:
    """A measurement for each comparison that is asked for. The last two are seconds that good answers took.

    Failed takes both: the test says that it is worse, and the effect is beyond its limit. Passed takes that the whole
    interval of the effect lies within the limit. In between there are too few samples to tell.
    """
    found: list[Judged] = []
    if compare is None:
        return found
    confidence = 1 - compare.significance
    if compare.success_rate is not None:
        enough = before.enough and during.enough
        difference = statistics.drop(before, during, confidence) if enough else None
        detail = (
            f"{before.good} of {before.count} good before, {during.good} of {during.count} during; "
            "Newcombe's interval, Fisher's exact test"
        )
        limit = compare.success_rate.max_drop
        found.append(_judged("successRateDrop", difference, limit, "ratio", detail, compare.significance))
    if compare.latency is not None:
        enough = min(len(good_before), len(good_during)) >= MIN_SAMPLES
        shift = statistics.rise(good_before, good_during, confidence) if enough else None
        detail = f"{len(good_before)} good answers before, {len(good_during)} during; Hodges-Lehmann, Mann-Whitney"
        limit = compare.latency.max_increase.total_seconds()
        found.append(_judged("latencyRise", shift, limit, "s", detail, compare.significance))
    return found


def _judged(
    name: str, difference: Difference | None, limit: float, unit: str, detail: str, significance: float
) -> Judged:
    told = f"{detail}; fewer than {MIN_SAMPLES} in one of them"
    if difference is not None:
        interval = difference.interval
        told = (
            f"{100 * interval.confidence:g} % interval {interval.low:.4g} to {interval.high:.4g}, "
            f"p = {difference.p_value:.3g}; {detail}"
        )
    measured = Measurement(
        name=name,
        value=difference.interval.estimate if difference else None,
        unit=unit,
        limit=f"<= {limit:g}",
        passed=_decided(difference, limit, significance),
        detail=told,
    )
    return Judged(measured, WORSE, UNDECIDED)


def _decided(difference: Difference | None, limit: float, significance: float) -> bool | None:
    if difference is None:
        return None
    if difference.p_value < significance and difference.interval.estimate > limit:
        return False
    return True if difference.interval.high <= limit else None
