import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from firedrill.lab import canary, cli, command, existing, kind, lab
from firedrill.lab.client import Client, wait_until
from firedrill.lab.errors import LabError
from firedrill.lab.imaging import recipes
from firedrill.lab.model import ClusterState, LabSpec, LabState, Provider
from firedrill.lab.native import anchor, host_settings, plan
from firedrill.lab.native.plan import Plan, Step
from firedrill.lab.paths import LabPaths, lab_names, remove_tree
from firedrill.lab.residue import Snapshot


@pytest.mark.parametrize(
    ("alive", "came_up", "step"),
    [(True, True, Step.KEEP), (True, False, Step.REPLACE), (False, True, Step.REPLACE), (False, False, Step.START)],
)
def test_what_up_does_to_a_cluster(alive: bool, came_up: bool, step: Step) -> None:
    assert plan.decide(alive=alive, came_up=came_up) is step


def merged(known: Plan | None, *wanted: str, nodes: bool = True) -> Plan:
    return plan.merge(known, wanted, paths=LabPaths("demo"), nodes=nodes, binaries="/bin")


def test_clusters_keep_their_index_when_others_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.host, "networks_in_use", lambda: [])
    first = merged(None, "hub", "finance")
    second = merged(first, "iot", "hub")
    assert second.clusters == ["hub", "finance", "iot"]
    assert second.addresses == first.addresses
    assert [layout.index for layout in second.layouts(LabPaths("demo"))] == [0, 1, 2]


def test_a_lab_does_not_change_between_nodes_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.host, "networks_in_use", lambda: [])
    with pytest.raises(LabError, match="take it down first"):
        merged(merged(None, "hub"), "hub", nodes=False)


def test_a_plan_is_read_back_and_a_broken_one_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.host, "networks_in_use", lambda: [])
    paths = LabPaths("demo")
    assert plan.load(paths) is None
    plan.save(paths, merged(None, "hub"))
    assert plan.load(paths) == merged(None, "hub")
    paths.plan.write_text("{")
    with pytest.raises(LabError, match="firedrill lab down --name demo"):
        plan.load(paths)


def test_state_is_read_back_and_labs_are_listed() -> None:
    paths = LabPaths("demo")
    cluster = ClusterState(name="hub", context="firedrill-hub", server="https://10.208.0.10:6443", ca_file="/ca")
    state = LabState(name="demo", provider=Provider.NATIVE, kubeconfig="/k", clusters=[cluster])
    state.save(paths.state)
    assert paths.load_state() == state
    assert state.cluster("hub") == cluster
    assert state.cluster("iot") is None
    assert lab_names() == ["demo"]


def test_one_command_at_a_time_works_on_a_lab() -> None:
    paths = LabPaths("demo")
    with paths.lock(), pytest.raises(LabError, match="another command"), paths.lock():
        pass


def test_down_of_a_lab_that_never_was_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(lab.native, "down", lambda paths: called.append(paths.name))
    lab.down("nothing")
    assert called == ["nothing"]


def test_a_broken_record_does_not_stop_down(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = LabPaths("demo")
    paths.root.mkdir(parents=True)
    paths.state.write_text("{")
    called: list[str] = []
    monkeypatch.setattr(lab.native, "down", lambda paths: called.append(paths.name))
    lab.down("demo")
    assert called == ["demo"]


def test_the_provider_that_auto_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "docker_answers", lambda: True)
    assert lab.choose_provider(LabSpec()) is Provider.KIND
    assert lab.choose_provider(LabSpec(nodes=False)) is Provider.NATIVE
    assert lab.choose_provider(LabSpec(contexts={"hub": "x"})) is Provider.EXISTING
    monkeypatch.setattr(kind, "docker_answers", lambda: False)
    assert lab.choose_provider(LabSpec()) is Provider.NATIVE
    assert lab.choose_provider(LabSpec(provider=Provider.KIND)) is Provider.KIND


def test_only_the_processes_of_the_cluster_are_found_and_ended(tmp_path: Path) -> None:
    config = tmp_path / "labs" / "demo" / "clusters" / "hub" / "init.json"
    program = tmp_path / "init"
    program.symlink_to("/bin/sleep")
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    # Process 1 is known by its own name and its last argument; another with that argument alone is not it.
    ours = subprocess.Popen(["init", *sleeper[1:], str(config)], executable=sys.executable)
    other = subprocess.Popen([*sleeper, str(config)])
    try:
        assert anchor.find(config).init == ours.pid
        anchor.stop(config)
        assert ours.wait(5) == -9
        assert other.poll() is None
        assert anchor.find(config).pids == []
        anchor.stop(config)
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_the_raised_setting_is_put_back_by_the_last_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setting = tmp_path / "max_user_instances"
    setting.write_text("128\n")
    monkeypatch.setattr(host_settings, "INOTIFY_INSTANCES", setting)
    monkeypatch.setattr(host_settings, "NOTE", tmp_path / "note.json")
    for name in ("one", "two", "one"):
        host_settings.raise_for(name)
    assert setting.read_text() == str(host_settings.INOTIFY_WANTED)
    host_settings.restore_for("one")
    assert setting.read_text() == str(host_settings.INOTIFY_WANTED)
    host_settings.restore_for("two")
    assert setting.read_text() == "128"
    assert not (tmp_path / "note.json").exists()
    host_settings.restore_for("two")


def test_a_setting_that_is_high_already_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setting = tmp_path / "max_user_instances"
    setting.write_text("8192\n")
    monkeypatch.setattr(host_settings, "INOTIFY_INSTANCES", setting)
    monkeypatch.setattr(host_settings, "NOTE", tmp_path / "note.json")
    host_settings.raise_for("one")
    host_settings.restore_for("one")
    assert setting.read_text() == "8192\n"


def test_a_failing_command_names_its_log_and_what_to_do(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    with pytest.raises(LabError) as caught:
        command.logged([sys.executable, "-c", "print('oh no'); raise SystemExit(3)"], log, hint="Try again.")
    text = str(caught.value)
    assert str(log) in text
    assert "oh no" in text
    assert text.endswith("Try again.")


def test_waiting_ends_with_what_to_look_at() -> None:
    with pytest.raises(LabError, match="see the log"):
        wait_until(lambda: False, 0, "see the log")


def kubeconfig_file(folder: Path) -> Path:
    content: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}, {"name": "plugin", "user": {"exec": {"command": "x"}}}],
        "contexts": [
            {"name": "mine", "context": {"cluster": "c", "user": "u"}},
            {"name": "plugged", "context": {"cluster": "c", "user": "plugin"}},
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_context_of_a_kubeconfig_is_used(tmp_path: Path) -> None:
    path = kubeconfig_file(tmp_path)
    with Client.of_kubeconfig(path, "mine") as api:
        assert api.server == "https://127.0.0.1:1"
        assert api.ready() is False
    with pytest.raises(LabError, match="no usable context"):
        Client.of_kubeconfig(path, "yours")
    with pytest.raises(LabError, match="neither client certificate nor token"):
        Client.of_kubeconfig(path, "plugged")


def test_existing_contexts_are_verified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig_file(tmp_path)))
    assert cli.main(["up", "--provider", "existing", "--context", "hub=nothing"]) == cli.EXIT_ERROR
    assert cli.main(["up", "--provider", "existing", "--context", "hub=mine"]) == cli.EXIT_ERROR
    assert lab_names() == []


def test_existing_contexts_are_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig_file(tmp_path)))

    def reached(state: LabState, path: Path) -> LabState:
        assert path.exists()
        return state.model_copy(
            update={"clusters": [cluster.model_copy(update={"ready": True}) for cluster in state.clusters]}
        )

    monkeypatch.setattr(existing, "refresh", reached)
    assert cli.main(["up", "--name", "mine", "--context", "hub=mine"]) == 0
    recorded = LabPaths("mine").load_state()
    assert recorded is not None
    assert recorded.provider is Provider.EXISTING
    assert [cluster.context for cluster in recorded.clusters] == ["firedrill-hub"]
    assert cli.main(["down", "--name", "mine"]) == 0
    assert lab_names() == []


def test_kind_configuration_and_commands(tmp_path: Path) -> None:
    config = yaml.safe_load(kind.config("demo", "healthcare", 2))
    assert config["name"] == "firedrill-demo-healthcare"
    assert config["networking"] == {"podSubnet": "10.210.0.0/17", "serviceSubnet": "10.210.128.0/20"}
    assert config["nodes"][0]["labels"]["firedrill.dev/industry"] == "healthcare"
    patch = yaml.safe_load(config["nodes"][0]["kubeadmConfigPatches"][0])
    assert patch["maxPods"] == 250
    create = kind.create_command(tmp_path / "c.yaml", tmp_path / "k")
    assert create[:5] == ["kind", "create", "cluster", "--config", str(tmp_path / "c.yaml")]
    load = kind.load_command("demo", "iot", recipes.RUNNER)
    assert load == ["kind", "load", "docker-image", "firedrill/runner:dev", "--name", "firedrill-demo-iot"]
    sources = recipes.find_sources()
    assert sources is not None
    build = kind.build_command(sources, "runner")
    assert build[-1] == str(sources.root)
    assert "firedrill/runner:dev" in build


def test_kind_makes_records_and_deletes_all_its_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    run: list[list[str]] = []

    def output(argv: list[str], **_: object) -> str:
        run.append(argv)
        if argv[:3] == ["kind", "get", "clusters"]:
            return " ".join(made)
        if argv[:3] == ["kind", "get", "kubeconfig"]:
            name = f"kind-{argv[-1]}"
            section = {"server": "https://127.0.0.1:1", "certificate-authority-data": "Y2E="}
            context = {"cluster": name, "user": name}
            return yaml.safe_dump(
                {
                    "clusters": [{"name": name, "cluster": section}],
                    "users": [{"name": name, "user": {"token": "t"}}],
                    "contexts": [{"name": name, "context": context}],
                }
            )
        return "172.18.0.5\n" if "inspect" in argv else ""

    def logged(argv: list[str], log: Path, **_: object) -> None:
        assert LabPaths("demo").load_state() is not None, "recorded before anything is made"
        config = yaml.safe_load(Path(argv[argv.index("--config") + 1]).read_text())
        made.append(config["name"])

    monkeypatch.setattr(kind, "docker_answers", lambda: True)
    monkeypatch.setattr(kind.command, "find", lambda _: "/usr/bin/kind")
    monkeypatch.setattr(kind.command, "output", output)
    monkeypatch.setattr(kind.command, "logged", logged)
    monkeypatch.setattr(kind.existing, "refresh", lambda state, _: state)
    spec = LabSpec(provider=Provider.KIND, clusters=("hub",), images=False)
    lab.up(spec)
    state = lab.up(spec.model_copy(update={"clusters": ("iot", "hub")}))
    assert made == ["firedrill-demo-hub", "firedrill-demo-iot"]
    assert [cluster.server for cluster in state.clusters] == ["https://172.18.0.5:6443"] * 2
    assert Path(state.clusters[0].ca_file).read_text() == "ca"
    lab.down("demo")
    deleted = [argv[-1] for argv in run if argv[:3] == ["kind", "delete", "cluster"]]
    assert deleted == made
    assert lab_names() == []
    with pytest.raises(LabError, match="--provider native"):
        lab.up(spec.model_copy(update={"nodes": False}))


class FakeCluster:
    """Enough of an API for the canary: pods run at once; a client pod ends as the network lets it."""

    def __init__(self, *, reachable: bool, enforces: bool) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.reachable, self.enforces = reachable, enforces
        self.deleted: list[str] = []

    def apply(self, item: dict[str, Any]) -> None:
        name = item["metadata"]["name"]
        if item["kind"] == "Pod":
            denied = self.enforces and "deny" in self.objects
            phase = "Failed" if denied or not self.reachable else "Succeeded"
            item["status"] = {"phase": "Running" if name == "server" else phase, "podIP": "10.0.0.9"}
        self.objects[name] = item

    def get(self, path: str) -> dict[str, Any] | None:
        return self.objects.get(path.rsplit("/", 1)[1])

    def delete(self, path: str) -> None:
        self.deleted.append(path)


@pytest.mark.parametrize(
    ("reachable", "enforces", "finding"), [(True, True, True), (True, False, False), (False, True, None)]
)
def test_the_canary_believes_connections_alone(
    monkeypatch: pytest.MonkeyPatch, reachable: bool, enforces: bool, finding: bool | None
) -> None:
    monkeypatch.setattr(canary, "SETTLE", 0)
    fake = FakeCluster(reachable=reachable, enforces=enforces)
    assert canary.network_policy_enforced(fake, "image") is finding  # type: ignore[arg-type]
    assert len(fake.deleted) == 1


def test_the_finding_is_remembered(tmp_path: Path) -> None:
    assert canary.recall(tmp_path) is None
    for finding in (True, False, None):
        canary.remember(tmp_path, finding)
        assert canary.recall(tmp_path) is finding


def test_status_of_nothing_and_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status"]) == cli.EXIT_NOT_READY
    assert cli.main(["env"]) == cli.EXIT_ERROR
    assert cli.main(["nonsense"]) == cli.EXIT_USAGE
    assert cli.main(["up", "--clusters", "hub,hub"]) == cli.EXIT_ERROR
    assert cli.main(["up", "--context", "hub"]) == cli.EXIT_ERROR
    assert cli.main(["load-image", "/nowhere.tar"]) == cli.EXIT_ERROR
    assert capsys.readouterr().out == ""


def test_status_prints_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = ClusterState(
        name="hub", context="firedrill-hub", server="https://10.208.0.10:6443", ca_file="/ca", ready=True
    )
    state = LabState(name="demo", provider=Provider.NATIVE, kubeconfig="/k", clusters=[cluster])
    monkeypatch.setattr(cli.lab, "status", lambda name: state)
    assert cli.main(["status", "-o", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["clusters"][0]["server"] == "https://10.208.0.10:6443"
    assert printed["provider"] == "native"


def test_a_snapshot_tells_what_came_and_went() -> None:
    empty: frozenset[str] = frozenset()
    before = Snapshot(empty, frozenset({"/a"}), empty, empty, empty, empty, empty, empty)
    after = Snapshot(empty, empty, empty, frozenset({"fd-x"}), empty, empty, empty, empty)
    assert before.difference(before) == []
    assert before.difference(after) == ["- mounts: /a", "+ links: fd-x"]


def test_removing_a_folder_that_is_not_there(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")
    (tmp_path / "some" / "thing").mkdir(parents=True)
    remove_tree(tmp_path / "some")
    assert not (tmp_path / "some").exists()
