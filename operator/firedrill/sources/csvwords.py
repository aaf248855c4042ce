"""Words of a CSV that say that there is no value."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

#: The blank, NULL, NaN, N/A and the like, as Arrow lists them; much the same as those of pandas.
_WORDS: Final = frozenset(csv.ConvertOptions().null_values)
#: Among texts it is a value: the code of Namibia, and of North America.
_CODE: Final = "NA"
_NUMBER: Final = r"\A[ \t]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*\z"


def texts_missing(table: "pa.Table") -> "pa.Table":
    """A table whose texts are missing where they say so. Columns of other types have been read with the words."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            table = table.set_column(i, field, _missing(table.column(i)))
    return table


def _missing(column: Any) -> Any:
    gone = _is_any(column, _WORDS)
    if not pc.any(gone).as_py():
        return column
    if not _of_numbers(column.filter(pc.invert(gone))):
        gone = _is_any(column, _WORDS - {_CODE})
    return pc.if_else(gone, pa.scalar(None, column.type), column)


def _is_any(column: Any, words: frozenset[str]) -> Any:
    return pc.is_in(column, value_set=pa.array(sorted(words), column.type))


def _of_numbers(texts: Any) -> bool:
    """Whether most are numbers: a mark or a typing error among them makes them no words."""
    share = pc.mean(pc.match_substring_regex(texts, _NUMBER)).as_py()
    return share is not None and share >= 0.5
