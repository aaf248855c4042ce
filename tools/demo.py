"""``make demo``: four clusters, the operator by its chart, the samples, and the verdicts that were written back."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "manifests" / "samples"
WORKLOADS = ROOT / "manifests" / "workloads"
OUT = ROOT / "out"
NAMESPACE = "reliability"
HUB = "firedrill-hub"
TARGETS = {
    "finance": ["target.faultFamilies={workload,network}", "target.simulation.enabled=true"],
    "healthcare": ["target.simulation.enabled=true"],
    "iot": ["target.autofix.enabled=true", "target.simulation.enabled=true"],
}
FAMILIES = {"finance": ["workload", "network"]}
#: In this order; each with the verdict that is expected of it. Those of one row run at the same time.
STAGES: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        ("modelvalidation", "Passed"),
        ("driftcheck", "Passed"),
        ("driftcheck-drifted", "Failed"),
        ("datapipelinetest", "Passed"),
        ("chaos-pod-kill", "Passed"),
        ("autofix", "Passed"),
    ),
    (("modelvalidation-degraded", "Failed"), ("chaos-packet-loss", "Passed")),
    (("performancebenchmark", "Passed"),),
    (("simulation-finance", "Passed"),),
)
WAIT = "600s"

console = Console(stderr=True)


class DemoError(Exception):
    """The demo can not go on; the message says what to look at."""


class Demo:
    """The steps of the demo, each timed."""

    def __init__(self, lab: str) -> None:
        self.lab = lab
        self.phases: list[tuple[str, float]] = []
        self.state: dict[str, Any] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a part of the demo and tell of it."""
        console.rule(f"[bold]{name}", align="left")
        started = time.monotonic()
        yield
        self.phases.append((name, time.monotonic() - started))

    def firedrill(self, *args: str, capture: bool = False) -> str:
        """Run the command line of Firedrill from this checkout."""
        return self.run([sys.executable, "-m", "firedrill", *args], capture=capture)

    def kubectl(self, context: str, *args: str, capture: bool = False, stdin: str | None = None) -> str:
        """Run kubectl against one cluster."""
        return self.run([self.tool("kubectl"), "--context", context, *args], capture=capture, stdin=stdin)

    def tool(self, name: str) -> str:
        """A tool of the lab, else the one on PATH."""
        folder = Path(os.environ.get("FIREDRILL_TOOLS", ""))
        return str(folder / name) if folder.parts and (folder / name).exists() else name

    def helm(self, context: str, release: str, namespace: str, *sets: str) -> None:
        """Install or upgrade the chart, and wait for it."""
        args = [
            self.tool("helm"),
            "--kube-context",
            context,
            "upgrade",
            "--install",
            release,
            str(ROOT / "helm" / "firedrill"),
            "--namespace",
            namespace,
            "--create-namespace",
            "--wait",
            "--timeout",
            "5m",
        ]
        for pair in sets:
            args += ["--set", pair]
        self.run(args, capture=True)
        # Our own pods meet the strictest standard; enforcing it shows that they do.
        self.kubectl(
            context,
            "label",
            "--overwrite",
            "namespace",
            namespace,
            "pod-security.kubernetes.io/enforce=restricted",
            capture=True,
        )

    def resource(self, path: Path) -> dict[str, Any]:
        """A sample's resource as it is on the hub."""
        found: dict[str, Any] = json.loads(self.kubectl(HUB, "get", "-f", str(path), "-o", "json", capture=True))
        return found

    def run(self, command: Sequence[str], *, capture: bool = False, stdin: str | None = None) -> str:
        """Run a command and give its output; raises DemoError where it fails."""
        done = subprocess.run(
            command,
            text=True,
            input=stdin,
            check=False,
            stdout=subprocess.PIPE if capture else sys.stderr,
            stderr=subprocess.PIPE if capture else None,
        )
        if done.returncode:
            told = (done.stderr or done.stdout or "").strip() if capture else "see above"
            raise DemoError(f"{' '.join(command)} ended with {done.returncode}: {told}")
        return done.stdout or ""

    def bring_up_lab(self, provider: str, clusters: Sequence[str] = ()) -> None:
        """Clusters, with images loaded; those of that name, or all."""
        some = ("--clusters", ",".join(clusters)) if clusters else ()
        self.firedrill("lab", "up", "--name", self.lab, "--provider", provider, *some)
        self.state = json.loads(self.firedrill("lab", "status", "--name", self.lab, "-o", "json", capture=True))
        os.environ["KUBECONFIG"] = self.state["kubeconfig"]
        for line in self.firedrill("lab", "env", "--name", self.lab, capture=True).splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            if name == "PATH":
                os.environ["PATH"] = value.strip("'\"").replace("$PATH", os.environ["PATH"])

    def install(
        self,
        targets: Mapping[str, Sequence[str]] = MappingProxyType(TARGETS),
        families: Mapping[str, Sequence[str]] = MappingProxyType(FAMILIES),
    ) -> None:
        """The operator on the hub; identities and credentials of each target, by its values of the chart.

        ``families`` is what the policy of a target allows.
        """
        for name, sets in targets.items():
            self.helm(
                f"firedrill-{name}",
                "firedrill",
                "firedrill",
                "operator.enabled=false",
                "crds.enabled=false",
                "target.enabled=true",
                *sets,
            )
        self.helm(HUB, "firedrill", "firedrill-system")
        servers = {cluster["name"]: cluster["server"] for cluster in self.state["clusters"]}
        for name in targets:
            allowed = [arg for family in families.get(name, []) for arg in ("--fault-family", family)]
            self.firedrill(
                "target",
                "add",
                name,
                "--context",
                f"firedrill-{name}",
                "--hub-context",
                HUB,
                "--server",
                servers[name],
                "--label",
                f"industry={name}",
                *allowed,
            )
        self.kubectl(HUB, "wait", "--for=condition=Reachable", "targetclusters", "--all", "--timeout=60s")

    def start_workloads(self) -> None:
        """What the samples look at: a payment path, a model server, a telemetry gateway whose rollout breaks."""
        self._data("finance", "payments-data", "payments-reference.csv", "payments-current.csv", "payments-drifted.csv")
        self._data("finance", "ledger-data", "ledger-entries.csv", "ledger-accounts.csv")
        self._data("healthcare", "triage-heldout", "triage-test.csv")
        for name in TARGETS:
            self.kubectl(f"firedrill-{name}", "apply", "-f", str(WORKLOADS / f"{name}.yaml"))
        for name, namespace in (("finance", "payments"), ("healthcare", "models"), ("iot", "devices")):
            self.kubectl(
                f"firedrill-{name}",
                "-n",
                namespace,
                "wait",
                "--for=condition=Available",
                "deployments",
                "--all",
                "--timeout=240s",
            )
        self.kubectl("firedrill-iot", "apply", "-f", str(WORKLOADS / "iot-broken.yaml"))
        made = self.kubectl(HUB, "create", "namespace", NAMESPACE, "--dry-run=client", "-o", "yaml", capture=True)
        self.kubectl(HUB, "apply", "-f", "-", stdin=made)

    def _data(self, target: str, name: str, *files: str) -> None:
        sources = [f"--from-file={SAMPLES / 'data' / file}" for file in files]
        made = self.kubectl(
            f"firedrill-{target}",
            "-n",
            "firedrill",
            "create",
            "configmap",
            name,
            *sources,
            "--dry-run=client",
            "-o",
            "yaml",
            capture=True,
        )
        self.kubectl(f"firedrill-{target}", "apply", "-f", "-", stdin=made)

    def run_samples(self) -> list[dict[str, Any]]:
        """Apply the samples, wait until each is complete, and read back what was written to it."""
        found = []
        for stage in STAGES:
            for sample, _ in stage:
                self._again(SAMPLES / f"{sample}.yaml")
            for sample, expected in stage:
                path = str(SAMPLES / f"{sample}.yaml")
                self.kubectl(HUB, "wait", "--for=condition=Complete", f"--timeout={WAIT}", "-f", path)
                found.append({"sample": sample, "expected": expected, "resource": self.resource(Path(path))})
        return found

    def _again(self, path: Path) -> None:
        """A sample that is there already is asked to run anew."""
        self.kubectl(HUB, "apply", "-f", str(path))
        if self.resource(path).get("status", {}).get("lastRun", {}).get("finishedAt"):
            self.kubectl(HUB, "annotate", "--overwrite", "-f", str(path), f"firedrill.dev/run-at={time.time_ns()}")
            self.kubectl(HUB, "wait", "--for=condition=Complete=false", "--timeout=30s", "-f", str(path))


def show(found: list[dict[str, Any]], phases: list[tuple[str, float]]) -> bool:
    """Print verdicts and times; whether every verdict was the expected one."""
    table = Table("kind", "name", "target", "verdict", "expected", "score", "message", title="Verdicts")
    right = True
    for item in found:
        resource, status = item["resource"], item["resource"]["status"]
        verdict = status.get("verdict", "")
        right &= verdict == item["expected"]
        colour = "green" if verdict == item["expected"] else "red"
        targets = ", ".join(cluster["name"] for cluster in status.get("clusters", []))
        table.add_row(
            resource["kind"],
            resource["metadata"]["name"],
            targets,
            f"[{colour}]{verdict}",
            item["expected"],
            str(status.get("score", "")),
            status.get("message", ""),
        )
    # A pipe has no width; a table cut at 80 columns would be of no use to whoever reads it.
    out = Console(width=None if sys.stdout.isatty() else 180)
    out.print(table)
    times = Table("phase", "seconds", title="Times")
    for name, seconds in phases:
        times.add_row(name, f"{seconds:.1f}")
    times.add_row("[bold]all", f"[bold]{sum(seconds for _, seconds in phases):.1f}")
    out.print(times)
    return right


def write_reports(demo: Demo) -> None:
    """One self-contained HTML page a resource, from what was written to the targets."""
    OUT.mkdir(exist_ok=True)
    for stage in STAGES:
        for sample, _ in stage:
            page = OUT / f"{sample}.html"
            demo.firedrill(
                "report",
                "-f",
                str(SAMPLES / f"{sample}.yaml"),
                "--context",
                HUB,
                "-o",
                "html",
                "--output-file",
                str(page),
                *(arg for name in TARGETS for arg in ("--target", f"{name}=firedrill-{name}")),
            )
    console.print(f"Reports: {OUT}/*.html")


def main() -> int:
    """Run the demo, or take it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("up", "down"))
    parser.add_argument("--name", default="demo", help="name of the lab")
    parser.add_argument("--provider", default=os.environ.get("FIREDRILL_PROVIDER", "auto"))
    parser.add_argument("--times", type=Path, help="file that the times of the phases are written to, as JSON")
    args = parser.parse_args()
    demo = Demo(args.name)
    try:
        if args.action == "down":
            demo.firedrill("lab", "down", "--name", args.name)
            return 0
        with demo.phase("Clusters"):
            demo.bring_up_lab(args.provider)
        with demo.phase("Install by the chart"):
            demo.install()
        with demo.phase("Workloads"):
            demo.start_workloads()
        with demo.phase("Samples"):
            found = demo.run_samples()
        write_reports(demo)
    except DemoError as error:
        console.print(f"[red]demo: {error}")
        return 1
    if args.times:
        args.times.write_text(json.dumps({"phases": demo.phases, "lab": demo.state.get("phases", [])}))
    right = show(found, demo.phases)
    print(f"export KUBECONFIG={demo.state['kubeconfig']}")
    print(f"kubectl --context {HUB} get firedrill -A")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
