"""What the chart installs, without its workloads: so that the operator of a test has its real rights and no others."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

CHART = Path(__file__).resolve().parents[2] / "helm" / "firedrill"
_WORKLOADS = {"Deployment", "Service", "NetworkPolicy", "Pod", "Job", "CronJob"}
_FIRST = ["CustomResourceDefinition", "PriorityClass", "ServiceAccount", "Secret", "ClusterRole", "Role"]


FAMILIES = "{workload,config,network,stress,node,controlplane,secret,data,chaostoolkit,chaosmesh,litmus,awsfis}"
#: What experiments of Chaos Toolkit of the tests do.
TOOLKIT_RULES = {
    "target__chaosToolkit__rules[0].apiGroups": "{apps}",
    "target__chaosToolkit__rules[0].resources": "{deployments}",
    "target__chaosToolkit__rules[0].verbs": "{patch}",
}


def helm() -> str:
    """The helm to use: HELM, one on PATH, or the one that the lab has built."""
    home = Path(os.environ.get("FIREDRILL_HOME", Path.home() / ".cache" / "firedrill"))
    built = sorted((home / "cache" / "bin").glob("*/helm"))
    found = os.environ.get("HELM") or shutil.which("helm") or (str(built[-1]) if built else "")
    assert found, "helm is needed: set HELM, put it on PATH, or let `firedrill lab build` make it"
    return found


def rendered(namespace: str, **values: str) -> list[Object]:
    """The objects of the chart for a namespace, what others refer to first."""
    command = [helm(), "template", "firedrill", str(CHART), "--namespace", namespace]
    for key, value in values.items():
        command += ["--set", f"{key.replace('__', '.')}={value}"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    objects = [body for body in yaml.safe_load_all(text) if body and body["kind"] not in _WORKLOADS]
    order = {kind: place for place, kind in enumerate(_FIRST)}
    return sorted(objects, key=lambda body: order.get(body["kind"], len(_FIRST)))


def hub(namespace: str) -> list[Object]:
    """The hub, which is a target as well."""
    return rendered(
        namespace,
        target__enabled="true",
        target__faultFamilies=FAMILIES,
        target__secrets__names="{shop,shop-tls}",
        target__nodeNotReady="true",
        target__bindableRoles="{shop}",
        **TOOLKIT_RULES,
        target__simulation__enabled="true",
    )


def remote(namespace: str) -> list[Object]:
    """A target that is not the hub."""
    return rendered(
        namespace,
        operator__enabled="false",
        crds__enabled="false",
        target__enabled="true",
        target__rollouts__enabled="true",
        target__faultFamilies=FAMILIES,
        target__secrets__names="{shop,shop-tls}",
        target__nodeNotReady="true",
        target__bindableRoles="{shop}",
        **TOOLKIT_RULES,
        target__simulation__enabled="true",
    )
