"""Objects of an S3-compatible store, through boto3 in a thread of its own."""

import asyncio
import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from firedrill.api.datastores import S3Source
from firedrill.api.tableformat import TableFormat
from firedrill.sources.derived import StackedTable
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.login import Login
from firedrill.sources.parse import format_of
from firedrill.sources.pinned import Pin, parse_pinned
from firedrill.sources.table import ParquetTable, SourceTable

_CHUNK: Final = 4 * 1024**2
_NETWORK_TIMEOUT: Final = 20
_NOT_FOUND: Final = frozenset({"NoSuchKey", "NoSuchBucket", "404"})
#: What a person has to mend: rights, keys, the region.
_NOT_ALLOWED: Final = frozenset(
    {
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "PermanentRedirect",
        "SignatureDoesNotMatch",
    }
)


async def read_s3(source: S3Source, login: Login, field: str, max_bytes: int, pin: Pin | None = None) -> SourceTable:
    """The table of one object, or of all below a prefix. Parquet is read by ranges, a column at a time; what else there
    is, and what is pinned, goes to a temporary file first. Raises SourceError."""
    return await asyncio.to_thread(_Bucket(source, login, field, max_bytes, pin).table)


class _Bucket:
    def __init__(self, source: S3Source, login: Login, field: str, max_bytes: int, pin: Pin | None) -> None:
        self._source = source
        self._pin = pin
        self._login = login
        self._field = field
        self._left = max_bytes
        self._max_bytes = max_bytes
        self._deadline = time.monotonic() + source.timeout.total_seconds()

    def table(self) -> SourceTable:
        with self._told(f"s3://{self._source.bucket}"):
            self._client = _client(self._source, self._login)
            keys = self._keys()
        parts = [(f"s3://{self._source.bucket}/{key}", self._object(key)) for key in keys]
        try:
            return parts[0][1] if len(parts) == 1 else StackedTable(parts)
        except InvalidTable as error:
            raise SourceError(SourceReason.INVALID_DATA, self._field, str(error)) from error

    def _keys(self) -> list[str]:
        source = self._source
        if source.key is not None:
            return [source.key]
        keys: list[str] = []
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=source.bucket, Prefix=source.prefix)
        for page in pages:
            self._check_time()
            # Folders and marks of other tools, such as _SUCCESS, are no data.
            keys += [each["Key"] for each in page.get("Contents", ()) if each["Size"] and _is_data(each["Key"])]
            if len(keys) > source.max_objects:
                message = f"more than maxObjects ({source.max_objects}) objects begin with {source.prefix!r}"
                raise SourceError(SourceReason.INVALID_DATA, f"{self._field}.prefix", message)
        if not keys:
            message = f"no object of bucket {source.bucket!r} begins with {source.prefix!r}"
            raise SourceError(SourceReason.NOT_FOUND, f"{self._field}.prefix", message)
        return sorted(keys)

    def _object(self, key: str) -> SourceTable:
        label = f"s3://{self._source.bucket}/{key}"
        with self._told(label):
            ranges = _Ranges(self._client, self._source.bucket, key)
            head = ranges.read(8)
            ranges.seek(0)
            kind = self._source.format or format_of(Path(key), head)
            try:
                if kind is TableFormat.PARQUET and self._pin is None:
                    return ParquetTable(pa.PythonFile(ranges, mode="r"))
                return self._downloaded(ranges, kind)
            except InvalidTable as error:
                raise SourceError(SourceReason.INVALID_DATA, self._field, f"{label}: {error}") from error

    def _downloaded(self, ranges: "_Ranges", kind: TableFormat) -> SourceTable:
        self._left -= ranges.size
        if self._left < 0:
            raise InvalidTable(f"all objects together are larger than {self._max_bytes} bytes")
        with tempfile.TemporaryDirectory(prefix="firedrill-") as folder:
            path = Path(folder) / "body"
            with path.open("wb") as stream:
                while chunk := ranges.read(_CHUNK):
                    self._check_time()
                    stream.write(chunk)
            return parse_pinned(path, kind, self._pin)

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            seconds = self._source.timeout.total_seconds()
            raise SourceError(SourceReason.UNREACHABLE, self._field, f"reading took longer than {seconds:g} s")

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Errors of the store as what they mean for a person."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            raise self._refused(error.response, what) from error
        except _RangeFailed as error:
            raise SourceError(SourceReason.UNREACHABLE, self._field, f"{what}: {error}") from error
        except (BotoCoreError, ValueError) as error:
            name = type(error).__name__
            if name in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
                message = (
                    f"{what}: no credentials: set secretRef, or give the service account of the runner a role "
                    f"({_first_line(error)})"
                )
                raise SourceError(SourceReason.NOT_ALLOWED, f"{self._field}.secretRef", message) from error
            reason = SourceReason.NOT_ALLOWED if name == "NoRegionError" else SourceReason.UNREACHABLE
            raise SourceError(reason, self._field, f"{what}: {_first_line(error)}") from error

    def _refused(self, response: dict[str, Any], what: str) -> SourceError:
        code = str(response.get("Error", {}).get("Code", "")) or "no code"
        said = str(response.get("Error", {}).get("Message", ""))[:200]
        if code in _NOT_FOUND:
            bucket = code == "NoSuchBucket"
            where = f"{self._field}.{'bucket' if bucket else 'key'}"
            name = f"bucket {self._source.bucket!r}" if bucket else f"object {what}"
            return SourceError(SourceReason.NOT_FOUND, where, f"there is no {name}")
        if code in _NOT_ALLOWED or code.startswith("301"):
            return SourceError(SourceReason.NOT_ALLOWED, self._field, f"{what} may not be read: {code} {said}".rstrip())
        return SourceError(SourceReason.UNREACHABLE, self._field, f"{what} can not be read: {code} {said}".rstrip())


class _RangeFailed(OSError):
    """A part of an object could not be read."""


class _Ranges(io.RawIOBase):
    """An object of which only what is asked for is fetched. All parts are of the version seen first."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        super().__init__()
        head = client.head_object(Bucket=bucket, Key=key)
        self.size = int(head["ContentLength"])
        self._client = client
        self._which = {"Bucket": bucket, "Key": key, "IfMatch": head["ETag"]}
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self.size if size is None or size < 0 else min(self._at + size, self.size)
        if end <= self._at:
            return b""
        data = self._fetch(self._at, end)
        self._at = end
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _fetch(self, start: int, end: int) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.get_object(**self._which, Range=f"bytes={start}-{end - 1}")
            data: bytes = answer["Body"].read()
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            changed = code in ("PreconditionFailed", "412")
            said = "the object was changed while it was read" if changed else _first_line(error)
            raise _RangeFailed(said) from error
        except BotoCoreError as error:
            raise _RangeFailed(_first_line(error)) from error
        if len(data) != end - start:
            raise _RangeFailed(f"bytes {start} to {end - 1} were asked for, {len(data)} bytes came")
        return data


def _client(source: S3Source, login: Login) -> Any:
    import boto3
    from botocore.config import Config

    options: dict[str, Any] = {}
    if login.username:
        options = {"aws_access_key_id": login.username, "aws_secret_access_key": login.password}
    session = boto3.session.Session(**options, region_name=source.region)
    config = Config(
        connect_timeout=_NETWORK_TIMEOUT,
        read_timeout=_NETWORK_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": 3},
        # A name below that of the store is rarely known to the DNS of a cluster.
        s3={"addressing_style": "path"} if source.endpoint_url else {},
    )
    made = {"endpoint_url": source.endpoint_url, "region_name": session.region_name or "us-east-1", "config": config}
    if not login.ca:
        return session.client("s3", **made)
    with tempfile.NamedTemporaryFile("w", suffix=".crt", delete=False) as file:
        # It is read again for each new connection, so it stays as long as the process.
        file.write(login.ca)
    return session.client("s3", **made, verify=file.name)


def _is_data(key: str) -> bool:
    name = key.rpartition("/")[2]
    return bool(name) and not name.startswith(("_", "."))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
