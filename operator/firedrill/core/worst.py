"""One verdict of several."""

from collections.abc import Iterable

from firedrill.api.verdict import Verdict

_WORST_FIRST = (Verdict.FAILED, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASSED)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Failed before Error before Inconclusive before Passed; Inconclusive for none at all."""
    seen = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in seen), Verdict.INCONCLUSIVE)
