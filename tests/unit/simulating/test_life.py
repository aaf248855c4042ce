"""Whether a simulation lives: what the counts of its load and its ledger say."""

from dataclasses import dataclass

import pytest

from firedrill.runner.simulating.life import MIN_REQUESTS, Counts, judge


@dataclass(frozen=True)
class Row:
    name: str
    counts: Counts
    ledger: bool
    failed: str = ""
    undecided: str = ""
    says: str = ""


ROWS = [
    Row("answered", Counts(200, 200), ledger=False, says="100.0% of 200 requests answered"),
    Row("just enough", Counts(MIN_REQUESTS, 95), ledger=False, says="95.0%"),
    Row("too few answered", Counts(200, 189), ledger=False, failed="RequestsFail"),
    Row("too few sent", Counts(MIN_REQUESTS - 1, 99), ledger=False, undecided="TooFewRequests", says="only 99"),
    Row("books agree", Counts(200, 200, 0), ledger=True, says="ledger off by 0 cents"),
    Row("books do not agree", Counts(200, 200, 5), ledger=True, failed="LedgerImbalance", says="off by 5 cents"),
    Row("not reconciled", Counts(200, 200, None), ledger=True, undecided="NotReconciled"),
    Row("failing before the books", Counts(200, 100, 5), ledger=True, failed="RequestsFail"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_counts_say(row: Row) -> None:
    life = judge(row.counts, ledger=row.ledger)
    assert (life.failed, life.undecided) == (row.failed, row.undecided)
    assert row.says in life.message
    decided = not row.failed and not row.undecided
    assert all(m.passed for m in life.measurements) or not decided


@pytest.mark.parametrize(
    ("before", "now", "counted"),
    [
        (Counts(1000, 500), Counts(1150, 650, 0), Counts(150, 150, 0)),
        (Counts(1000, 500), Counts(120, 119, 0), Counts(120, 119, 0)),
        (Counts(), Counts(5, 5), Counts(5, 5)),
    ],
    ids=["earlier failures do not count", "a generator that began anew", "a new one"],
)
def test_only_what_came_since_counts(before: Counts, now: Counts, counted: Counts) -> None:
    assert now.since(before) == counted


def test_a_source_that_fails_is_named() -> None:
    life = judge(Counts(), ledger=False, problem="Prometheus at x: refused")
    assert life.undecided == "TooFewRequests"
    assert "refused" in life.message
