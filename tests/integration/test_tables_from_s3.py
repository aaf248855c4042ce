"""Tables from S3, with moto's server as its double: whole objects, ranges, prefixes, and what is refused."""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from firedrill.api.credentials import CredentialsRef
from firedrill.api.data import DataSource, ReferenceSource
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.login import Login
from firedrill.sources.read import read_table
from firedrill.sources.table import SourceTable
from support.moto import moto_server

pytestmark = pytest.mark.integration

Object = dict[str, Any]


def parquet(rows: int) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"a": range(rows), "b": ["x"] * rows})
    pq.write_table(table, sink, row_group_size=1000, compression="none", use_dictionary=False)
    return sink.getvalue()


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with moto_server() as endpoint:
        client = _client(endpoint)
        client.create_bucket(Bucket="data")
        objects = {
            "x.csv": b"a,b\n1,2\n",
            "x.parquet": parquet(5000),
            "bad.csv": b"a,b\n1\n",
            "short.parquet": parquet(10)[:-7],
            "empty.csv": b"",
            "day/_SUCCESS": b"",
            "day/part-1.csv": b"a\n1\n",
            "day/part-2.csv": b"a\n2.5\n",
            "mixed/1.csv": b"a\n1\n",
            "mixed/2.csv": b"c\n1\n",
            "marks/_SUCCESS": b"",
        }
        for key, body in objects.items():
            client.put_object(Bucket="data", Key=key, Body=body)
        yield endpoint


def _client(endpoint: str) -> Any:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    settings = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


async def login(ref: CredentialsRef | None, *, tls: bool = False, username: str = "") -> Login:
    return Login("key", "secret") if ref else Login()


async def read(endpoint: str, max_download: int = 10**9, **source: Any) -> SourceTable:
    s3 = {"bucket": "data", "endpointUrl": endpoint, **source}
    async with httpx.AsyncClient() as http:
        context = SourceContext(http, read_login=login, max_download=max_download)
        return await read_table(DataSource.model_validate({"s3": s3}), context, "spec.current")


async def test_an_object_by_its_key_and_all_below_a_prefix(store: str, environment: pytest.MonkeyPatch) -> None:
    assert list((await read(store, key="x.csv")).names) == ["a", "b"]
    assert (await read(store, prefix="day/")).column(0).to_pylist() == [1.0, 2.5]


async def test_the_secret_of_the_spec_counts_before_the_environment(
    store: str, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("AWS_ACCESS_KEY_ID")
    assert (await read(store, key="x.csv", secretRef={"name": "keys"})).num_rows == 1


async def test_parquet_is_read_by_ranges_and_of_one_version(store: str, environment: pytest.MonkeyPatch) -> None:
    # More than may be downloaded: it is not.
    table = await read(store, max_download=100, key="x.parquet")
    assert (table.num_rows, table.column(0).to_pylist()[-1]) == (5000, 4999)
    _client(store).put_object(Bucket="data", Key="x.parquet", Body=parquet(5000) + b" ")
    with pytest.raises(InvalidTable, match="the object was changed while it was read"):
        table.column(1)
    _client(store).put_object(Bucket="data", Key="x.parquet", Body=parquet(5000))


@pytest.mark.parametrize(
    ("source", "reason", "said"),
    [
        ({"key": "nope"}, SourceReason.NOT_FOUND, "spec.current.s3.key: there is no object s3://data/nope"),
        ({"key": "x", "bucket": "no-bucket"}, SourceReason.NOT_FOUND, "there is no"),
        ({"prefix": "x", "bucket": "no-bucket"}, SourceReason.NOT_FOUND, "s3.bucket: there is no bucket 'no-bucket'"),
        ({"prefix": "nope/"}, SourceReason.NOT_FOUND, "spec.current.s3.prefix: no object of bucket 'data' begins"),
        ({"prefix": "marks/"}, SourceReason.NOT_FOUND, "no object of bucket 'data' begins with 'marks/'"),
        ({"prefix": "day/", "maxObjects": 1}, SourceReason.INVALID_DATA, "more than maxObjects (1) objects"),
        ({"prefix": "mixed/"}, SourceReason.INVALID_DATA, "s3://data/mixed/2.csv: there is no column 'a'"),
        ({"key": "bad.csv"}, SourceReason.INVALID_DATA, "s3://data/bad.csv: not CSV"),
        ({"key": "empty.csv"}, SourceReason.INVALID_DATA, "s3://data/empty.csv: the file is empty"),
        ({"key": "short.parquet"}, SourceReason.INVALID_DATA, "s3://data/short.parquet: not a Parquet file"),
        ({"key": "x.csv", "max_download": 4}, SourceReason.INVALID_DATA, "are larger than 4 bytes"),
        ({"key": "x.csv", "endpointUrl": "http://127.0.0.1:9"}, SourceReason.UNREACHABLE, "Could not connect"),
    ],
)
async def test_what_the_store_has_not(
    store: str, environment: pytest.MonkeyPatch, source: Object, reason: SourceReason, said: str
) -> None:
    with pytest.raises(SourceError) as caught:
        await read(source.pop("endpointUrl", store), **source)
    assert (caught.value.reason, said in str(caught.value)) == (reason, True), str(caught.value)


async def test_no_credentials_say_what_to_do(store: str, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SourceError, match="no credentials: set secretRef, or give the service account") as caught:
        await read(store, key="x.csv")
    assert caught.value.reason is SourceReason.NOT_ALLOWED


@pytest.fixture
def guarded(store: str) -> Iterator[str]:
    """moto, asking for the rights of whoever comes."""
    httpx.post(f"{store}/moto-api/reset-auth", content=b"0").raise_for_status()
    yield store
    httpx.post(f"{store}/moto-api/reset-auth", content=b"inf").raise_for_status()


async def test_what_may_not_be_read_is_told_apart_from_what_is_not_there(
    guarded: str, environment: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError) as caught:
        await read(guarded, key="x.csv")
    assert caught.value.reason is SourceReason.NOT_ALLOWED
    assert "s3://data" in str(caught.value)


async def test_an_object_that_is_pinned_is_read_as_a_whole_and_held_against_its_hash(
    store: str, environment: pytest.MonkeyPatch
) -> None:
    place = {"bucket": "data", "key": "x.parquet", "endpointUrl": store}

    async def pinned(sha256: str) -> SourceTable:
        source = ReferenceSource.model_validate({"s3": place, "profile": {"sha256": sha256}})
        async with httpx.AsyncClient() as http:
            return await read_table(source, SourceContext(http), "spec.reference")

    assert (await pinned(hashlib.sha256(parquet(5000)).hexdigest())).num_rows == 5000
    with pytest.raises(SourceError) as caught:
        await pinned("0" * 64)
    assert (caught.value.reason, caught.value.field) == (SourceReason.NOT_THE_ONE, "spec.reference.profile.sha256")
