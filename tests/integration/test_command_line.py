"""``firedrill run`` and ``report`` against a hub: what is told is told of the spec that was given."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from firedrill.clusters import paths
from support.builders import chaos, drift, with_spec
from support.kube import Object
from support.operator_process import OperatorProcess
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration


@dataclass
class Shell:
    """Runs the program as a person does, in a namespace of its own."""

    kubeconfig: Path
    folder: Path
    namespace: str

    def __call__(self, *arguments: str, body: Object | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command; ``body`` is written to resource.yaml first."""
        if body is not None:
            (self.folder / "resource.yaml").write_text(yaml.safe_dump(body))
        command = [sys.executable, "-m", "firedrill", *arguments, "-n", self.namespace, "--context", "firedrill-hub"]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    def run(self, body: Object, *more: str) -> subprocess.CompletedProcess[str]:
        """``firedrill run`` of a resource."""
        return self("run", "-f", "resource.yaml", *more, body=body)


@pytest.fixture
def shell(kubeconfig: Path, tmp_path: Path, world: World, operator: OperatorProcess) -> Shell:
    return Shell(kubeconfig, tmp_path, world.namespace())


def test_a_resource_is_applied_waited_for_and_run_anew(shell: Shell) -> None:
    for _ in range(2):
        ended = shell.run(drift())
        assert ended.returncode == 0, ended.stderr
        assert "Passed" in ended.stdout
    reported = shell("report", f"dc/{drift()['metadata']['name']}")
    assert reported.returncode == 0
    assert "Passed" in reported.stdout


def test_a_spec_that_is_wrong_now_is_not_told_by_its_last_run(shell: Shell, world: World) -> None:
    """Only the operator sees it: the wrong schedule is applied by other means than our own, which refuse it."""
    assert shell.run(drift()).returncode == 0
    name = drift()["metadata"]["name"]
    where = paths.firedrill("driftchecks", shell.namespace, name)
    world.hub.merge(where, {"spec": {"schedule": "99 * * * *"}})
    subject = world.subject(drift(), shell.namespace)
    subject.until(lambda s: s.condition("Complete") == ("True", "InvalidSpec"), "it is refused")
    reported = shell("report", f"dc/{name}")
    assert "InvalidSpec" in reported.stdout
    assert "Passed" not in reported.stdout
    world.hub.merge(where, {"spec": {"schedule": None}})
    again = shell.run(drift())
    assert (again.returncode, "InvalidSpec" in again.stdout) == (0, False), again.stdout


def test_a_wrong_schedule_is_refused_before_anything_is_applied(shell: Shell, world: World) -> None:
    refused = shell.run(with_spec(drift(), schedule="0 0 * * *", timeZone="America"))
    assert refused.returncode == 64
    assert "spec.timeZone" in refused.stderr
    assert world.hub.items(paths.firedrill("driftchecks", shell.namespace)) == []


def test_a_suspended_resource_is_not_waited_for(shell: Shell) -> None:
    refused = shell.run(with_spec(drift(), suspend=True))
    assert refused.returncode == 64
    assert "spec.suspend is set: no run is started" in refused.stderr


@pytest.mark.parametrize(
    "spec",
    [
        {"onCreate": "Hold"},
        {"schedule": "0 0 1 1 *"},
        {"onRollout": {"kind": "Deployment", "namespace": "payments", "name": "gateway"}},
    ],
    ids=["held", "scheduled", "on a rollout"],
)
def test_a_resource_that_would_wait_is_run_at_once(shell: Shell, spec: Object) -> None:
    ended = shell.run(with_spec(drift(), **spec))
    assert ended.returncode == 0, ended.stderr
    assert "Passed" in ended.stdout


def test_what_is_waited_for_is_told(shell: Shell, world: World) -> None:
    halt = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "firedrill-halt", "namespace": HUB_NAMESPACE}}
    world.hub.apply({**halt, "data": {"reason": "incident 9"}})
    try:
        ended = shell.run(chaos(), "--wait", "5")
    finally:
        world.hub.delete(paths.configmaps(HUB_NAMESPACE, "firedrill-halt"))
    assert ended.returncode == 3
    assert "not complete after 5 s: halted: incident 9" in ended.stderr
