"""Sources: inline, ConfigMap, HTTP, file; and what is said when one can not be read."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from firedrill.api.data import DataSource
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import SourceError, SourceReason
from firedrill.sources.http import shown
from firedrill.sources.read import read_table

CSV = b"a,b\n1,2\n"
MAPS = {"data": {"x.csv": CSV, "x.jsonl": b'{"a": 1}\n', "bad.csv": b"a,b\n1\n"}}


async def read_map(name: str, key: str) -> bytes:
    if name == "down":
        raise TimeoutError
    return MAPS[name][key]


def answer(request: httpx.Request) -> httpx.Response:
    path = request.url.path
    if path == "/refused":
        raise httpx.ConnectError("connection refused")
    if path == "/moved":
        return httpx.Response(302, headers={"location": "/x.csv"})
    if path == "/x.csv":
        return httpx.Response(200, content=CSV)
    if path == "/login":
        return httpx.Response(200, content=CSV, headers={"content-type": "text/html; charset=utf-8"})
    if path == "/page":
        return httpx.Response(200, content=b"<!doctype html>\n<p>a,b\n")
    if path == "/bad":
        return httpx.Response(200, content=b"a,b\n1\n")
    return httpx.Response(404 if path == "/gone" else 500)


async def read(source: dict[str, Any], **context: Any) -> list[str]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        given = {"http": http, "read_config_map": read_map} | context
        return list((await read_table(DataSource.model_validate(source), SourceContext(**given), "spec.current")).names)


@pytest.mark.parametrize(
    "source",
    [
        {"inline": {"csv": "a,b\n1,2\n"}},
        {"configMap": {"name": "data", "key": "x.csv"}},
        {"http": {"url": "http://h/x.csv"}},
        {"http": {"url": "http://h/moved"}},
    ],
)
async def test_every_source_gives_its_table(source: dict[str, Any]) -> None:
    assert await read(source) == ["a", "b"]


async def test_config_maps_hold_other_formats_too() -> None:
    assert await read({"configMap": {"name": "data", "key": "x.jsonl", "format": "jsonl"}}) == ["a"]


async def test_files_are_read_beside_the_resource_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "x.csv").write_text("cwd\n1\n")
    monkeypatch.chdir(tmp_path)
    given = {"allow_files": True, "base_dir": tmp_path / "here"}
    assert await read({"file": {"path": "x.csv"}}, **given) == ["cwd"]
    (tmp_path / "here" / "x.csv").write_text("beside\n1\n")
    assert await read({"file": {"path": "x.csv"}}, **given) == ["beside"]
    assert await read({"file": {"path": str(tmp_path / "x.csv")}}, **given) == ["cwd"]


@pytest.mark.parametrize(
    ("source", "reason", "field"),
    [
        ({"inline": {"csv": "a,b\n1\n"}}, SourceReason.INVALID_DATA, "spec.current.inline.csv"),
        ({"configMap": {"name": "nope", "key": "x"}}, SourceReason.NOT_FOUND, "spec.current.configMap"),
        ({"configMap": {"name": "data", "key": "x"}}, SourceReason.NOT_FOUND, "spec.current.configMap"),
        ({"configMap": {"name": "down", "key": "x"}}, SourceReason.UNREACHABLE, "spec.current.configMap"),
        ({"configMap": {"name": "data", "key": "bad.csv"}}, SourceReason.INVALID_DATA, "spec.current.configMap.key"),
        ({"http": {"url": "http://h/refused"}}, SourceReason.UNREACHABLE, "spec.current.http.url"),
        ({"http": {"url": "http://h/500"}}, SourceReason.UNREACHABLE, "spec.current.http.url"),
        ({"http": {"url": "http://h/gone"}}, SourceReason.NOT_FOUND, "spec.current.http.url"),
        ({"http": {"url": "http://h/bad"}}, SourceReason.INVALID_DATA, "spec.current.http.url"),
        ({"http": {"url": "http://h/login"}}, SourceReason.INVALID_DATA, "spec.current.http.url"),
        ({"http": {"url": "http://h/page"}}, SourceReason.INVALID_DATA, "spec.current.http.url"),
        ({"http": {"url": "http://h:99999/x"}}, SourceReason.UNREACHABLE, "spec.current.http.url"),
        ({"file": {"path": "x.csv"}}, SourceReason.NOT_ALLOWED, "spec.current.file.path"),
    ],
)
async def test_what_can_not_be_read_names_reason_and_field(
    source: dict[str, Any], reason: SourceReason, field: str
) -> None:
    with pytest.raises(SourceError) as caught:
        await read(source)
    assert caught.value.reason is reason
    assert str(caught.value).startswith(f"{field}: ")


async def test_without_a_cluster_there_are_no_config_maps() -> None:
    with pytest.raises(SourceError, match="only be read in a cluster"):
        await read({"configMap": {"name": "data", "key": "x.csv"}}, read_config_map=None)


@pytest.mark.parametrize("path", ["nope.csv", "."])
async def test_files_that_can_not_be_read(path: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        await read({"file": {"path": path}}, allow_files=True, base_dir=tmp_path)


async def test_downloads_are_bounded_in_size() -> None:
    with pytest.raises(SourceError, match="larger than 4 bytes"):
        await read({"http": {"url": "http://h/x.csv"}}, max_download=4)


def test_secrets_in_addresses_are_not_told() -> None:
    assert shown("https://me:pass@host/x?token=1#f") == "https://host/x"
