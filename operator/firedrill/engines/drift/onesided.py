"""Values that one of two samples has and the other lacks: more of them than chance leaves there."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Halvings of the range in which the exponent of the bound is looked for; the bound holds wherever it ends.
_HALVINGS: Final = 20


@dataclass(frozen=True)
class OneSided:
    """Values of one sample alone, of the side on which they are less likely by chance.

    ``rows`` is how many rows of it have them, ``effect`` by what share of it that is more than chance (0..1).
    """

    rows: int
    p_value: float
    effect: float


def one_sided(first: Counts, second: Counts, sizes: tuple[int, int]) -> OneSided | None:
    """Whether more rows than by chance have a value that the other sample lacks: on either side, with one p-value.

    ``first`` and ``second`` count the same k values, each there in at least one sample; they need not be all values of
    the samples, whose rows are ``sizes``, neither 0. None where no value is there twice: it is on one side in any case.

    Where nothing changed, each of the n + m rows is as likely on one side as any other, so a value of t rows has all of
    them among the m of one side with q = C(m, t) / C(n + m, t). Rows drawn without replacement are negatively
    associated, and so are these events, which ask for rows of their own (Joag-Dev and Proschan 1983): the moment
    generating function of the rows U of all such values is at most the product of those of each, and Chernoff's bound
    of the tail follows, whatever the number of rows. Both sides are asked, and the smaller p-value is doubled.

    The effect is (U - E[U]) / m. As Good and Turing's estimate of what was not seen, E[U] grows with the values that
    are there once, so a column in which all differ has none. On average it is never above the total variation: with
    shares p and r on the two sides, h of both and Poisson counts, a value adds r e^(-np) - h e^(-nh), which is
    (r - h) e^(-np) + h (e^(-np) - e^(-nh)), and that is at most r - p where r > p, by y (e^-x - e^-y) <= y - x for
    x <= y; else it is below 0.
    """
    total = first + second
    if total.max(initial=0) < 2:
        return None
    times, values = np.unique(total, return_counts=True)
    found = [
        _beyond_chance(int(mine[other == 0].sum()), times, values, size, sum(sizes))
        for mine, other, size in ((second, first, sizes[1]), (first, second, sizes[0]))
    ]
    return OneSided(
        min(found, key=lambda side: side.p_value).rows,
        min(2 * min(side.p_value for side in found), 1.0),
        max(side.effect for side in found),
    )


def _beyond_chance(rows: int, times: Counts, values: Counts, size: int, both: int) -> OneSided:
    """``rows`` of a side of ``size`` of ``both`` rows are of values it has alone; ``values`` of them are there
    ``times`` each."""
    # The logarithm of q; minus infinity where a value has more rows than the side.
    log_q = special.gammaln(size + 1) - special.gammaln(size - times + 1)
    log_q -= special.gammaln(both + 1) - special.gammaln(both - times + 1)
    usual = float(np.sum(values * times * np.exp(log_q)))
    effect = min(max((rows - usual) / size, 0.0), 1.0)
    return OneSided(rows, _chernoff(rows, times, values, log_q) if rows > usual else 1.0, effect)


def _chernoff(rows: int, times: Counts, values: Counts, log_q: Floats) -> float:
    """Bound of the chance of so many rows or more, above their mean: the least of E[exp(s U)] / exp(s rows)."""
    log_rest = np.log(-np.expm1(log_q))
    possible = log_q > -np.inf
    if rows >= int(np.sum((values * times)[possible])):
        # Nothing is beyond: the bound falls all the way to the chance of all values at once.
        return float(np.exp(np.sum((values * log_q)[possible])))

    def at(s: float) -> tuple[float, float]:
        """The logarithm of the moment generating function, and its slope, which grows with s."""
        with_all = log_q + s * times
        logs = np.logaddexp(log_rest, with_all)
        return float(np.sum(values * logs)), float(np.sum(values * times * np.exp(with_all - logs)))

    low, high = 0.0, 1 / float(times[possible].max())
    while at(high)[1] < rows:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle)[1] < rows else (low, middle)
    return float(np.exp(min(at(high)[0] - high * rows, 0.0)))
