"""Parquet files in a directory or below a prefix of an S3 bucket."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pyarrow as pa
from pyarrow import fs
from pyarrow import parquet as pq

from firedrill.cli.errors import UsageError

MANIFEST: Final = "manifest.json"
_S3: Final = "s3://"
#: How Arrow says that S3 could not be reached, which is nobody's wrong input.
_NO_ANSWER: Final = "NETWORK_CONNECTION"
#: Rows of a table that are gathered before they are written as a row group.
_GROUP: Final = 100_000


class Place:
    """Where an export goes; nothing may be there yet, so that no export is mixed with another."""

    def __init__(self, flag: str, text: str) -> None:
        """Raises UsageError that names the flag."""
        self._flag = flag
        self.text = text
        try:
            self._files, self._root = _open(text)
            if text.startswith(_S3) and not self._is_bucket(self._root.partition("/")[0]):
                raise UsageError(f"{flag} {text}: there is no such bucket")
            selector = fs.FileSelector(self._root, allow_not_found=True)
            if self._files.get_file_info(selector):
                raise UsageError(f"{flag} {text}: is not empty; choose a new place")
            if not text.startswith(_S3):
                self._files.create_dir(self._root)
        except (OSError, pa.ArrowException) as error:
            if _NO_ANSWER in str(error):
                raise
            raise UsageError(f"{flag} {text}: can not be used: {_first_line(error)}") from error

    def _is_bucket(self, name: str) -> bool:
        return bool(self._files.get_file_info(name).type is fs.FileType.Directory)

    def table(self, name: str, schema: "pa.Schema") -> "TableFile":
        """The file of a table, open for writing."""
        return TableFile(self._stream(f"{name}.parquet"), schema)

    def manifest(self, content: Mapping[str, Any]) -> None:
        """Write what the export holds; it comes last, so that it marks an export that is whole."""
        with self._stream(MANIFEST) as stream:
            stream.write((json.dumps(content, indent=2, sort_keys=True) + "\n").encode())

    def _stream(self, name: str) -> Any:
        return self._files.open_output_stream(f"{self._root}/{name}")


class TableFile:
    """A Parquet file, compressed with Zstandard; used as a context manager."""

    def __init__(self, stream: Any, schema: "pa.Schema") -> None:
        self._stream = stream
        self._writer = pq.ParquetWriter(stream, schema, compression="zstd")
        self._pending: list[pa.Table] = []
        self.rows = 0

    def write(self, table: "pa.Table") -> None:
        """Add rows."""
        self.rows += table.num_rows
        self._pending.append(table)
        if sum(each.num_rows for each in self._pending) >= _GROUP:
            self.end_group()

    def end_group(self) -> None:
        """End the row group: what follows is of another kind, and a reader can skip either."""
        if any(each.num_rows for each in self._pending):
            joined = pa.concat_tables(self._pending)
            self._writer.write_table(joined, row_group_size=max(1, joined.num_rows))
        self._pending = []

    def __enter__(self) -> "TableFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.end_group()
        self._writer.close()
        self._stream.close()


def nested(first: str, second: str) -> bool:
    """Whether two places are the same, or one lies in the other."""
    if first.startswith(_S3) != second.startswith(_S3):
        return False
    if first.startswith(_S3):
        parts = [tuple(text.removeprefix(_S3).strip("/").split("/")) for text in (first, second)]
    else:
        parts = [Path(text).resolve().parts for text in (first, second)]
    shortest = min(len(each) for each in parts)
    return parts[0][:shortest] == parts[1][:shortest]


def _open(text: str) -> tuple[Any, str]:
    if not text.startswith(_S3):
        return fs.LocalFileSystem(), str(Path(text).resolve())
    root = text.removeprefix(_S3).strip("/")
    bucket, _, prefix = root.partition("/")
    if not bucket or not prefix:
        raise OSError("write it like s3://bucket/prefix")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options = {"endpoint_override": endpoint} if endpoint else {}
    return fs.S3FileSystem(**options), root


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
