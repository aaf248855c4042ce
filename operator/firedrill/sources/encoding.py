"""Texts that are UTF-8 but for some bytes, and those in Latin-1: what is no UTF-8 is read as Latin-1, byte by byte."""

import codecs
import io
from typing import Any, Final

_STRAY: Final = "firedrill-latin-1"


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_STRAY, _as_latin_1)


def mended(data: bytes) -> str:
    """A text without its byte order mark. A stray byte changes no other character."""
    return data.decode("utf-8-sig", errors=_STRAY)


class Mended(io.RawIOBase):
    """A stream of such a text as UTF-8, block by block."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors=_STRAY)
        self._left = b""
        self._ended = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as there is anything; 0 at the end."""
        while not self._left and not self._ended:
            block = self._source.read(len(buffer))
            self._ended = not block
            self._left = self._decoder.decode(block, final=self._ended).encode()
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size
