import io
import json
import tarfile
from pathlib import Path

import pytest

from firedrill.lab.imaging import layer, oci, recipes, rootfs
from firedrill.lab.imaging.go_layer import Program
from firedrill.lab.imaging.layer import Entry, Layer
from firedrill.lab.imaging.oci import Image


def make_layer(key: str, *entries: Entry) -> Layer:
    return layer.cached(key, lambda target: layer.write(target, entries))


def image() -> Image:
    base = make_layer("base-1", Entry("etc/hello", b"hello", 0o644))
    code = make_layer("code-1", Entry("opt/app/main.py", b"print()", 0o755))
    return Image("docker.io/firedrill/test:dev", (base, code), ("main",), user="65532:65532")


def archive_of(made: Image, present: set[str] | None = None) -> dict[str, bytes]:
    stream = io.BytesIO()
    oci.write_archive(made, stream, present or set())
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_a_layer_is_the_same_each_time(tmp_path: Path) -> None:
    entries = [Entry("b/two", b"2", 0o644), Entry("a/one", b"1", 0o755)]
    layer.write(tmp_path / "1.tar", entries)
    layer.write(tmp_path / "2.tar", reversed(entries))
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


def test_a_layer_brings_the_folders_that_lead_to_its_files(tmp_path: Path) -> None:
    layer.write(tmp_path / "1.tar", [Entry("opt/app/main.py", b"x", 0o755)])
    with tarfile.open(tmp_path / "1.tar") as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == ["opt", "opt/app", "opt/app/main.py"]
    assert all(member.isdir() for member in members[:2])
    assert all((member.uid, member.gid, member.mtime) == (0, 0, 0) for member in members)


def test_a_layer_is_made_once_and_a_failure_leaves_nothing(lab_home: Path) -> None:
    calls = []

    def broken(target: Path) -> None:
        calls.append(target)
        target.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        layer.cached("base-x", broken)
    assert list((lab_home / "cache" / "layers").iterdir()) == []
    first = make_layer("base-x", Entry("a", b"1", 0o644))
    assert layer.cached("base-x", broken) == first
    assert len(calls) == 1


def test_old_layers_are_forgotten(lab_home: Path) -> None:
    for number in range(layer.KEPT + 3):
        make_layer(f"application-{number}", Entry("a", str(number).encode(), 0o644))
    make_layer("base-1", Entry("a", b"1", 0o644))
    kept = sorted(path.name for path in (lab_home / "cache" / "layers").glob("application-*.tar"))
    assert len(kept) == layer.KEPT
    assert f"application-{layer.KEPT + 2}.tar" in kept
    assert (lab_home / "cache" / "layers" / "base-1.tar").exists()


def test_the_archive_is_an_oci_layout() -> None:
    made = image()
    files = archive_of(made)
    index = json.loads(files["index.json"])
    entry = index["manifests"][0]
    assert entry["digest"] == made.digest
    assert entry["annotations"]["io.containerd.image.name"] == "docker.io/firedrill/test:dev"
    manifest = json.loads(files[oci.blob_path(entry["digest"])])
    for part in [manifest["config"], *manifest["layers"]]:
        blob = files[oci.blob_path(part["digest"])]
        assert oci.digest(blob) == part["digest"]
        assert len(blob) == part["size"]
    config = json.loads(files[oci.blob_path(manifest["config"]["digest"])])
    assert config["rootfs"]["diff_ids"] == [part["digest"] for part in manifest["layers"]]
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["main"]


def test_the_archive_is_one_that_docker_loads_too() -> None:
    files = archive_of(image())
    entry = json.loads(files["manifest.json"])[0]
    assert entry["RepoTags"] == ["firedrill/test:dev"]
    assert all(path in files for path in [entry["Config"], *entry["Layers"]])


def test_layers_that_the_store_has_are_left_out() -> None:
    made = image()
    files = archive_of(made, {made.layers[0].digest})
    assert oci.blob_path(made.layers[0].digest) not in files
    assert oci.blob_path(made.layers[1].digest) in files


def test_a_change_of_code_changes_the_image_and_one_layer() -> None:
    before = image()
    code = make_layer("code-2", Entry("opt/app/main.py", b"print(2)", 0o755))
    after = Image(before.reference, (before.layers[0], code), before.entrypoint, user=before.user)
    assert after.digest != before.digest
    assert after.layers[0].digest == before.layers[0].digest


def test_package_lists_are_merged_and_may_hold_comments(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("# system packages\npython3\nnftables # for faults\n\n")
    (tmp_path / "b").write_text("python3\nlibgomp1\n")
    assert rootfs.packages(tmp_path / "a", tmp_path / "b") == ["libgomp1", "nftables", "python3"]


def test_a_root_file_system_loses_what_no_container_needs(tmp_path: Path) -> None:
    kept = ["./usr/bin/python3.11", "./etc/ssl/certs/ca.pem", "./usr/share/zoneinfo/UTC", "./var/lib/dpkg/status"]
    dropped = ["./usr/share/doc/x/README", "./usr/share/man/man1/x.1", "./var/cache/apt/x", "./dev/null", "./run/x"]
    with tarfile.open(tmp_path / "whole.tar", "w") as archive:
        for name in [*kept, *dropped]:
            archive.addfile(tarfile.TarInfo(name))
    rootfs.strip(tmp_path / "whole.tar", tmp_path / "part.tar")
    with tarfile.open(tmp_path / "part.tar") as archive:
        assert archive.getnames() == [name.removeprefix("./") for name in kept] or archive.getnames() == kept
    made = Layer(tmp_path / "part.tar", "sha256:0", 0)
    assert rootfs.python_version(made) == "3.11"


def test_a_root_file_system_goes_without_the_paths_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "leave-out.txt").write_text("# unused\nusr/lib/*/libLLVM-14.so.1\nvar/lib/postgresql\n")
    kept = ["./usr/lib/libLLVM-14.so.1", "./usr/lib/a/b/libLLVM-14.so.1", "./var/lib/postgresql-common/x"]
    dropped = ["./usr/lib/x86_64-linux-gnu/libLLVM-14.so.1", "./var/lib/postgresql", "./var/lib/postgresql/15/main/x"]
    with tarfile.open(tmp_path / "whole.tar", "w") as archive:
        for name in [*kept, *dropped]:
            archive.addfile(tarfile.TarInfo(name))
    rootfs.strip(tmp_path / "whole.tar", tmp_path / "part.tar", rootfs.left_out(tmp_path / "leave-out.txt"))
    with tarfile.open(tmp_path / "part.tar") as archive:
        assert [name.removeprefix("./") for name in archive.getnames()] == [name.removeprefix("./") for name in kept]


@pytest.mark.parametrize(
    ("clusters", "names"),
    [
        (["hub"], ["runner"]),
        (["hub", "iot"], ["runner", "components", "simulator"]),
        (["healthcare"], ["runner", "model-server", "components", "simulator"]),
        (["elsewhere"], ["runner"]),
    ],
)
def test_the_images_of_industries_go_where_industries_are(clusters: list[str], names: list[str]) -> None:
    assert recipes.names_for(clusters) == names


def test_a_cluster_gets_the_images_that_are_for_it_and_those_of_the_lab() -> None:
    references = [*recipes.IMAGES.values(), recipes.PAUSE]
    images = {reference: Image(reference, ()) for reference in references}
    assert [image.reference for image in recipes.for_cluster(images, "hub")] == [recipes.RUNNER, recipes.PAUSE]
    assert len(recipes.for_cluster(images, "healthcare")) == len(references)


def test_every_image_has_a_recipe_and_a_dockerfile() -> None:
    sources = recipes.find_sources()
    assert sources is not None
    assert recipes.RECIPES.keys() == recipes.IMAGES.keys()
    for name in recipes.IMAGES:
        assert sources.file("images", name, "Dockerfile").is_file()


def test_a_program_is_built_from_its_module_alone() -> None:
    program = Program("prometheus", Path("/module"), "example.org/cmd", "usr/local/bin", ("one", "two"))
    arguments = program.arguments(Path("/out"))
    assert program.path == "usr/local/bin/prometheus"
    assert arguments[0] == "build"
    assert "-mod=readonly" in arguments
    assert arguments[-5:] == ["-tags", "one,two", "-o", "/out", "example.org/cmd"]
    assert Program("simulator", Path("/module")).path == "simulator"


def test_the_dockerfile_builds_prometheus_as_the_lab_does() -> None:
    sources = recipes.find_sources()
    assert sources is not None
    text = sources.file("images", "components", "Dockerfile").read_text(encoding="utf-8")
    assert ",".join(recipes.PROMETHEUS_TAGS) in text
    assert recipes.PROMETHEUS_PACKAGE in text
    assert recipes.POSTGRES_PROGRAMS in text
