"""A simulation with a fault on, as its recorder and its Prometheus tell of it, and its export."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firedrill.cli.main import main
from support.proxied import ProxiedSimulation

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:20:00Z"]
FLAG = "memoryLeak"
TABLES = ("metrics", "logs", "events", "changes", "pods", "edges")


def at(minutes: float) -> str:
    return f"{START + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}.000000000Z"


def row(minutes: float, **more: Any) -> dict[str, Any]:
    return {"time": at(minutes), **more}


def series(name: str, **labels: str) -> dict[str, Any]:
    values = [(START.timestamp() + 15 * each, str(each)) for each in range(81)]
    return {"metric": {"__name__": name, **labels}, "values": values}


def fill(simulation: ProxiedSimulation) -> None:
    """A simulation with a fault on, whose recorder keeps nothing apart: the worst case."""
    simulation.series = [
        series("up", service="ledger", pod="ledger-1"),
        series("up", service="flags", pod="flags-1"),
        series("flag_value", service="ledger", pod="ledger-1", flag=FLAG),
        series("flags_set", service="flags", target="ledger", flag=FLAG),
    ]
    edges = [("gateway", "ledger", "7"), ("gateway", "flags", "3")]
    simulation.calls = [
        {"metric": {"service": caller, "peer": peer}, "value": [0, count]} for caller, peer, count in edges
    ]
    secret = {"firedrill.dev/run": FLAG}
    simulation.records = {
        "logs": [
            row(1, service="ledger", pod="ledger-1", line='{"level":"info","msg":"request","trace_id":"t"}'),
            row(2, service="ledger", pod="ledger-1", line=f'{{"msg":"flags changed","flags":["{FLAG}"]}}'),
            row(3, service="flags", pod="flags-1", line=FLAG),
            row(11, service="ledger", pod="ledger-1", line='{"msg":"request","error":"the flag failure is set"}'),
            row(25, service="ledger", pod="ledger-1", line="after the window"),
        ],
        "events": [
            row(1, kind="Pod", name="ledger-1", reason="Killing", controller="kubelet"),
            row(2, kind="Pod", name="ledger-1", reason=FLAG, controller="firedrill.dev/runner"),
            row(3, kind="Pod", name="flags-1", reason=FLAG),
        ],
        "changes": [
            row(1, kind="Deployment", name="ledger", manager="kubectl", patch={"spec": {"annotations": secret}}),
            row(2, kind="ConfigMap", name="flags", manager="kubectl", patch={"data": {"flags.json": FLAG}}),
            row(3, kind="Deployment", name="ledger", manager="firedrill", patch={"why": FLAG}),
        ],
        "pods": [row(1, service="ledger", pod="ledger-1", restarts=1), row(2, service="flags", pod="flags-1")],
        "truth": [
            row(-60, record="flags", document=json.dumps({"flags": [{"service": "*", "name": FLAG, "value": 4}]})),
            row(5, record="flags", document='{"flags":[]}'),
        ],
    }
    simulation.experiments = [
        {
            "metadata": {"name": "kill", "namespace": "drills"},
            "spec": {"target": {"namespace": "bank", "matchLabels": {"app": "ledger"}}, "fault": {"podKill": {}}},
            "status": {
                "lastRun": {"id": "1", "startedAt": at(2), "finishedAt": at(4)},
                "clusters": [{"name": "f", "clusterUid": "here", "verdict": "Passed", "findings": []}],
            },
        }
    ]


@contextmanager
def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProxiedSimulation]:
    """That simulation, behind a kubeconfig; ``folder`` is the working one."""
    made = ProxiedSimulation()
    fill(made)
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig(folder / "kubeconfig")))
    monkeypatch.chdir(folder)
    yield made
    made.close()


def export(*more: str, namespace: str = "bank") -> int:
    """Export it by the command line; its exit code."""
    return main(["telemetry", "export", "--namespace", namespace, *more])
