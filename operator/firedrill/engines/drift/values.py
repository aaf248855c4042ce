"""Columns of any type brought into one of two comparable forms: numbers, or counts of categories."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firedrill.api.written import number_in
from firedrill.engines.drift.ordered import Counts, Floats, Ordered, Sample

#: A column of texts is taken as numbers with blank marks such as "?" when at least this share are numbers.
NUMERIC_SHARE: Final = 0.9
#: Floats hold every whole number up to this one.
_EXACT: Final = 2**53
#: Whole numbers of any width; one digit is left for a difference.
_WIDE: Final = pa.decimal256(75, 0)


@dataclass(frozen=True)
class Numbers:
    """A numeric column: its finite values in order, and counts of all that is not a finite number."""

    values: Ordered
    rows: int
    missing: int
    plus_infinite: int
    minus_infinite: int
    invalid: int

    @property
    def present(self) -> int:
        """Values that are not missing."""
        return self.rows - self.missing


@dataclass(frozen=True)
class Categories:
    """Counts of the same categories on both sides; ``ranks`` orders the categories by their names."""

    names: list[str]
    reference: Counts
    current: Counts
    ranks: Counts
    reference_missing: int
    current_missing: int


@dataclass(frozen=True)
class ParsedTexts:
    """A column of texts read as numbers: what is not a number is counted; blank texts are missing."""

    values: Floats
    rows: int
    missing: int
    invalid: int

    @property
    def numeric_share(self) -> float:
        """Share of numbers among what is not missing; 1 when all is missing."""
        present = self.rows - self.missing
        return (present - self.invalid) / present if present else 1.0


def kind_of(kind: Any) -> str:
    """numeric, boolean, text, temporal, empty or unsupported, of an Arrow type."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    checks = (
        ("empty", pa.types.is_null),
        ("boolean", pa.types.is_boolean),
        ("numeric", pa.types.is_integer),
        ("numeric", pa.types.is_floating),
        ("numeric", pa.types.is_decimal),
        ("numeric", pa.types.is_duration),
        ("numeric", pa.types.is_time),
        ("text", pa.types.is_string),
        ("text", pa.types.is_large_string),
        ("text", pa.types.is_string_view),
        ("temporal", pa.types.is_date),
        ("temporal", pa.types.is_timestamp),
    )
    return next((name for name, is_kind in checks if is_kind(kind)), "unsupported")


def family_of(kind: Any) -> str:
    """What values of an unsupported type are made of: list, struct, map, binary, or the type itself."""
    if pa.types.is_dictionary(kind):
        return family_of(kind.value_type)
    checks = (
        ("list", pa.types.is_list),
        ("list", pa.types.is_large_list),
        ("list", pa.types.is_fixed_size_list),
        ("struct", pa.types.is_struct),
        ("map", pa.types.is_map),
        ("binary", pa.types.is_binary),
        ("binary", pa.types.is_large_binary),
        ("binary", pa.types.is_fixed_size_binary),
    )
    return next((name for name, is_kind in checks if is_kind(kind)), str(kind))


def plain(column: Any) -> Any:
    """The column without dictionary encoding, as a ChunkedArray."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def numbers(column: Any) -> Numbers:
    """A column of numbers, booleans, times (in microseconds) or texts as numbers. Null, NaN and blank are missing."""
    kind = kind_of(column.type)
    if kind == "text":
        parsed = parse_texts(column)
        return _split(parsed.values, parsed.rows, parsed.invalid)
    if kind == "empty":
        return _split(np.empty(0), len(column), 0)
    values = _to_float(plain(column))
    return _split(values, len(values), 0)


def near_zero(reference: Any, current: Any) -> tuple[Any, Any, int]:
    """Both columns less one whole number, and that number: 0 unless whole numbers are too large for floats.

    Floats hold whole numbers up to 2**53 only; identifiers and nanoseconds are larger, and near each other.
    """
    sides = [plain(side) for side in (reference, current)]
    if not all(_is_whole(side.type) or pa.types.is_null(side.type) for side in sides):
        return reference, current, 0
    ends = [pc.min_max(side).as_py() for side in sides]
    known = [int(value) for each in ends for value in each.values() if value is not None]
    if not known or max(abs(value) for value in known) <= _EXACT:
        return reference, current, 0
    offset = min(known)
    less = [pc.subtract(side.cast(_WIDE), pa.scalar(Decimal(offset), _WIDE)) for side in sides]
    return less[0], less[1], offset


def zero_padded(column: Any) -> bool:
    """Whether any text is a whole number with zeros before it, as codes have and quantities have not."""
    return bool(pc.any(pc.match_substring_regex(_texts(column), r"^\s*0[0-9]")).as_py())


def values_in_order(column: Any) -> Floats:
    """A column of numbers, booleans, times (in microseconds) or texts as numbers, row by row; NaN where none is."""
    if kind_of(column.type) in ("empty", "unsupported"):
        return np.full(len(column), np.nan)
    if kind_of(column.type) != "text":
        return _to_float(plain(column))
    encoded = _texts(column).dictionary_encode()
    parsed = np.array([*(number_of(text) for text in encoded.dictionary.to_pylist()), np.nan], dtype=np.float64)
    result: Floats = parsed[encoded.indices.fill_null(len(parsed) - 1).to_numpy(zero_copy_only=False)]
    return result


def order_of(column: Any) -> Counts:
    """Rows in the order of a column's values, equal ones as they come; missing ones, and odd types, last."""
    if kind_of(column.type) != "text":
        return np.argsort(values_in_order(column), kind="stable")
    result: Counts = pc.sort_indices(_texts(column)).to_numpy()
    return result


def codes_in_order(reference: Any, current: Any) -> tuple[Counts, Counts, list[str]]:
    """Both columns row by row as indices of the names of their categories, -1 where missing; and the names."""
    mixed = {kind_of(reference.type), kind_of(current.type)}
    as_numbers = "numeric" in mixed and "text" in mixed
    first, second = names_of(reference, as_numbers), names_of(current, as_numbers)
    encoded = pa.concat_arrays([first, second]).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    names: list[str] = encoded.dictionary.to_pylist()
    return codes[: len(first)], codes[len(first) :], names


def parse_texts(column: Any) -> ParsedTexts:
    """Read texts as numbers. Each distinct text is read once."""
    texts = _texts(column)
    encoded = texts.dictionary_encode()
    distinct: list[str] = encoded.dictionary.to_pylist()
    parsed = np.array([number_of(text) for text in distinct], dtype=np.float64)
    words = np.array([is_word(text) for text in distinct], dtype=bool)
    indices = encoded.indices.drop_null().to_numpy(zero_copy_only=False).astype(np.int64)
    values = parsed[indices]
    invalid = int(np.count_nonzero(words[indices]))
    kept = values[~np.isnan(values)]
    return ParsedTexts(kept, len(texts), len(texts) - invalid - len(kept), invalid)


def categories(reference: Any, current: Any) -> Categories:
    """Two columns of any supported types as counts of the categories of both together.

    Numbers are written in one way, so that 1 and 1.0 are one category, and so is the text "1" when the other
    side holds numbers. Null, NaN and blank are missing.
    """
    mixed = {kind_of(reference.type), kind_of(current.type)}
    as_numbers = "numeric" in mixed and "text" in mixed
    first, second = names_of(reference, as_numbers), names_of(current, as_numbers)
    split = len(first) - first.null_count
    encoded = pa.concat_arrays([first.drop_null(), second.drop_null()]).dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    names: list[str] = encoded.dictionary.to_pylist()
    order = pc.sort_indices(encoded.dictionary).to_numpy(zero_copy_only=False)
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[order] = np.arange(len(names))
    return Categories(
        names=names,
        reference=np.bincount(codes[:split], minlength=len(names)).astype(np.int64),
        current=np.bincount(codes[split:], minlength=len(names)).astype(np.int64),
        ranks=ranks,
        reference_missing=int(first.null_count),
        current_missing=int(second.null_count),
    )


def _split(values: Floats, rows: int, invalid: int) -> Numbers:
    """Sort ``values`` in place and cut off what is not finite: sorting puts -inf first, then inf and NaN last."""
    values.sort()
    first = int(np.searchsorted(values, -np.inf, side="right"))
    last, present = int(np.searchsorted(values, np.inf)), int(np.searchsorted(values, np.nan))
    return Numbers(Sample(values[first:last]), rows, rows - present - invalid, present - last, first, invalid)


def _is_whole(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0 and kind.precision < 75))


#: Microseconds in a unit of time.
_MICROSECONDS: Final = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1.0}
_DAY: Final = 86_400e6


def _whole_microseconds(column: Any) -> tuple[Any, float]:
    """Moments, times and durations as whole numbers, and by what these are to be multiplied to be microseconds.

    The unit is how a writer keeps them, not what they are. Numbers are multiplied as floats, which do not overflow;
    nanoseconds are too large for floats, and divided before.
    """
    kind = column.type
    if pa.types.is_date32(kind):
        return column.cast(pa.int32()), _DAY
    if pa.types.is_date64(kind):
        return column.cast(pa.int64()), _MICROSECONDS["ms"]
    whole = column.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64())
    return pc.divide(whole, 1000) if kind.unit == "ns" else whole, _MICROSECONDS[kind.unit]


def _to_float(column: Any) -> Floats:
    kind, factor = column.type, 1.0
    if pa.types.is_temporal(kind):
        column, factor = _whole_microseconds(column)
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    # Whole numbers above 2**53 are rounded; where that matters, near_zero has made them small.
    values: Floats = np.empty(len(column), dtype=np.float64)
    at = 0
    for chunk in column.cast(pa.float64(), safe=False).chunks:
        values[at : at + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
        at += len(chunk)
    if factor != 1.0:
        values *= factor
    return values


def _texts(column: Any) -> Any:
    values = plain(column).cast(pa.large_string())
    return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], pa.large_string())


def names_of(column: Any, as_numbers: bool) -> Any:
    """Names of the categories as one Arrow array of large_string, null where missing or of no type with names."""
    kind = kind_of(column.type)
    if kind in ("empty", "unsupported"):
        return pa.nulls(len(column), pa.large_string())
    if kind == "boolean":
        return _texts(plain(column).cast(pa.string()))
    if kind == "text":
        texts = _texts(column)
        trimmed = pc.utf8_trim_whitespace(texts)
        texts = pc.if_else(pc.equal(pc.binary_length(trimmed), 0), pa.scalar(None, pa.large_string()), texts)
        return _by_distinct(texts, canonical) if as_numbers else texts
    if _is_whole(plain(column).type):
        return _texts(column)
    floats = pa.array(_to_float(plain(column)), from_pandas=True)
    return _by_distinct(floats, _write)


def _by_distinct(array: Any, rename: Any) -> Any:
    encoded = array.dictionary_encode()
    renamed = pa.array([rename(value) for value in encoded.dictionary.to_pylist()], pa.large_string())
    return renamed.take(encoded.indices)


def _write(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**64 else repr(value)


def canonical(text: str) -> str:
    """A text that is a number as all numbers are written, any other as it is."""
    whole = text.strip()
    if whole.isascii() and whole.lstrip("+-").isdigit() and len(whole) <= 20:
        return str(int(whole)) if whole.count("+") + whole.count("-") <= 1 else text
    number = number_of(text)
    return text if np.isnan(number) else _write(number)


def number_of(text: str) -> float:
    """The number that a text is, NaN for anything else: a value that is none and one that is missing count apart."""
    number = number_in(text)
    return float("nan") if number is None else number


def is_word(text: str) -> bool:
    """Whether a text is neither a number nor a way to say that there is none."""
    stripped = text.strip().lower()
    return stripped not in ("", "nan", "-nan", "+nan") and np.isnan(number_of(text)).item()
