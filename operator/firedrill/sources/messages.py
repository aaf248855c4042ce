"""Tables of texts that other checks look into: lines, HL7 messages, and inference logs."""

import re
from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from firedrill.api.tableformat import TableFormat
from firedrill.sources.errors import InvalidTable
from firedrill.sources.inferencelog import kserve_rows, sagemaker_rows
from firedrill.sources.jsonl import objects, parse_jsonl, table_of

#: What frames a message of HL7 on a wire (MLLP).
_FRAME: Final = str.maketrans("", "", "\x0b\x1c")


def parse_lines(data: bytes, kind: TableFormat) -> "pa.Table":
    """A table from the text of a file. Raises InvalidTable naming the line that is wrong."""
    if kind is TableFormat.JSONL:
        return parse_jsonl(data)
    if kind is TableFormat.LINES:
        return pa.table({"line": pa.array([line for line in _text(data).split("\n") if line.strip()], pa.string())})
    if kind is TableFormat.HL7:
        return pa.table({"message": pa.array(hl7_messages(_text(data)), pa.string())})
    numbered = objects(data)
    return table_of(kserve_rows(numbered) if kind is TableFormat.KSERVE_LOG else sagemaker_rows(numbered))


def parse_messages(values: Sequence[bytes], names: Sequence[str], kind: TableFormat) -> "pa.Table":
    """A table from messages of a broker; ``names`` say where each is from, for what is wrong with it.

    Raises InvalidTable that names the message.
    """
    texts = [_decoded(value, name) for value, name in zip(values, names, strict=True)]
    if kind is TableFormat.LINES:
        return pa.table({"line": pa.array(texts, pa.string())})
    if kind is TableFormat.HL7:
        return pa.table({"message": pa.array([text.translate(_FRAME).strip() for text in texts], pa.string())})
    try:
        # A line end in JSON is blank space.
        return parse_lines("\n".join(text.replace("\n", " ") for text in texts).encode(), kind)
    except InvalidTable:
        for text, name in zip(texts, names, strict=True):
            _check(text, name, kind)
        raise


def hl7_messages(text: str) -> list[str]:
    """The messages of a text, with segments ended by carriage returns; what stands before the first is one, too."""
    plain = text.translate(_FRAME).replace("\r\n", "\r").replace("\n", "\r")
    parts = re.split(r"(?:^|(?<=\r))(?=MSH)", plain)
    return [part.strip("\r ") + "\r" for part in parts if part.strip()]


def _check(text: str, name: str, kind: TableFormat) -> None:
    try:
        parse_lines(text.replace("\n", " ").encode(), kind)
    except InvalidTable as error:
        raise InvalidTable(f"{name}: {str(error).removeprefix('line 1: ')}") from error


def _decoded(value: bytes, name: str) -> str:
    try:
        return value.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidTable(f"{name}: not text in UTF-8: byte {error.start}") from error


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidTable(f"line {line}: not text in UTF-8") from error
