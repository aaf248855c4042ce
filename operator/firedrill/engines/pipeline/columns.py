"""Checks of columns for themselves: schema, missing values, bounds, lists, forms."""

import contextlib
import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from firedrill.api.datachecks import AllowedCheck, ColumnType, NullsCheck, PatternCheck, RangeCheck, SchemaCheck
from firedrill.api.errors import InvalidInput
from firedrill.api.written import number_in
from firedrill.engines.pipeline.finding import Finding, of_rows
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.table import is_number, is_text, missing

_NAMES: Final = 5


def schema(check: SchemaCheck, subject: Subject) -> list[Finding]:
    """Columns that lack, are of another type, stand twice, or were not expected; decided without any row."""
    data = subject.data
    wrong = []
    for column in check.columns:
        count = data.names.count(column.name)
        if count == 0 and column.required:
            wrong.append(f"{column.name} is missing")
        elif count > 1:
            wrong.append(f"{column.name} is there {count} times")
        elif count == 1 and column.type is not None:
            kind = data.column(column.name).type
            if not _is(kind, column.type):
                wrong.append(f"{column.name} is {kind}, not {column.type.value}")
    if not check.extra_allowed:
        known = {column.name for column in check.columns}
        wrong += [f"{name} was not expected" for name in dict.fromkeys(data.names) if name not in known]
    more = f" and {len(wrong) - _NAMES} more" if len(wrong) > _NAMES else ""
    said = f"{'; '.join(wrong[:_NAMES])}{more}" if wrong else "all as expected"
    detail = f"{said}; {len(check.columns)} columns expected, {len(data.names)} there, {data.num_rows} rows"
    return [Finding("schema", float(len(wrong)), "columns", "<= 0", not wrong, detail)]


def nulls(check: NullsCheck, subject: Subject) -> list[Finding]:
    """Share of rows without a value."""
    data, found = subject.data, []
    for name in check.columns:
        column = data.column(name)
        gone = missing(column) if column.null_count or _may_be_blank(column.type) else None
        found.append(of_rows(f"nulls({name})", data, [name], gone, data.num_rows, check.max_share, "have no value"))
    return found


def range_(check: RangeCheck, subject: Subject) -> list[Finding]:
    """Share of numbers out of bounds. A text that is no number is out of them."""
    data, found = subject.data, []
    for name in check.columns:
        column, not_numbers = as_numbers(data.column(name))
        valid = len(column) - pc.sum(pc.is_null(column, nan_is_null=True)).as_py() if len(column) else 0
        odd = int(pc.sum(not_numbers).as_py() or 0) if not_numbers is not None else 0
        bad = _outside(column, check.min, check.max)
        if not_numbers is not None:
            bad = not_numbers if bad is None else pc.or_(not_numbers, bad)
        what = f"are not {_bounds(check.min, check.max)}"
        found.append(of_rows(f"range({name})", data, [name], bad, valid + odd, check.max_share, what))
    return found


def allowed(check: AllowedCheck, subject: Subject) -> list[Finding]:
    """Share of values that are not in the list."""
    data, name = subject.data, check.column
    column = data.column(name)
    gone = missing(column)
    bad = pc.and_not(pc.invert(is_in(column, check.values)), gone)
    looked_at = len(column) - int(pc.sum(gone).as_py() or 0)
    what = f"are none of {len(check.values)} values"
    return [of_rows(f"allowed({name})", data, [name], bad, looked_at, check.max_share, what)]


def pattern(check: PatternCheck, subject: Subject) -> list[Finding]:
    """Share of texts that are not of the form. Raises InvalidInput for an expression that is not one."""
    data, name = subject.data, check.column
    column = data.column(name)
    gone = missing(column)
    texts = column if is_text(column.type) else column.cast(pa.string())
    bad = pa.scalar(False)
    if check.regex is not None:
        try:
            # By itself first: a parenthesis too many would close the group that anchors it.
            pc.match_substring_regex(pa.array([""]), check.regex)
            bad = pc.invert(pc.match_substring_regex(texts, rf"\A(?:{check.regex})\z"))
        except pa.ArrowInvalid as error:
            raise InvalidInput(f"pattern.regex: not a regular expression of RE2: {str(error)[:200]}") from error
    if check.min_length is not None or check.max_length is not None:
        outside = _outside(pc.utf8_length(texts), check.min_length, check.max_length)
        bad = bad if outside is None else pc.or_(bad, outside)
    bad = None if isinstance(bad, pa.Scalar) else pc.and_not(bad, gone)
    looked_at = len(column) - int(pc.sum(gone).as_py() or 0)
    return [of_rows(f"pattern({name})", data, [name], bad, looked_at, check.max_share, "are not of the form")]


def as_numbers(column: Any) -> tuple[Any, Any | None]:
    """A column as numbers, and where a text is none; None where all are."""
    kind = column.type
    if is_number(kind):
        return column, None
    if pa.types.is_null(kind):
        return column.cast(pa.float64()), None
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8()), None
    if not is_text(kind):
        return pa.chunked_array([pa.nulls(len(column), pa.float64())]), pc.is_valid(column)
    gone = missing(column)
    texts = pc.utf8_trim_whitespace(pc.if_else(gone, pa.scalar(None, column.type), column))
    with contextlib.suppress(pa.ArrowInvalid):
        return texts.cast(pa.float64()), None
    numbers = pa.chunked_array(
        [pa.array([None if text is None else number_in(text) for text in texts.to_pylist()], pa.float64())]
    )
    return numbers, pc.and_(pc.is_null(numbers), pc.invert(gone))


def _outside(column: Any, low: float | None, high: float | None) -> Any | None:
    """Where numbers are out of bounds; None where none is, which their extremes tell faster."""
    extremes = pc.min_max(column).as_py()
    if extremes["min"] is None:
        return None
    smallest, largest = extremes["min"], extremes["max"]
    # Python compares integers and decimals with floats exactly; so must Arrow.
    below = low is not None and smallest < low
    above = high is not None and largest > high
    marks = []
    if pa.types.is_integer(column.type):
        if low is not None and below:
            most = largest if low > largest else math.ceil(low) - 1
            marks.append(pc.less_equal(column, pa.scalar(most, column.type)))
        if high is not None and above:
            least = smallest if high < smallest else math.floor(high) + 1
            marks.append(pc.greater_equal(column, pa.scalar(least, column.type)))
    else:
        floats = column.cast(pa.float64(), safe=False)
        if below:
            marks.append(pc.less(floats, low))
        if above:
            marks.append(pc.greater(floats, high))
    if not marks:
        return None
    return pc.fill_null(marks[0] if len(marks) == 1 else pc.or_(*marks), False)


def is_in(column: Any, values: list[str]) -> Any:
    """Where a column holds one of the values, given as text."""
    kind = column.type
    if pa.types.is_integer(kind):
        return pc.is_in(column, value_set=pa.array(_integers(values, kind), kind))
    if is_number(kind):
        numbers = [number for number in map(number_in, values) if number is not None]
        return pc.is_in(column.cast(pa.float64(), safe=False), value_set=pa.array(numbers, pa.float64()))
    if pa.types.is_boolean(kind) or not is_text(kind):
        column = column.cast(pa.string())
    return pc.is_in(column, value_set=pa.array(values, column.type))


def _integers(values: list[str], kind: Any) -> list[int]:
    """Those of the values that are integers of a type, however they are written."""
    low, high = (0, 2**kind.bit_width - 1) if pa.types.is_unsigned_integer(kind) else _signed(kind.bit_width)
    found = []
    for value in values:
        with contextlib.suppress(InvalidOperation, ValueError, OverflowError):
            number = Decimal(value.strip())
            if low <= number <= high and number == number.to_integral_value():
                found.append(int(number))
    return found


def _signed(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _may_be_blank(kind: Any) -> bool:
    return is_text(kind) or bool(pa.types.is_floating(kind))


def _is(kind: Any, wanted: ColumnType) -> bool:
    if pa.types.is_null(kind):
        # A column without a single value has no type to be wrong.
        return True
    match wanted:
        case ColumnType.INTEGER:
            return bool(pa.types.is_integer(kind))
        case ColumnType.NUMBER:
            return is_number(kind)
        case ColumnType.TEXT:
            return is_text(kind)
        case ColumnType.BOOLEAN:
            return bool(pa.types.is_boolean(kind))
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _bounds(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
