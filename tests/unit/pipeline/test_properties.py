"""What holds of the checks whatever the data, beside what plain Python says of it."""

import math
from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_builders import findings, only, report, subject

from firedrill.api.datapipelinetest import SampleRows
from firedrill.engines.common.masking import masked
from firedrill.engines.pipeline.alike import alike
from firedrill.engines.pipeline.devices import out_of_order
from firedrill.engines.pipeline.distribution import quantile, share
from firedrill.engines.pipeline.keys import codes_of, repeats
from firedrill.engines.pipeline.reconcile import match

quick = settings(max_examples=30)

integers = st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=40)
texts = st.lists(st.one_of(st.none(), st.text(alphabet="ab1 ", max_size=3)), max_size=40)
floats = st.lists(st.one_of(st.none(), st.floats(-100, 100), st.just(math.nan)), max_size=40)
columns = st.one_of(
    integers.map(lambda values: pa.array(values, pa.int64())),
    texts.map(lambda values: pa.array(values, pa.string())),
    floats.map(lambda values: pa.array(values, pa.float64())),
)


def gone(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or str(value).strip() == ""


@quick
@given(columns)
def test_nulls_are_counted_as_python_counts_them(column: pa.Array) -> None:
    found = only(subject({"a": column}), {"nulls": {"columns": ["a"]}})
    missing = sum(gone(value) for value in column.to_pylist())
    assert found.value == (missing / len(column) if len(column) else None)


@quick
@given(columns)
def test_repetitions_are_counted_as_python_counts_them(column: pa.Array) -> None:
    found = only(subject({"a": column}), {"unique": {"columns": ["a"]}})
    present = [value for value in column.to_pylist() if not gone(value)]
    assert found.value == ((len(present) - len(set(present))) / len(present) if present else None)


@quick
@given(floats, st.floats(-50, 50), st.floats(0, 50))
def test_bounds_are_held_as_python_holds_them(values: list[float | None], low: float, width: float) -> None:
    array = pa.array(values, pa.float64())
    found = only(subject({"a": array}), {"range": {"columns": ["a"], "min": low, "max": low + width}})
    present = [value for value in values if value is not None and not math.isnan(value)]
    outside = sum(not low <= value <= low + width for value in present)
    assert found.value == (outside / len(present) if present else None)


@quick
@given(st.lists(st.integers(0, 6), max_size=30))
def test_later_repetitions_are_found_in_order(values: list[int]) -> None:
    expected = [i for i, value in enumerate(values) if value in values[:i]]
    assert repeats(np.array(values, dtype=np.int64)).tolist() == expected


@quick
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None])), max_size=30))
def test_joint_codes_are_equal_where_the_values_are(rows: list[tuple[int, str | None]]) -> None:
    first = pa.chunked_array([pa.array([row[0] for row in rows], pa.int64())])
    second = pa.chunked_array([pa.array([row[1] for row in rows], pa.string())])
    (codes,) = codes_of([[first], [second]])
    assert len(set(codes.tolist())) == len(set(rows))
    assert all((codes[i] == codes[j]) == (rows[i] == rows[j]) for i in range(len(rows)) for j in range(i))


@quick
@given(st.lists(st.integers(0, 5), max_size=25), st.lists(st.integers(0, 5), max_size=25))
def test_matching_is_that_of_multisets(source: list[int], target: list[int]) -> None:
    found = match(np.array(source, dtype=np.int64), np.array(target, dtype=np.int64))
    both = Counter(source) & Counter(target)
    assert Counter(source[i] for i in found.source) == both == Counter(target[i] for i in found.target)
    assert [source[i] for i in found.source] == [target[i] for i in found.target]
    assert Counter(source[i] for i in found.missing) == Counter(source) - both
    assert Counter(target[i] for i in found.extra) == Counter(target) - both


@quick
@given(st.lists(st.integers(0, 4), max_size=20), st.randoms())
def test_a_table_reconciles_with_itself_in_any_order(keys: list[int], random: Any) -> None:
    rows = [(key, number) for number, key in enumerate(keys)]
    shuffled = random.sample(rows, len(rows))
    tables = [{"k": [r[1] for r in each], "v": [r[0] for r in each]} for each in (rows, shuffled)]
    check = {"reconcile": {"table": "source", "keys": ["k"]}}
    outcomes = {each.passed for each in findings(subject(tables[0], source=tables[1]), check)}
    assert outcomes == ({True} if rows else {None})


numbers = st.one_of(
    st.integers(-(10**6), 10**6).map(Decimal), st.decimals(-1000, 1000, places=3), st.sampled_from([Decimal("1E+30")])
)
ways: list[Any] = [str, "{:f}".format, "{:.6f}".format, "{:E}".format, " {}\t".format]


@quick
@given(st.lists(st.tuples(numbers, numbers, st.sampled_from(ways), st.booleans()), min_size=1, max_size=20))
def test_a_number_is_the_texts_that_are_it_and_no_other(rows: list[tuple[Decimal, Decimal, Any, bool]]) -> None:
    pairs = [(number, way(number if same else other)) for number, other, way, same in rows]
    ours = pa.chunked_array([pa.array([number for number, _ in pairs], pa.decimal128(38, 3))])
    left, right = alike(ours, pa.chunked_array([pa.array([text for _, text in pairs])]))
    same = [one == other for one, other in zip(left.to_pylist(), right.to_pylist(), strict=True)]
    assert same == [number == Decimal(text.strip()) for number, text in pairs]


entries = st.lists(st.tuples(st.integers(0, 3), st.decimals(-1000, 1000, places=2)), min_size=1, max_size=30)


@quick
@given(entries, st.sampled_from(["decimal", "text", "float"]))
def test_a_ledger_is_added_up_exactly_in_every_form(rows: list[tuple[int, Decimal]], form: str) -> None:
    make: Any = {"decimal": lambda d: d, "text": str, "float": float}[form]
    columns = {"t": [row[0] for row in rows], "v": [make(row[1]) for row in rows]}
    sums: dict[int, Decimal] = {}
    for transaction, amount in rows:
        sums[transaction] = sums.get(transaction, Decimal(0)) + amount
    found = findings(subject(columns), {"ledgerBalances": {"transaction": "t", "amount": "v"}})[-1]
    assert found.value == sum(total != 0 for total in sums.values()) / len(sums)


@quick
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20)), max_size=30))
def test_rows_out_of_order_are_those_below_a_later_one_of_their_device(rows: list[tuple[int, int]]) -> None:
    expected = [any(d == device and t > at for d, t in rows[:i]) for i, (device, at) in enumerate(rows)]
    devices, times = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(2))
    assert out_of_order(devices, times).tolist() == expected


@quick
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.floats(0.01, 0.99))
def test_the_interval_of_a_quantile_holds_it_when_it_is_closed(values: list[float], q: float) -> None:
    found = quantile(np.sort(np.array(values)), q, 0.95)
    assert found is not None
    assert found.low <= found.high


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_the_interval_of_a_quantile_covers_what_it_should(q: float) -> None:
    rng = np.random.default_rng(3)
    trials = [quantile(np.sort(rng.random(200)), q, 0.95) for _ in range(1000)]
    covered = sum(each.low <= q <= each.high for each in trials if each is not None)
    assert covered >= 930


@quick
@given(st.integers(0, 50), st.integers(0, 50), st.floats(0.5, 0.999))
def test_the_interval_of_a_share_holds_it(count: int, more: int, confidence: float) -> None:
    found = share(count, count + more, confidence)
    if found is not None:
        assert 0 <= found.low <= found.value <= found.high <= 1


@quick
@given(st.text(max_size=100))
def test_a_mask_keeps_no_letter_and_no_digit(text: str) -> None:
    assert set(masked(text)) <= set("aA9?…") | {c for c in map(chr, range(128)) if not c.isalnum()}
    assert len(masked(text)) <= 65


@quick
@given(st.lists(st.text(alphabet="xyz", min_size=1, max_size=6), min_size=1, max_size=8), st.booleans())
def test_samples_are_masked_unless_their_column_may_be_shown(values: list[str], shown: bool) -> None:
    settings_ = SampleRows(rows=50, show=["a"] if shown else [])
    made = report(subject({"a": values}), {"allowed": {"column": "a", "values": ["Q"]}}, samples=settings_)
    found = [sample["values"]["a"] for sample in made.checks[0].samples]
    assert found == (values if shown else ["a" * len(value) for value in values])


CHECKS: list[dict[str, Any]] = [
    {"schema": {"columns": [{"name": "a", "type": "integer"}]}},
    {"nulls": {"columns": ["a"]}},
    {"range": {"columns": ["a"], "min": 0}},
    {"unique": {"columns": ["a"]}},
    {"allowed": {"column": "a", "values": ["1", "a"]}},
    {"pattern": {"column": "a", "regex": "a+"}},
    {"references": {"columns": ["a"], "table": "other"}},
    {"distribution": {"column": "a", "mean": {"min": 0}, "quantiles": [{"q": 0.5, "min": 0}]}},
    {"freshness": {"column": "a", "maxAge": "1h"}},
    {"reconcile": {"table": "other", "keys": ["a"]}},
    {"ledgerBalances": {"transaction": "a", "amount": "a"}},
    {"deviceSeries": {"device": "a", "time": "a", "maxGap": "1m", "maxOutOfOrder": 0.1}},
    {"fhir": {"column": "a"}},
    {"idempotence": {}},
]


@settings(max_examples=20)
@given(columns, columns)
def test_no_data_raises_and_every_outcome_has_its_evidence(ours: pa.Array, theirs: pa.Array) -> None:
    made = report(subject({"a": ours}, other={"a": theirs}, before={"a": theirs}), *CHECKS, workers=1)
    assert len(made.checks) == len(CHECKS)
    for each in made.measurements:
        assert each.limit
        assert any(character.isdigit() for character in each.detail)
