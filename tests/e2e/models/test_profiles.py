"""A reference that was saved by ``firedrill profile`` and is pinned: in a ConfigMap, and on a server."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from demo import Demo
from model_runs import CONTEXT, RUNNERS, Case, Object, Seen, play_all
from model_store import Store
from model_tables import SHIFT, csv, parquet, payments

pytestmark = pytest.mark.e2e

ROWS, SAVED = 4_000, 2_000
NAME = "fraud-reference"


def answered(seed: int, version: str, shift: float = 0.0) -> bytes:
    """Payments of today, each with the version of the model that answered."""
    table = payments(seed, SAVED, shift)
    return parquet(table.append_column("model_version", pa.array([version] * SAVED)), 2)


@pytest.fixture(scope="module")
def saved(lab: Demo, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Object:
    """What ``firedrill profile`` says of the profile that it wrote; it is in a ConfigMap of the target."""
    folder = tmp_path_factory.mktemp("profile")
    source, target = folder / "training.csv", folder / "reference.parquet"
    source.write_bytes(csv(payments(41, ROWS)))
    options = ("-o", str(target), "--rows", str(SAVED), "--model-version", "v3")
    done = subprocess.run(
        [sys.executable, "-m", "firedrill", "profile", str(source), *options],
        check=True,
        capture_output=True,
        text=True,
    )
    told: Object = json.loads(done.stdout)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == told["sha256"]
    _keep(lab, target)
    store.put("reference-v3.parquet", target.read_bytes())
    store.put("reference-forged.parquet", parquet(payments(42, SAVED)))
    store.put("answered-v3.parquet", answered(43, "v3"))
    store.put("answered-v3-moved.parquet", answered(44, "v3", SHIFT))
    store.put("answered-v4.parquet", answered(45, "v4"))
    return told


def _keep(lab: Demo, file: Path) -> None:
    where = ("-n", RUNNERS, "create", "configmap", NAME, f"--from-file=reference.parquet={file}")
    made = lab.kubectl(CONTEXT, *where, "--dry-run=client", "-o", "yaml", capture=True)
    lab.kubectl(CONTEXT, "apply", "--server-side", "-f", "-", stdin=made, capture=True)


IN_CONFIG_MAP: Object = {"configMap": {"name": NAME, "key": "reference.parquet", "format": "parquet"}}


def on_server(name: str) -> Object:
    """A file of the store."""
    return {"http": {"url": f"http://store.shop:8080/files/{name}.parquet", "format": "parquet"}}


def cases(sha256: str) -> dict[str, Case]:
    """Checks against the profile with this hash."""
    pin: Object = {"sha256": sha256, "modelVersion": "v3", "versionColumn": "model_version"}

    def check(reference: Object, current: str, profile: Object = pin, **more: object) -> Case:
        spec = {"reference": {**reference, "profile": profile}, "current": on_server(current), **more}
        return Case("DriftCheck", {**spec, "columns": {"exclude": ["model_version"]}})

    return {
        "pinned": check(IN_CONFIG_MAP, "answered-v3"),
        "pinned-moved": check(IN_CONFIG_MAP, "answered-v3-moved"),
        "pinned-on-server": check(on_server("reference-v3"), "answered-v3"),
        "pinned-shared": check(IN_CONFIG_MAP, "answered-v3", {"sha256": sha256}, scale={"workers": 2}),
        "forged": check(on_server("reference-forged"), "answered-v3"),
        "forged-shared": check(on_server("reference-forged"), "answered-v3", {"sha256": sha256}, scale={"workers": 2}),
        "of-another-model": check(IN_CONFIG_MAP, "answered-v4"),
    }


@pytest.fixture(scope="module")
def seen(lab: Demo, saved: Object) -> dict[str, Seen]:
    """What came of every case."""
    try:
        return play_all(lab, cases(saved["sha256"]))
    finally:
        lab.kubectl(CONTEXT, "-n", RUNNERS, "delete", "configmap", NAME, capture=True)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("pinned", ("Passed", "NoDrift")),
        ("pinned-moved", ("Failed", "DriftDetected")),
        ("pinned-on-server", ("Passed", "NoDrift")),
        ("pinned-shared", ("Passed", "NoDrift")),
        ("forged", ("Error", "SourceNotTheOne")),
        ("forged-shared", ("Error", "SourceNotTheOne")),
        ("of-another-model", ("Error", "SourceNotTheOne")),
    ],
)
def test_verdict(name: str, verdict: tuple[str, str], seen: dict[str, Seen]) -> None:
    assert seen[name].verdict == verdict, seen[name].message


@pytest.mark.parametrize("name", ["pinned", "pinned-on-server", "pinned-shared"])
def test_the_report_says_what_it_was_held_against(name: str, saved: Object, seen: dict[str, Seen]) -> None:
    told = seen[name].report["reference_profile"]
    assert told == {"sha256": saved["sha256"], "model_version": "v3", "rows": ROWS, "sampled": SAVED}


def test_another_content_is_told_by_both_hashes(saved: Object, seen: dict[str, Seen]) -> None:
    other = hashlib.sha256(parquet(payments(42, SAVED))).hexdigest()
    for name in ("forged", "forged-shared"):
        assert saved["sha256"] in seen[name].message
        assert other in seen[name].message
    assert "'v4'" in seen["of-another-model"].message
