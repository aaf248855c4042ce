"""Statistics of a column within bounds, judged by their intervals.

Mean: Student's t. Standard deviation: Bonett, Approximate confidence interval for standard deviation of nonnormal
distributions, Computational Statistics & Data Analysis 50 (2006) 775. Quantiles: order statistics, whose ranks are
binomial. Shares: Wilson.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from firedrill.api.datachecks import Between, DistributionCheck
from firedrill.engines.pipeline.columns import as_numbers, is_in
from firedrill.engines.pipeline.finding import Finding
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.table import missing

Floats = NDArray[np.float64]
#: Fewer values have no interval of their standard deviation: from ten on, it holds what it promises for normal ones.
_FEW: Final = 10
#: The share of values that may differ from a sample of equal ones: with a confidence of 0.95 it takes 299 of them.
_OTHERS: Final = 0.01


@dataclass(frozen=True)
class Estimate:
    """A statistic with its interval; an end that too few rows leave open is infinite."""

    value: float
    low: float
    high: float


def distribution(check: DistributionCheck, subject: Subject) -> list[Finding]:
    """One finding for each statistic that is bounded."""
    column, name = subject.data.column(check.column), check.column
    found = []
    if check.mean or check.standard_deviation or check.quantiles:
        numbers, not_numbers = as_numbers(column)
        floats = pc.drop_null(numbers.cast(pa.float64(), safe=False)).to_numpy()
        values: Floats = floats[np.isfinite(floats)]
        odd = int(np.count_nonzero(np.isinf(floats)))
        odd += int(pc.sum(not_numbers).as_py() or 0) if not_numbers is not None else 0
        if odd:
            return [*_odd(check, odd, len(values)), *_shares(check, column)]
        if check.mean:
            found.append(_judged(f"mean({name})", mean(values, check.confidence), check.mean, len(values), check))
        if check.standard_deviation:
            estimate = deviation(values, check.confidence)
            found.append(_judged(f"standardDeviation({name})", estimate, check.standard_deviation, len(values), check))
        ordered = np.sort(values) if check.quantiles else values
        for each in check.quantiles:
            estimate = quantile(ordered, each.q, check.confidence)
            found.append(_judged(f"quantile {each.q:g}({name})", estimate, each, len(values), check))
    return [*found, *_shares(check, column)]


def _shares(check: DistributionCheck, column: Any) -> list[Finding]:
    if not check.shares:
        return []
    gone = missing(column)
    looked_at = len(column) - int(pc.sum(gone).as_py() or 0)
    found = []
    for bound in check.shares:
        count = int(pc.sum(pc.and_not(is_in(column, [bound.value]), gone)).as_py() or 0)
        estimate = share(count, looked_at, check.confidence)
        name = f"share of {bound.value}({check.column})"
        found.append(_judged(name, estimate, bound, looked_at, check, "ratio"))
    return found


def _odd(check: DistributionCheck, odd: int, numbers: int) -> list[Finding]:
    """Statistics of some of the values say nothing of them all: undecided where any is no finite number."""
    asked: list[tuple[str, Between]] = []
    if check.mean:
        asked.append(("mean", check.mean))
    if check.standard_deviation:
        asked.append(("standardDeviation", check.standard_deviation))
    asked += [(f"quantile {each.q:g}", each) for each in check.quantiles]
    detail = f"{odd} of {odd + numbers} values are no finite numbers"
    return [
        Finding(f"{what}({check.column})", None, "", limit_text(bound.min, bound.max), None, detail)
        for what, bound in asked
    ]


def mean(values: Floats, confidence: float) -> Estimate | None:
    """The mean with its interval; None of fewer than two values, or of too few that are all equal."""
    from scipy import stats

    if len(values) < 2 or _tells_nothing(values, confidence):
        return None
    value, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return Estimate(value, value - half, value + half)


def deviation(values: Floats, confidence: float) -> Estimate | None:
    """The standard deviation with its interval; None of fewer than ten values, or of too few that are all equal."""
    from scipy import stats

    n, z = len(values), float(stats.norm.ppf((1 + confidence) / 2))
    if n < _FEW or z >= n or _tells_nothing(values, confidence):
        return None
    variance = float(np.var(values, ddof=1))
    # Of equal values, rounding may leave a little.
    if variance == 0 or values.min() == values.max():
        return Estimate(0.0, 0.0, 0.0)
    centred = values - np.mean(values)
    # A trimmed mean as the centre makes the kurtosis of skewed values less too small.
    middle = float(stats.trim_mean(centred, 1 / (2 * math.sqrt(n - 4))))
    kurtosis = n * float(np.sum((centred - middle) ** 4)) / float(np.sum(centred**2)) ** 2
    small = n / (n - z)
    error = small * math.sqrt(max(kurtosis - (n - 3) / n, 0.0) / (n - 1))
    value, middle_log = math.sqrt(variance), math.log(small * variance)
    low, high = (math.exp((middle_log + side * z * error) / 2) for side in (-1, 1))
    # Rounding and the correction for few values must not put the value itself outside.
    return Estimate(value, min(low, value), max(high, value))


def _tells_nothing(values: Floats, confidence: float) -> bool:
    """Whether values are all equal, and too few to say that nearly all others are.

    Equal values have no spread to make an interval of. Whatever the distribution, n of them show that at most a share
    s of all values differ, where (1 - s)^n is 1 - confidence.
    """
    return len(values) < math.log(1 - confidence) / math.log(1 - _OTHERS) and bool(values.min() == values.max())


def quantile(ordered: Floats, q: float, confidence: float) -> Estimate | None:
    """A quantile of sorted values with its interval; None of no values."""
    from scipy import stats

    n = len(ordered)
    if n == 0:
        return None
    # The true quantile is below the k-th smallest value (k from 1) with probability P(Binomial(n, q) < k).
    low = int(stats.binom.ppf((1 - confidence) / 2, n, q))
    high = int(stats.binom.ppf((1 + confidence) / 2, n, q)) + 1
    # At the ends, only enough values bring an order statistic beyond the quantile.
    below = float(ordered[low - 1]) if low >= 1 else -math.inf
    above = float(ordered[high - 1]) if high <= n else math.inf
    return Estimate(float(np.quantile(ordered, q)), below, above)


def share(count: int, of: int, confidence: float) -> Estimate | None:
    """A share with its interval; None of nothing."""
    from scipy import stats

    if of == 0:
        return None
    z, p = float(stats.norm.ppf((1 + confidence) / 2)), count / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    # Rounding must not put the share itself outside.
    return Estimate(p, min(max(middle - half, 0.0), p), max(min(middle + half, 1.0), p))


def _judged(
    name: str, found: Estimate | None, bound: Between, rows: int, check: DistributionCheck, unit: str = ""
) -> Finding:
    limit = limit_text(bound.min, bound.max)
    if found is None:
        return Finding(name, None, unit, limit, None, f"too few values, or too few that are all equal: {rows}")
    low = -math.inf if bound.min is None else bound.min
    high = math.inf if bound.max is None else bound.max
    passed: bool | None = None
    if low <= found.low and found.high <= high:
        passed = True
    elif found.high < low or found.low > high:
        passed = False
    interval = f"{check.confidence:.3g} interval {found.low:.6g} to {found.high:.6g}"
    return Finding(name, found.value, unit, limit, passed, f"{interval}, {rows} values")


def limit_text(low: float | None, high: float | None) -> str:
    """Bounds as a limit is written."""
    if low is None:
        return f"<= {high:g}"
    return f">= {low:g}" if high is None else f">= {low:g} and <= {high:g}"
