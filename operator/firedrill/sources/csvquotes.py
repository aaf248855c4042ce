"""Quotes of a CSV that do not close where they should: the rows below them would be read as one cell.

A quote opens a cell only at its begin, is doubled inside (RFC 4180), and is a character like others in a cell that
begins with something else, as in ``5" pipe``. What is read takes these rules, too, and takes the end of the file for a
quote that is missing.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firedrill.sources.errors import InvalidTable

#: Bytes of a quoted cell at most: twice what is read at a time, and no row that is longer than that can be read.
LONGEST: Final = 8 * 1024 * 1024

_QUOTE: Final = 0x22
_UNCLOSED: Final = "the quoted cell that begins here is never closed"
_TOO_LONG: Final = f"the quoted cell that begins here is not closed within {LONGEST >> 20} MiB"
_INSIDE: Final = (
    "the quoted cell that begins here goes on in the next line, and its quote closes in the middle of a cell; "
    "a quote inside of one must be doubled"
)

Blocks = Callable[[], Iterable[bytes]]


class Quotes:
    """Holds the blocks of a file, one after the other, against the rules. ``at`` and ``wrong`` say what was found.

    A block costs a few passes of numpy over its quotes; where some stand inside of cells, one of a regular expression
    over the block. No more is kept in memory than a block and the cell that its end cuts.
    """

    def __init__(self, delimiter: str) -> None:
        self._separators = (*delimiter.encode(), *b"\r\n")
        self._whole, self._cell = _expressions(re.escape(delimiter.encode()))
        # The byte before what is looked at, and what a block has cut. A file begins as a line does.
        self._rest = b"\n"
        self._start = -1
        #: Offset of the cell that is wrong, and why; None as long as none is.
        self.at = 0
        self.wrong: str | None = None

    def feed(self, block: bytes) -> None:
        """The next block of the file."""
        if self.wrong is not None:
            return
        if _QUOTE in block or self._rest[-1] == _QUOTE:
            self._look(self._rest + block)
        elif len(self._rest) > 1:
            # Still in the cell that was cut.
            self._rest += block
        else:
            self._rest = block[-1:] or self._rest
            self._start += len(block)
        if len(self._rest) > LONGEST:
            self._found(1, _TOO_LONG)

    def close(self) -> None:
        """The end of the file, which ends its last line."""
        if self.wrong is None:
            self._look(self._rest + b"\n")
        if self.wrong is None and len(self._rest) > 1:
            self._found(1, _UNCLOSED)

    def _look(self, data: bytes) -> None:
        end = _paired(data, self._separators)
        if end is None:
            cells = self._whole.match(data, 1)
            end = cells.end() if cells else 1
            if end < len(data) and self._cell.match(data, end):
                self._found(end, _INSIDE)
                return
        self._start += end - 1
        self._rest = data[end - 1 :]

    def _found(self, index: int, wrong: str) -> None:
        self.at, self.wrong = self._start + index, wrong


def refuse(quotes: Quotes, blocks: Blocks) -> None:
    """Raises InvalidTable for what was found; lines are counted only then."""
    if quotes.wrong is not None:
        raise InvalidTable(f"not CSV: line {_line(blocks(), quotes.at)}: {quotes.wrong}")


def _paired(data: bytes, separators: tuple[int, ...]) -> int | None:
    """The end of what is whole, where every other quote opens: a cell, or again after one that is doubled.

    None where any does not; the first byte is that before the data, which begin outside of a cell.
    """
    values = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(values == _QUOTE)
    if not len(quotes):
        return len(data)
    if quotes[0] == 0:
        return None
    before = values[quotes[0::2] - 1]
    opens = _among(before, separators)
    if not (opens | (before == _QUOTE)).all():
        return None
    closing = quotes[1::2]
    # The byte that follows the last one may not have been read yet.
    after = values[closing[closing + 1 < len(values)] + 1]
    if not (_among(after, separators) | (after == _QUOTE)).all():
        return None
    if len(quotes) % 2 == 0 and data[-1] != _QUOTE:
        return len(data)
    return int(quotes[0::2][np.flatnonzero(opens)[-1]])


def _among(values: NDArray[np.uint8], wanted: tuple[int, ...]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = values == wanted[0]
    for each in wanted[1:]:
        found |= values == each
    return found


def _expressions(delimiter: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """As many whole cells as there are; and a quoted cell that is followed by anything, doubled quotes aside."""
    separator = rb"[\r\n" + delimiter + rb"]"
    inside = rb'(?:[^"]++|"")*+"'
    # In one line no row can be lost, wherever the quote closes.
    of_a_line = rb'"(?:[^"\r\n]++|"")*+"(?=[^"])'
    of_lines = rb'"' + inside + rb"(?=[ \t]*" + separator + rb")"
    no_begin = rb"(?<!" + separator + rb')"'
    whole = rb'(?:[^"]++|' + no_begin + rb"|" + of_a_line + rb"|" + of_lines + rb")*+"
    return re.compile(whole), re.compile(rb'"' + inside + rb'(?=[^"])')


def _line(blocks: Iterable[bytes], offset: int) -> int:
    """Number of the line of an offset; a file that ends its lines by carriage returns alone has no other ends."""
    feeds = returns = 0
    for block in blocks:
        part = block[: max(offset, 0)]
        feeds += part.count(b"\n")
        returns += part.count(b"\r")
        offset -= len(block)
        if offset <= 0:
            break
    return (feeds or returns) + 1
