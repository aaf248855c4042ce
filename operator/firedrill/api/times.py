"""Columns of times of any form as Unix seconds. Sources and engines read times alike; Arrow is imported when asked."""

from typing import Any, Final

from firedrill.api.base import parse_time

#: A number above is milliseconds: in seconds it would be past the year 5000, in milliseconds before 1973 below.
_MILLISECONDS: Final = 1e11


class NotTimes(ValueError):
    """A column holds something else; the message names column and row."""


_UNITS: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def to_unix(column: Any, name: str) -> Any:
    """Seconds since 1970 as float64, null where the time is: from timestamps and dates (of no zone: UTC), numbers (Unix
    seconds, or milliseconds) and texts in ISO 8601. Raises NotTimes naming column and row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        return to_unix(column.cast(kind.value_type), name)
    if pa.types.is_null(kind):
        return column.cast(pa.float64())
    if pa.types.is_date(kind):
        column, kind = column.cast(pa.timestamp("ms")), pa.timestamp("ms")
    if pa.types.is_timestamp(kind):
        return pc.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), _UNITS[kind.unit])
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        seconds = column.cast(pa.float64(), safe=False)
        return pc.if_else(pc.greater(pc.abs(seconds), _MILLISECONDS), pc.divide(seconds, 1000.0), seconds)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(column, name)
    raise NotTimes(f"column {name!r} holds no times but {kind}")


def _from_text(column: Any, name: str) -> Any:
    import pyarrow as pa

    texts = column.cast(pa.string())
    for zone in ("UTC", None):
        try:
            return to_unix(texts.cast(pa.timestamp("us", tz=zone)), name)
        except pa.ArrowException:
            continue
    # Perhaps some have a zone and others not: text by text, which also finds the one that is wrong.
    found: list[float | None] = []
    for row, text in enumerate(texts.to_pylist(), 1):
        try:
            found.append(None if text is None else parse_time(text).timestamp())
        except (ValueError, OverflowError) as error:
            # The value may be somebody's: it is not told.
            raise NotTimes(f"column {name!r}, row {row}: not a time") from error
    return pa.chunked_array([pa.array(found, pa.float64())])
