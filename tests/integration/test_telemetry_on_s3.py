"""``firedrill telemetry export`` to S3, with moto's server as its double."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from support.moto import moto_server
from support.proxied import ProxiedSimulation
from support.telemetry_rows import WINDOW, export, recorded

pytestmark = pytest.mark.integration


@pytest.fixture
def simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProxiedSimulation]:
    with recorded(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.S3FileSystem]:
    with moto_server() as endpoint:
        credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-west-1"}
        for name, value in {**credentials, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        files = fs.S3FileSystem(endpoint_override=endpoint, region="eu-west-1", allow_bucket_creation=True)
        files.create_dir("features")
        yield files


def test_s3_holds_the_same_and_an_export_is_never_mixed_with_another(
    simulation: ProxiedSimulation, bucket: fs.S3FileSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--output", "s3://features/bank/1", "--truth", "s3://features/truth/1"]
    assert export(*WINDOW, *places) == 0
    with bucket.open_input_file("features/bank/1/metrics.parquet") as stream:
        assert pq.read_table(stream).num_rows == 81
    with bucket.open_input_file("features/truth/1/flags.parquet") as stream:
        assert pq.read_table(stream).num_rows == 1
    assert export(*WINDOW, *places) == 64
    assert "--output s3://features/bank/1: is not empty" in capsys.readouterr().err
    assert export(*WINDOW, "--output", "s3://no-such-bucket/x") == 64
    assert "--output s3://no-such-bucket/x" in capsys.readouterr().err
