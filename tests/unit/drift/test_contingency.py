"""Tables of counts: pooling of rare cells, level far out, effect."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from firedrill.engines.drift.contingency import RARE_BELOW, compare_counts, fisher, pool_rare, total_variation

counts = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=40)


def split(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs, dtype=np.int64)
    return table[:, 0], table[:, 1]


@given(counts)
def test_pooling_keeps_the_totals_and_leaves_no_rare_cell_but_the_last(pairs: list[tuple[int, int]]) -> None:
    first, second = split(pairs)
    pooled = pool_rare(first, second, np.arange(len(first)))
    a, b = pooled.first, pooled.second
    assert a.sum() == first.sum()
    assert b.sum() == second.sum()
    assert pooled.left_over is False or len(a) > 1
    if len(a) > 1:
        smaller = min(a.sum(), b.sum()) / (a.sum() + b.sum())
        full = (a + b) * smaller >= RARE_BELOW - 1e-9
        assert full.tolist() == [True] * (len(a) - 1) + [not pooled.left_over]


@pytest.mark.parametrize(
    ("first", "second", "effect"),
    [
        pytest.param([5000, 0, 0], [0, 50, 50], 1.0, id="every row has a new value"),
        pytest.param([2500, 2500, 0, 0], [0, 0, 60, 40], 1.0, id="every row, of several values"),
        pytest.param([2500, 2500, 0], [85, 85, 30], 0.15, id="some rows have a new value"),
        pytest.param([40, 60, 0], [2000, 2000, 1000], 0.2, id="the smaller side lacks one"),
        pytest.param([85, 85, 30], [2500, 2500, 0], 0.15, id="a value has gone"),
    ],
)
def test_what_is_rare_over_both_sides_may_be_all_of_one(first: list[int], second: list[int], effect: float) -> None:
    outcome = compare_counts(np.array(first), np.array(second))
    assert outcome is not None
    assert outcome.p_value < 1e-4
    assert outcome.effect == pytest.approx(effect, abs=0.02)


@pytest.mark.parametrize(("n", "m"), [(1000, 1000), (5000, 100), (100, 100)])
def test_what_is_left_over_keeps_the_level(n: int, m: int) -> None:
    rng = np.random.default_rng(7)
    shares = 1 / np.arange(1, 31) ** 1.4
    shares /= shares.sum()
    outcomes = [compare_counts(rng.multinomial(n, shares), rng.multinomial(m, shares)) for _ in range(600)]
    alarms = sum(outcome is not None and outcome.p_value < 0.05 for outcome in outcomes)
    # 600 at 5 %: more than 48 in one of a thousand.
    assert alarms <= 48


@given(counts, st.randoms(use_true_random=False))
def test_neither_the_order_of_cells_nor_that_of_samples_matters(pairs: list[tuple[int, int]], random: object) -> None:
    first, second = split(pairs)
    if first.sum() == 0 or second.sum() == 0:
        return
    ranks = np.arange(len(first))
    shuffled = np.array(ranks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    plain = compare_counts(first, second, ranks)
    moved = compare_counts(first[shuffled], second[shuffled], ranks[shuffled])
    swapped = compare_counts(second, first, ranks)
    assert (plain is None) == (moved is None) == (swapped is None)
    if plain is not None and moved is not None and swapped is not None:
        assert moved.p_value == pytest.approx(plain.p_value, rel=1e-9)
        assert swapped.p_value == pytest.approx(plain.p_value, rel=1e-9)
        assert swapped.effect == pytest.approx(plain.effect, abs=1e-12)


@given(counts)
def test_p_value_and_effect_are_between_0_and_1(pairs: list[tuple[int, int]]) -> None:
    first, second = split(pairs)
    if first.sum() == 0 or second.sum() == 0:
        return
    outcome = compare_counts(first, second)
    if outcome is not None:
        assert 0 <= outcome.p_value <= 1
        assert 0 <= outcome.effect <= 1


def test_full_cells_give_the_chi_square_of_scipy_or_a_larger_p_value() -> None:
    first, second = np.array([300, 400, 300]), np.array([330, 350, 320])
    outcome = compare_counts(first, second)
    expected = stats.chi2_contingency(np.stack([first, second]))
    assert outcome is not None
    assert outcome.statistic == pytest.approx(expected.statistic)
    assert outcome.p_value == pytest.approx(expected.pvalue, rel=0.05)


def test_two_cells_are_tested_exactly() -> None:
    outcome = compare_counts(np.array([3, 97]), np.array([12, 88]))
    assert outcome is not None
    assert outcome.exact
    assert outcome.p_value == pytest.approx(stats.fisher_exact([[3, 97], [12, 88]]).pvalue)


@given(*(st.integers(0, 400),) * 4)
def test_the_exact_test_is_that_of_scipy(a: int, b: int, c: int, d: int) -> None:
    assert fisher(a, b, c, d) == pytest.approx(stats.fisher_exact([[a, b], [c, d]]).pvalue, rel=1e-6)


@pytest.mark.parametrize(("n", "m", "cells"), [(5000, 200, 40), (100, 100, 20)])
def test_level_holds_far_out_with_sparse_cells(n: int, m: int, cells: int) -> None:
    """With plain chi-square, 1.3 times as many tables are below 0.001 here; with the likelihood ratio, 2.7 times."""
    rng = np.random.default_rng(5)
    shares = np.full(cells, 1 / cells)
    runs, limit = 8_000, 0.001
    below = 0
    for a, b in zip(rng.multinomial(n, shares, runs), rng.multinomial(m, shares, runs), strict=True):
        outcome = compare_counts(a, b)
        below += outcome is not None and outcome.p_value < limit
    assert below <= stats.binom.ppf(0.999, runs, limit)


@pytest.mark.parametrize("rows", [1_000, 10**6])
def test_effect_of_a_clear_change_is_the_share_of_rows_that_would_have_to_change(rows: int) -> None:
    moved = total_variation(np.array([rows // 2, rows // 2]), np.array([rows * 3 // 10, rows * 7 // 10]))
    assert moved == pytest.approx(0.2, abs=1e-6)
    assert total_variation(np.array([rows, 0, 0]), np.array([0, rows // 2, rows // 2])) == pytest.approx(1, abs=1e-6)
    assert total_variation(np.array([rows, rows, rows]), np.array([10, 10, 10])) == 0


#: Cells of equal shares, rows of each side, and by how much the plain distance is apart with nothing changed.
WIDE = [(50, 1000, 1000, 0.125), (8, 5000, 200, 0.076), (1024, 10_000, 10_000, 0.18), (30, 100_000, 300, 0.125)]


def effects(shares: np.ndarray, now: np.ndarray, rows: tuple[int, int], runs: int = 200) -> tuple[float, float]:
    """Means of the effect and of the plain distance over many draws."""
    rng = np.random.default_rng(5)
    found = []
    for a, b in zip(rng.multinomial(rows[0], shares, runs), rng.multinomial(rows[1], now, runs), strict=True):
        found.append((total_variation(a, b), 0.5 * np.abs(a / a.sum() - b / b.sum()).sum()))
    effect, plain = np.mean(found, axis=0)
    return float(effect), float(plain)


@pytest.mark.parametrize(("cells", "n", "m", "chance"), WIDE)
def test_what_chance_adds_is_taken_off(cells: int, n: int, m: int, chance: float) -> None:
    equal = np.full(cells, 1 / cells)
    effect, plain = effects(equal, equal, (n, m))
    assert plain == pytest.approx(chance, rel=0.05)
    # Half of all draws have a chi-square above its mean, and keep something.
    assert effect < 0.35 * chance


@pytest.mark.parametrize(("cells", "n", "m"), [(50, 1000, 1000), (8, 5000, 200), (1024, 10_000, 10_000)])
@pytest.mark.parametrize("moved", [0.15, 0.3])
def test_effect_of_a_change_is_near_its_size_in_one_value_and_in_many(cells: int, n: int, m: int, moved: float) -> None:
    equal = np.full(cells, 1 / cells)
    one = np.full(cells, (1 - 1 / cells - moved) / (cells - 1))
    one[0] = 1 / cells + moved
    many = equal * np.where(np.arange(cells) % 2, 1 - 2 * moved, 1 + 2 * moved)
    for now in (one, many):
        effect, _ = effects(equal, now, (n, m), 100)
        assert effect == pytest.approx(moved, abs=0.035)


@given(counts)
def test_effect_is_never_above_the_plain_distance(pairs: list[tuple[int, int]]) -> None:
    first, second = split(pairs)
    if first.sum() == 0 or second.sum() == 0:
        return
    plain = 0.5 * float(np.abs(first / first.sum() - second / second.sum()).sum())
    assert 0 <= total_variation(first, second) <= plain + 1e-12


def test_large_tables_of_two_cells_agree_with_the_exact_test() -> None:
    first, second = np.array([2400, 2600]), np.array([2300, 2700])
    outcome = compare_counts(first, second)
    assert outcome is not None
    assert not outcome.exact
    assert outcome.p_value == pytest.approx(stats.fisher_exact(np.stack([first, second])).pvalue, rel=0.1)


def test_identifiers_leave_nothing_to_compare() -> None:
    assert compare_counts(np.array([1] * 50 + [0] * 50), np.array([0] * 50 + [1] * 50)) is None
