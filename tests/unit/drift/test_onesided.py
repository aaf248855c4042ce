"""Values of one side alone: what is replaced is found, and chance is not taken for it."""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from firedrill.api.driftcheck import Joint, Rows
from firedrill.engines.drift import Asked, DriftReport, check
from firedrill.engines.drift.contingency import compare_counts
from firedrill.engines.drift.onesided import one_sided
from firedrill.engines.drift.sketch import Room, check_sketches, sketch_table
from firedrill.engines.drift.table import TableColumns

Names = np.ndarray


def drawn(rng: np.random.Generator, rows: int, values: int, first: int = 0) -> Names:
    return first + rng.integers(0, values, rows)


def counted(reference: Names, current: Names) -> tuple[np.ndarray, np.ndarray]:
    values, places = np.unique(np.concatenate([reference, current]), return_inverse=True)
    before, now = places[: len(reference)], places[len(reference) :]
    return np.bincount(before, minlength=len(values)), np.bincount(now, minlength=len(values))


def replaced(rng: np.random.Generator, names: Names, share: float, values: int) -> Names:
    return np.where(rng.random(len(names)) < share, drawn(rng, len(names), values, 10**6), names)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("values", "others", "rows", "share"),
    [
        pytest.param(1500, 4500, (20_000, 1000), 1.0, id="every row has a new value, of about one row each"),
        pytest.param(1500, 300, (20_000, 1000), 1.0, id="every row, too rare for a table"),
        pytest.param(1500, 1500, (20_000, 1000), 0.5, id="half of the rows"),
        pytest.param(1500, 1500, (20_000, 1000), 0.2, id="a fifth"),
        pytest.param(1500, 20, (20_000, 1000), 0.2, id="of few new values"),
    ],
)
def test_rare_values_that_are_replaced_by_others_are_found(
    values: int, others: int, rows: tuple[int, int], share: float, swapped: bool
) -> None:
    rng = np.random.default_rng(3)
    before, now = drawn(rng, rows[0], values), replaced(rng, drawn(rng, rows[1], values), share, others)
    outcome = compare_counts(*counted(now, before) if swapped else counted(before, now))
    assert outcome is not None
    assert outcome.by_rare
    assert outcome.p_value < 1e-6
    assert 0.8 * share < outcome.effect <= 1.15 * share


@pytest.mark.parametrize(
    ("values", "n", "m"),
    [(10**6, 2000, 2000), (10**6, 20_000, 500), (1500, 20_000, 1000), (1500, 1000, 20_000), (300, 400, 400)],
)
def test_values_that_are_not_seen_by_chance_make_no_effect(values: int, n: int, m: int) -> None:
    rng = np.random.default_rng(4)
    effects = []
    for _ in range(20):
        found = one_sided(*counted(drawn(rng, n, values), drawn(rng, m, values)), (n, m))
        effects.append(found.effect if found else 0.0)
    assert np.mean(effects) < 0.02


@pytest.mark.parametrize(("n", "m"), [(1000, 1000), (5000, 200), (200, 5000)])
def test_identifiers_say_nothing_and_a_few_that_come_twice_next_to_nothing(n: int, m: int) -> None:
    before, now = np.arange(n), 10**6 + np.arange(m)
    assert one_sided(*counted(before, now), (n, m)) is None
    for side in (before, now):
        side[: len(side) // 50] = side[len(side) // 50 : 2 * (len(side) // 50)]
    outcome = compare_counts(*counted(before, now))
    assert outcome is not None
    assert outcome.effect < 0.05


@pytest.mark.parametrize(
    ("totals", "m"),
    [
        pytest.param([2] * 300, 300, id="pairs"),
        pytest.param([1] * 200 + [2] * 50 + [9] * 20, 60, id="few rows of a side"),
        pytest.param([1, 2, 3, 5, 8] * 12, 200, id="many"),
        pytest.param([*range(1, 30)], 400, id="all different"),
    ],
)
def test_level_holds_when_rows_are_given_to_sides_at_random(totals: list[int], m: int) -> None:
    rng, runs = np.random.default_rng(6), 600
    rows = np.repeat(np.arange(len(totals)), totals)
    found = []
    for _ in range(runs):
        now = np.bincount(rng.permutation(rows)[:m], minlength=len(totals))
        outcome = one_sided(np.array(totals) - now, now, (len(rows) - m, m))
        assert outcome is not None
        found.append(outcome.p_value)
    for level in (0.05, 0.005):
        assert np.sum(np.array(found) < level) <= stats.binom.ppf(0.999, runs, level)


@pytest.mark.parametrize(("totals", "m"), [([2, 2, 3], 3), ([1, 1, 2, 4], 4), ([2, 2, 2, 2, 1], 5), ([3, 3, 1], 2)])
def test_p_value_is_never_below_the_exact_one(totals: list[int], m: int) -> None:
    values, rows = np.repeat(np.arange(len(totals)), totals), sum(totals)
    seen = []
    for chosen in combinations(range(rows), m):
        now = np.bincount(values[list(chosen)], minlength=len(totals))
        before = np.array(totals) - now
        outcome = one_sided(before, now, (rows - m, m))
        assert outcome is not None
        seen.append((int(now[before == 0].sum()), int(before[now == 0].sum()), outcome.p_value))
    ours, theirs = (np.array([each[i] for each in seen]) for i in (0, 1))
    for u, g, p_value in seen:
        assert p_value >= min(np.mean(ours >= u), np.mean(theirs >= g)) - 1e-9
    for level in {p_value for *_, p_value in seen}:
        assert np.mean([p_value <= level for *_, p_value in seen]) <= level + 1e-9


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=30))
def test_sides_may_be_swapped_and_all_is_between_0_and_1(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array([pair[i] for pair in pairs if sum(pair)], dtype=np.int64) for i in (0, 1))
    n, m = int(first.sum()), int(second.sum())
    if not n or not m:
        return
    found, back = one_sided(first, second, (n, m)), one_sided(second, first, (m, n))
    assert (found is None) == (back is None)
    if found is not None and back is not None:
        assert 0 <= found.p_value <= 1
        assert 0 <= found.effect <= max(second[first == 0].sum() / m, first[second == 0].sum() / n)
        assert back.p_value == pytest.approx(found.p_value, rel=1e-9)
        assert back.effect == pytest.approx(found.effect, abs=1e-12)


def texts(names: Names) -> pa.Table:
    return pa.table({"merchant": [f"m{name}" for name in names], "x": np.zeros(len(names))})


def by_sketches(before: pa.Table, now: pa.Table) -> DriftReport:
    names, asked = before.column_names, Asked()
    made = [sketch_table(names, [TableColumns(side)], names, asked.columns, Room()) for side in (before, now)]
    return check_sketches(made[0], made[1], asked)


@pytest.mark.parametrize("compare", [check, by_sketches])
def test_a_column_that_is_too_rare_for_a_table_drifts_when_it_is_replaced(compare: object) -> None:
    rng = np.random.default_rng(5)
    before = texts(np.arange(20_000) % 1500)
    for others, reason in ((300, "ValuesChanged"), (0, "AllValuesRare")):
        now = texts(10**6 + np.arange(1000) % others if others else rng.permutation(20_000)[:1000] % 1500)
        report = compare(before, now)  # type: ignore[operator]
        column = next(each for each in report.columns if each.name == "merchant")
        assert column.reason == reason
        assert column.drift == bool(others)
        assert [test.test for test in column.tests] == ["rare-values"]
        assert not column.bins


def test_identifiers_of_dependent_rows_are_left_as_they_are() -> None:
    before, now = np.arange(6000) // 2, 10**6 + np.arange(2000) // 2
    report = check(texts(before), texts(now), Asked(rows=Rows(dependent=True)))
    column = next(each for each in report.columns if each.name == "merchant")
    assert column.reason == "AllValuesRare"
    assert not column.tests


def column_of(reference: Names, current: Names) -> tuple[str, bool]:
    sides = [pa.table({"v": [f"v{each}" for each in side]}) for side in (reference, current)]
    (found,) = check(sides[0], sides[1], Asked(joint=Joint(enabled=False))).columns
    return found.reason.value, found.drift


def test_sessions_that_end_within_the_reference_have_not_been_replaced() -> None:
    """In their order, the later half of the reference has others than the earlier; shuffled, nobody can know."""
    rng = np.random.default_rng(8)
    sessions = np.repeat(np.arange(4000), 3)
    before, now = sessions[:9000], sessions[9000:]
    assert column_of(before, now) == ("AllValuesRare", False)
    assert column_of(rng.permutation(before), now) == ("ValuesChanged", True)


def test_merchants_that_stay_for_all_of_the_reference_have_been_replaced() -> None:
    rng = np.random.default_rng(9)
    before, now = drawn(rng, 20_000, 1500), drawn(rng, 1000, 1500, 10**6)
    assert column_of(before, now) == ("ValuesChanged", True)


@pytest.mark.parametrize(
    "form",
    [
        "%m/%d/%Y %H:%M",
        "%d.%m.%Y %H:%M",
        "%m/%d/%Y %I:%M %p",
        "%d/%b/%Y:%H:%M +0000",
        "%Y%m%dT%H%M",
        "%d-%b-%Y",
        "%Y/%m/%d",
    ],
)
def test_times_as_texts_of_another_day_have_not_been_replaced(form: str) -> None:
    rng = np.random.default_rng(5)
    days = [np.datetime64("2024-03-05") + rng.integers(0, 1440, rows).astype("m8[m]") for rows in (20_000, 1000)]
    days[1] = days[1] + np.timedelta64(1, "D")
    sides = [pa.table({"t": [each.item().strftime(form) for each in side.astype("M8[m]")]}) for side in days]
    (found,) = check(sides[0], sides[1], Asked(joint=Joint(enabled=False))).columns
    assert "rare-values" not in [each.test.value for each in found.tests]
    if "%H" in form or "%I" in form:
        assert not found.drift


def test_names_of_rows_have_not_been_replaced() -> None:
    rng = np.random.default_rng(6)
    assert column_of(drawn(rng, 20_000, 160_000), drawn(rng, 1000, 8000, 10**6)) == ("AllValuesRare", False)
