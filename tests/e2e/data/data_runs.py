"""Faults of data stores on the simulated bank, each asked about by a service or a client above the store."""

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from demo import HUB, NAMESPACE, ROOT, Demo

Object = dict[str, Any]
TARGET = "firedrill-finance"
BANK = "finance-sim"
SIMULATION = str(ROOT / "chaos-scenarios" / "finance" / "simulation.yaml")
SECRET = "stores"
#: A superuser beside the role that the bank logs in as.
ADMIN_SECRET = "stores-admin"


@dataclass(frozen=True)
class Case:
    """A fault, the probe that is to see it, and the labels of the pods behind the Service."""

    name: str
    fault: Object
    probe: Object
    app: str
    #: A moment that the application may survive without a bad answer.
    survived: bool = False
    duration: str = "20s"
    state: Object = field(default_factory=dict)


@dataclass
class Seen:
    """What came of a case."""

    status: Object
    measured: dict[str, Any]

    def condition(self, name: str) -> str:
        """Status and reason of a condition."""
        found = [c for c in self.status["conditions"] if c["type"] == name]
        return f"{found[0]['status']} {found[0]['reason']}" if found else ""


def prepare(lab: Demo) -> None:
    """Rights of the family, the bank, and its database's password where experiments may name it."""
    chart = ("operator.enabled=false", "crds.enabled=false", "target.enabled=true", "target.simulation.enabled=true")
    lab.helm(
        TARGET,
        "firedrill",
        "firedrill",
        *chart,
        "target.faultFamilies={data}",
        f"target.credentials={{{SECRET},{ADMIN_SECRET}}}",
    )
    policy = {"spec": {"policy": {"faultFamilies": ["data"], "maxAffectedPercent": 100}}}
    lab.kubectl(HUB, "patch", "targetcluster", "finance", "--type=merge", "-p", json.dumps(policy), capture=True)
    lab.kubectl(HUB, "apply", "-f", SIMULATION, capture=True)
    lab.kubectl(HUB, "wait", "--for=condition=Complete", "--timeout=900s", "-f", SIMULATION, capture=True)
    _name_login(lab, SECRET, "sim", _password(lab))
    made = secrets.token_hex(16)
    psql(lab, f"DROP ROLE IF EXISTS practice; CREATE ROLE practice SUPERUSER LOGIN PASSWORD '{made}'")
    _name_login(lab, ADMIN_SECRET, "practice", made)


def _password(lab: Demo) -> str:
    there = ("-n", BANK, "get", "secret", "database-password", "-o", "jsonpath={.data.password}")
    return base64.b64decode(lab.kubectl(TARGET, *there, capture=True)).decode()


def _name_login(lab: Demo, name: str, username: str, password: str) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "firedrill", "labels": {"firedrill.dev/hub-namespace": NAMESPACE}},
        "stringData": {"username": username, "password": password},
    }
    lab.kubectl(TARGET, "apply", "-f", "-", stdin=json.dumps(secret), capture=True)


def remove(lab: Demo) -> None:
    """The bank goes, and what was named."""
    lab.kubectl(HUB, "delete", "--ignore-not-found", "-f", SIMULATION, capture=True)
    lab.kubectl(TARGET, "-n", "firedrill", "delete", "secret", SECRET, ADMIN_SECRET, "--ignore-not-found", capture=True)


def play(lab: Demo, case: Case) -> Seen:
    """One experiment, from its creation to its verdict."""
    body = {
        "apiVersion": "firedrill.dev/v1alpha1",
        "kind": "ChaosExperiment",
        "metadata": {"name": case.name, "namespace": NAMESPACE},
        "spec": {
            "clusters": {"names": ["finance"]},
            "timeout": "8m",
            "duration": case.duration,
            "recoveryTimeout": "120s",
            "steadyState": {**case.probe, "window": "10s", "minSuccessRate": 0.8, **case.state},
            "target": {"namespace": BANK, "matchLabels": {"app": case.app}},
            "fault": case.fault,
        },
    }
    lab.kubectl(HUB, "apply", "-f", "-", stdin=json.dumps(body), capture=True)
    where = ("-n", NAMESPACE, f"chaosexperiment/{case.name}")
    try:
        lab.kubectl(HUB, "wait", "--for=condition=Complete", "--timeout=540s", *where, capture=True)
        found: Object = json.loads(lab.kubectl(HUB, "get", *where, "-o", "json", capture=True))
    finally:
        lab.kubectl(HUB, "delete", "--wait", "--timeout=120s", *where, capture=True)
    clusters = found["status"].get("clusters") or [{}]
    measured = {item["name"]: item.get("value") for item in clusters[0].get("measurements", [])}
    return Seen(found["status"], measured)


def sessions(lab: Demo) -> str:
    """What the database lists of ours, by its own client in its own pod."""
    return psql(lab, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'firedrill%'")


def psql(lab: Demo, statement: str) -> str:
    """What the database answers to its own client in its own pod."""
    command = ("psql", "-h", "127.0.0.1", "-U", "sim", "-d", "ledger-db", "-Atc", statement)
    env = ("env", f"PGPASSWORD={_password(lab)}")
    return lab.kubectl(TARGET, "-n", BANK, "exec", "ledger-db-0", "--", *env, *command, capture=True).strip()


def outcomes(lab: Demo, cases: tuple[Case, ...]) -> Iterator[tuple[str, Seen]]:
    """One after the other: all of them are of one bank."""
    for case in cases:
        yield case.name, play(lab, case)
