"""Two columns in one type, so that values that are the same compare as the same, whatever format they come from."""

import re
from decimal import Context, Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from firedrill.engines.pipeline.table import is_number, is_text

#: Floating point numbers hold every integer up to this one.
_EXACT: Final = 2**53
#: A number as a text. One with zeros before it is a code, and 1e99999 is no value that anything is compared with.
_NUMBER: Final = r"[ \t]*[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?[ \t]*"
#: Integers are written like this already.
_WRITTEN: Final = r"0|-?[1-9][0-9]{0,76}"
_DIGITS: Final = 77
#: For differences without rounding, of all that _NUMBER admits but for longer texts.
_PLACES: Final = Context(prec=5000)


def alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Two columns in one type, so that 7, 7.0 and the texts "7" and "7.00" of another format are the same value.

    Two texts stay as they are. A floating point number against a text is what it prints as.
    """
    if left.type.equals(right.type):
        return left, right
    both = (left, right)
    if any(pa.types.is_null(each.type) for each in both):
        other = right.type if pa.types.is_null(left.type) else left.type
        return left.cast(other), right.cast(other)
    if all(is_number(each.type) for each in both):
        if all(pa.types.is_integer(each.type) for each in both):
            wide = pa.decimal256(20, 0) if any(pa.types.is_uint64(each.type) for each in both) else pa.int64()
            return left.cast(wide), right.cast(wide)
        if all(not pa.types.is_floating(each.type) for each in both):
            return as_decimals(left, right)
        if any(_beyond_floats(each) for each in both):
            return _as_text(left), _as_text(right)
        return left.cast(pa.float64(), safe=False), right.cast(pa.float64(), safe=False)
    if all(pa.types.is_timestamp(each.type) or pa.types.is_date(each.type) for each in both):
        return _microseconds(left), _microseconds(right)
    if number_and_text(left, right):
        return _as_written(left), _as_written(right)
    return _as_text(left), _as_text(right)


def number_and_text(left: Any, right: Any) -> bool:
    """Whether one of two columns holds numbers and the other one texts."""
    return (is_number(left.type) and is_text(right.type)) or (is_text(left.type) and is_number(right.type))


def as_decimals(left: Any, right: Any) -> tuple[Any, Any]:
    """Integers and decimals as decimals of one type, exactly; one digit is left for a difference."""
    scale = max(each.type.scale if pa.types.is_decimal(each.type) else 0 for each in (left, right))
    wide = pa.decimal256(75, scale)
    return left.cast(wide), right.cast(wide)


def further(left: Any, right: Any, rows: NDArray[np.int64], tolerance: float) -> NDArray[np.bool_]:
    """Which rows of two columns, numbers and texts that ``alike`` has made, are no numbers, or further apart than
    allowed. The difference is exact."""
    most = Decimal(repr(tolerance))
    chosen = pa.array(rows, pa.int64())
    pairs = zip(left.take(chosen).to_pylist(), right.take(chosen).to_pylist(), strict=True)
    return np.array([_further(one, other, most) for one, other in pairs], dtype=bool)


def _further(left: str | None, right: str | None, most: Decimal) -> bool:
    if left is None or right is None or not (re.fullmatch(_NUMBER, left) and re.fullmatch(_NUMBER, right)):
        return True
    return abs(_PLACES.subtract(Decimal(left.strip()), Decimal(right.strip()))) > most


def _as_written(column: Any) -> Any:
    """Numbers, and texts that are numbers, as texts that are the same where the numbers are. Other texts stay."""
    kind = column.type
    if pa.types.is_integer(kind):
        return column.cast(pa.string())
    if is_number(kind):
        floating = pa.types.is_floating(kind)
        texts = [
            None if value is None or value != value else _written(repr(value) if floating else str(value))
            for value in column.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return pa.chunked_array([_numbers_written(chunk) for chunk in column.chunks], kind)


def _numbers_written(texts: Any) -> Any:
    number = pc.match_substring_regex(texts, rf"\A(?:{_NUMBER})\z")
    other = pc.and_not(number, pc.match_substring_regex(texts, rf"\A(?:{_WRITTEN})\z"))
    if not pc.any(other).as_py():
        return texts
    made = [_written(text) for text in texts.filter(other).to_pylist()]
    return pc.replace_with_mask(texts, pc.fill_null(other, False), pa.array(made, texts.type))


def _written(text: str) -> str:
    """The one text of a number: plain digits where it is an integer, else digits and an exponent."""
    number = Decimal(text.strip())
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        # Infinity.
        return text
    every = "".join(map(str, digits))
    significant = every.rstrip("0")
    if not significant:
        return "0"
    zeros = exponent + len(every) - len(significant)
    minus = "-" if sign else ""
    if 0 <= zeros <= _DIGITS - len(significant):
        return f"{minus}{significant}{'0' * zeros}"
    return f"{minus}{significant}E{zeros}"


def _beyond_floats(column: Any) -> bool:
    """Whether a column has integers that floating point numbers do not tell apart."""
    if not pa.types.is_integer(column.type):
        return False
    ends = [value for value in pc.min_max(column).as_py().values() if value is not None]
    return any(abs(value) > _EXACT for value in ends)


def _microseconds(column: Any) -> Any:
    """Times in one unit; those of no zone are UTC."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"))
    return column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())


def _as_text(column: Any) -> Any:
    kind = column.type
    if pa.types.is_floating(kind):
        # 7.0 of a CSV with blanks is the 7 of a JSON.
        texts = [
            None if v is None or v != v else repr(int(v)) if v.is_integer() else repr(v) for v in column.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_nested(kind):
        return pa.chunked_array([pa.array([repr(each) for each in column.to_pylist()], pa.string())])
    return column.cast(pa.string())
