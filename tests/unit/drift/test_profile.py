"""A saved reference: what is in it, that it is the one that is meant, and of the model that answers."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from drift_runs import CSV, drift
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from firedrill.api.data import ReferenceSource
from firedrill.api.verdict import Verdict
from firedrill.cli.main import main
from firedrill.engines.drift import check
from firedrill.engines.drift.saved import Saved, save, saved_of
from firedrill.engines.drift.table import TableColumns
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import SourceError
from firedrill.sources.read import read_table
from firedrill.sources.table import ParquetTable


def saved(table: Any, rows: int = 100_000, version: str | None = None) -> tuple[Saved, bytes]:
    body = io.BytesIO()
    return save(TableColumns(table), body, rows, version), body.getvalue()


@given(rows=st.integers(0, 60), most=st.integers(1, 60))
@settings(max_examples=30)
def test_a_profile_holds_rows_of_the_reference_whole_and_in_their_order(rows: int, most: int) -> None:
    reference = pa.table({"n": pa.array(range(rows), pa.int64()), "t": pa.array([f"t{i}" for i in range(rows)])})
    of, body = saved(reference, most, "v1")
    assert of == Saved(rows, min(rows, most), "v1")
    table = ParquetTable(pa.BufferReader(body))
    assert saved_of(table.notes) == of
    numbers = table.column(0).to_pylist()
    assert (numbers, len(numbers)) == (sorted(set(numbers)), of.sampled)
    assert table.column(1).to_pylist() == [f"t{n}" for n in numbers]
    # The same reference has the same profile, and so the same hash.
    assert saved(reference, most, "v1")[1] == body


def test_types_missing_values_and_names_that_repeat_are_kept() -> None:
    reference = pa.table([[1, None], ["a", None], [None, None], [True, False]], names=["a", "a", "none", "flag"])
    table = ParquetTable(pa.BufferReader(saved(reference)[1]))
    assert list(table.names) == ["a", "a (2)", "none", "flag"]
    assert [table.column(n).to_pylist() for n in range(4)] == [[1, None], ["a", None], [None, None], [True, False]]


def test_a_table_against_its_own_profile_has_not_drifted_and_one_that_moved_has() -> None:
    rng = np.random.default_rng(7)
    reference = pa.table({"x": rng.normal(size=20_000), "c": rng.choice(["a", "b", "c"], 20_000)})
    profile = ParquetTable(pa.BufferReader(saved(reference, 2000)[1]))
    same = pa.table({"x": rng.normal(size=2000), "c": rng.choice(["a", "b", "c"], 2000)})
    moved = pa.table({"x": rng.normal(0.5, size=2000), "c": rng.choice(["a", "b", "c"], 2000)})
    assert check(profile, same).verdict is Verdict.PASSED
    assert check(profile, moved).drifted[0] == "x"


@pytest.mark.parametrize(
    "notes", [b"{}", b"[]", b"no", b'{"version": 2, "rows": 1, "sampled": 1, "modelVersion": null}']
)
def test_notes_of_another_form_are_told(notes: bytes) -> None:
    with pytest.raises(ValueError, match="notes of the profile can not be read"):
        saved_of({b"firedrill.profile": notes})


# -- pinned ------------------------------------------------------------------------------------------------------------


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def pinned(source: dict[str, Any], sha256: str, data: bytes, folder: Path) -> list[str]:
    async def read_map(_name: str, _key: str) -> bytes:
        return data

    async def find(_claim: str) -> Path:
        return folder

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=data))
    async with httpx.AsyncClient(transport=transport) as http:
        context = SourceContext(http, read_config_map=read_map, allow_files=True, base_dir=folder, find_volume=find)
        of = ReferenceSource.model_validate({**source, "profile": {"sha256": sha256}})
        return list((await read_table(of, context, "spec.reference")).names)


PLACES: list[dict[str, Any]] = [
    {"inline": {"csv": CSV}},
    {"configMap": {"name": "data", "key": "x.csv"}},
    {"http": {"url": "http://h/x.csv"}},
    {"file": {"path": "x.csv"}},
    {"volume": {"claim": "features", "path": "x.csv"}},
]


@pytest.mark.parametrize("source", PLACES, ids=[next(iter(each)) for each in PLACES])
async def test_a_content_is_held_against_its_hash_wherever_it_is(source: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(CSV)
    assert await pinned(source, sha(CSV.encode()), CSV.encode(), tmp_path) == ["a", "b"]
    with pytest.raises(SourceError) as caught:
        await pinned(source, "0" * 64, CSV.encode(), tmp_path)
    assert str(caught.value) == (
        f"spec.reference.profile.sha256: the content has SHA-256 {sha(CSV.encode())}, "
        f"and {'0' * 64} is asked for: it is another one"
    )


async def test_a_folder_can_not_be_pinned(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    with pytest.raises(SourceError, match="a folder can not be pinned"):
        await pinned({"volume": {"claim": "features", "path": "part"}}, "0" * 64, b"", tmp_path)


PIN = {"sha256": "0" * 64}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"kafka": {"host": "k", "topic": "t"}, "profile": PIN}, "profile pins one file"),
        ({"s3": {"bucket": "abc", "prefix": "p"}, "profile": PIN}, "profile pins one file"),
        ({"inline": {"csv": "a"}, "window": {"column": "t", "last": "1h"}, "profile": PIN}, "it is taken whole"),
        ({"inline": {"csv": "a"}, "profile": {"sha256": "ABC"}}, "profile.sha256"),
        ({"inline": {"csv": "a"}, "profile": {**PIN, "versionColumn": "v"}}, "versionColumn needs modelVersion"),
    ],
)
def test_what_can_not_be_pinned_is_refused(source: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ReferenceSource.model_validate(source)
    assert said in str(caught.value)


# -- in a run ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def profile(tmp_path: Path) -> dict[str, Any]:
    """Of model v1, with 100 of 200 rows."""
    table = pa.table({"a": [i % 17 for i in range(200)], "b": ["xyz"[i % 3] for i in range(200)]})
    body = saved(table, 100, "v1")[1]
    (tmp_path / "ref.parquet").write_bytes(body)
    return {"file": {"path": "ref.parquet"}, "profile": {"sha256": sha(body), "modelVersion": "v1"}}


async def test_the_report_says_what_the_reference_was(profile: dict[str, Any], tmp_path: Path) -> None:
    result = await drift(tmp_path, reference=profile)
    assert result.verdict is Verdict.PASSED
    used = {"sha256": profile["profile"]["sha256"], "model_version": "v1", "rows": 200, "sampled": 100}
    assert result.report["reference_profile"] == used


@pytest.mark.parametrize(
    ("pin", "spec", "reason", "said"),
    [
        (
            {"modelVersion": "v2"},
            {},
            "SourceNotTheOne",
            "modelVersion: is 'v2', and the profile says that it is of 'v1'",
        ),
        ({"sha256": "0" * 64}, {}, "SourceNotTheOne", "spec.reference.profile.sha256: the content has SHA-256"),
        (
            {"versionColumn": "model"},
            {"current": {"inline": {"csv": "a,b,model\n" + "1,x,v1\n" * 90 + "1,x,v2\n" * 9 + "1,x,\n" * 9}}},
            "SourceNotTheOne",
            "modelVersion: is 'v1', and column 'model' of the current data says 'v2' (9 rows)",
        ),
        ({"versionColumn": "model"}, {}, "InvalidData", "versionColumn: the current data have no column 'model'"),
        ({}, {"rows": {"dependent": True}}, "InvalidSpec", "spec.rows.dependent: the reference is a profile"),
    ],
)
async def test_a_profile_that_is_not_of_what_is_asked(
    profile: dict[str, Any], tmp_path: Path, pin: dict[str, str], spec: dict[str, Any], reason: str, said: str
) -> None:
    source = {**profile, "profile": {**profile["profile"], **pin}}
    result = await drift(tmp_path, **{"reference": source, **spec})
    assert (result.verdict, result.reason) == (Verdict.ERROR, reason), result.message
    assert said in result.message


async def test_a_model_that_answered_as_asked_and_rows_that_do_not_tell(
    profile: dict[str, Any], tmp_path: Path
) -> None:
    rows = "".join(f"{i % 17},{'xyz'[i % 3]},{'v1' if i % 2 else ''}\n" for i in range(200))
    source = {**profile, "profile": {**profile["profile"], "versionColumn": "model"}}
    result = await drift(tmp_path, reference=source, current={"inline": {"csv": f"a,b,model\n{rows}"}})
    assert result.verdict is Verdict.PASSED, result.message


def test_the_command_saves_what_a_check_can_pin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ref.csv").write_text(CSV)
    out = tmp_path / "ref.parquet"
    assert main(["profile", str(tmp_path / "ref.csv"), "-o", str(out), "--rows", "150", "--model-version", "v3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sha256"] == sha(out.read_bytes())
    assert (told["rows"], told["sampled"], told["modelVersion"]) == (200, 150, "v3")
    assert main(["drift", str(out), str(tmp_path / "ref.csv"), "-o", "json"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [["none.csv", "-o", "x"], ["ref.csv", "-o", "no/x"], ["ref.csv", "-o", "x", "--rows", "0"], ["ref.csv"]],
)
def test_a_wrong_command_is_told(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ref.csv").write_text(CSV)
    assert main(["profile", *arguments]) == 64
    assert capsys.readouterr().err
