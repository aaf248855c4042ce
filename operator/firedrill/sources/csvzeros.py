"""Numbers that a CSV writes with zeros before them, as codes are: 01234 is no amount of 1234."""

from typing import Any, Final

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

Marks = NDArray[np.bool_]
Positions = NDArray[np.int64]

#: A number whose first digit is a zero before another one; not 0, 0.5, a date or a time.
_CODE: Final = r"\A[ \t]*[+-]?0[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?[ \t]*\z"
#: Spaces that are looked past, and bytes of the block before that are looked at with the next one.
_SPACES: Final = 4
_OVERLAP: Final = 16
_SPACE, _TAB, _COMMA, _MINUS, _PLUS, _DOT, _ZERO, _NINE = b" \t,-+.09"


class Zeros:
    """Whether any cell of a file may be such a number, from its bytes, block by block.

    ``found`` may be True where there is none (a text that begins like one), never False where there is one. A block
    costs a few passes of numpy, and nothing once one is found.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = ord(delimiter)
        # A file begins as a line does.
        self._rest = b"\n\n"
        self.found = False

    def feed(self, block: bytes) -> None:
        """The next block of the file."""
        if self.found:
            return
        data = self._rest + block
        # The last two bytes of the block before had nothing behind them yet.
        at = _candidates(np.frombuffer(data, np.uint8), max(len(self._rest) - 2, 2), self._delimiter)
        self._rest = data[-_OVERLAP:]
        self.found = bool(len(at))

    def close(self) -> None:
        """The end of the file, which ends its last line."""
        self.feed(b"\n\n")


def is_code(column: Any) -> Any:
    """Where a text is such a number."""
    return pc.match_substring_regex(column, _CODE)


def _candidates(values: NDArray[np.uint8], first: int, delimiter: int) -> Positions:
    """Where, from an index on, a zero before another digit may begin a number that fills its cell."""
    size = max(len(values) - first - 2, 0)
    earlier, before, at, after = (values[first + i : first + i + size] for i in (-2, -1, 0, 1))
    marks: Marks = (at == _ZERO) & _digits(after)
    # Spaces, line ends, quotes, commas and signs are below the point; letters and other digits are above.
    low = before < _DOT
    marks &= low if delimiter < _DOT else low | (before == delimiter)
    # Dates have many, and what is left is dear.
    marks &= (before != _MINUS) | (earlier < _ZERO) | (earlier == delimiter)
    found: Positions = np.flatnonzero(marks) + first
    return _begin(values, _go_on(values, found, delimiter), delimiter) if len(found) else found


def _go_on(values: NDArray[np.uint8], at: Positions, delimiter: int) -> Positions:
    """Those after whose two digits a number may go on or end: 01-02 and 00:15 are none."""
    after = values[at + 2]
    ends = ((after <= _COMMA) & (after != _PLUS)) | (after == delimiter)
    goes_on: Marks = ends | _digits(after) | (after == _DOT) | (after == ord("e")) | (after == ord("E"))
    found: Positions = at[goes_on]
    return found


def _begin(values: NDArray[np.uint8], at: Positions, delimiter: int) -> Positions:
    """Those with no more than a sign, spaces and a quote before them in their cell: 2024-01 is none."""
    at = at - 1
    at = at - ((values[at] == _MINUS) | (values[at] == _PLUS))
    for _ in range(_SPACES):
        at = at - (((values[at] == _SPACE) | (values[at] == _TAB)) & (values[at] != delimiter))
    before = values[at]
    begins: Marks = ((before < _DOT) & (before != _MINUS) & (before != _PLUS)) | (before == delimiter)
    found: Positions = at[begins]
    return found


def _digits(values: NDArray[np.uint8]) -> Marks:
    found: Marks = (values >= _ZERO) & (values <= _NINE)
    return found
