import hashlib
import importlib.util
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from firedrill.lab.errors import LabError
from firedrill.lab.imaging import jar_layer, recipes
from firedrill.lab.imaging.recipes import Sources

JAR = b"a jar"
PATH = "org/apache/kafka/kafka-raft/3.9.1/kafka-raft-3.9.1.jar"
MIRROR = "<settings xmlns='http://maven.apache.org/SETTINGS/1.2.0'><mirrors>{}</mirrors></settings>"


def sources() -> Sources:
    found = recipes.find_sources()
    assert found is not None
    return found


@pytest.fixture
def fetch() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch", sources().file("images", "components", "fetch.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "repository"
    (folder / PATH).parent.mkdir(parents=True)
    (folder / PATH).write_bytes(JAR)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("MAVEN_CENTRAL_URL", f"http://127.0.0.1:{server.server_port}/")
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def lock_file(folder: Path, digest: str, version: str = "3.9.1") -> Path:
    lock = folder / "kafka.lock"
    lock.write_text(f"# jars\norg.apache.kafka:kafka-raft:{version}  {digest}\n")
    return lock


def test_a_jar_of_the_lock_file_is_fetched(repository: Path, fetch: ModuleType, tmp_path: Path) -> None:
    lock = lock_file(tmp_path, hashlib.sha256(JAR).hexdigest())
    assert fetch.main(lock, tmp_path / "jars") == 0
    assert (tmp_path / "jars" / "kafka-raft-3.9.1.jar").read_bytes() == JAR


@pytest.mark.parametrize(
    ("digest", "version", "said"),
    [("0" * 64, "3.9.1", "its sha256 is"), (hashlib.sha256(JAR).hexdigest(), "3.9.2", "HTTP Error 404")],
    ids=["another jar", "no such jar"],
)
def test_another_jar_or_none_is_an_error_that_names_it(
    repository: Path, tmp_path: Path, digest: str, version: str, said: str
) -> None:
    lock = lock_file(tmp_path, digest, version)
    script = sources().file("images", "components", "fetch.py")
    with pytest.raises(LabError, match=f"kafka-raft-{version}.jar: {said}"):
        jar_layer.jars(lock, script, "opt/kafka/libs", tmp_path / "log")


@pytest.mark.parametrize(
    ("mirror", "address"),
    [
        ("", "https://repo1.maven.org/maven2"),
        ("<mirror><mirrorOf>central</mirrorOf><url>https://mirror/m2/</url></mirror>", "https://mirror/m2"),
        ("<mirror><mirrorOf>*</mirrorOf><url>https://mirror/m2</url></mirror>", "https://mirror/m2"),
        ("<mirror><mirrorOf>*,!central</mirrorOf><url>https://m/</url></mirror>", "https://repo1.maven.org/maven2"),
        ("<mirror><mirrorOf>snapshots</mirrorOf><url>https://m/</url></mirror>", "https://repo1.maven.org/maven2"),
        (
            "<mirror><mirrorOf>external:*</mirrorOf><url>http://0/</url><blocked>true</blocked></mirror>",
            "https://repo1.maven.org/maven2",
        ),
    ],
)
def test_mavens_own_settings_name_the_mirror(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: str, address: str
) -> None:
    monkeypatch.delenv("MAVEN_CENTRAL_URL", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".m2").mkdir()
    (tmp_path / ".m2" / "settings.xml").write_text(MIRROR.format(mirror))
    assert fetch.repository() == address


def test_the_lock_file_of_kafka_names_each_jar_once_with_its_digest(fetch: ModuleType) -> None:
    entries = fetch.entries(sources().file("images", "components", "kafka.lock"))
    names = [path.rsplit("/", 1)[1] for path, _ in entries]
    assert len(set(names)) == len(names)
    assert {"kafka_2.13-3.9.1.jar", "kafka-clients-3.9.1.jar", "kafka-tools-3.9.1.jar"} <= set(names)
    assert all(len(digest) == 64 for _, digest in entries)
