"""One run in a world: the runner's and the guardian's process, their pods and Jobs, and the system under test."""

import asyncio
import base64
import copy
import random
from typing import Any

from chaos_clock import T0, VirtualClock
from chaos_cluster import World
from chaos_deployments import follow
from chaos_fis import TEMPLATE, Account, FisInWorld
from chaos_nodes import Nodes
from chaos_operators import operate
from chaos_process import Killed, Process
from chaos_stores import FakeStores, Server
from chaos_surges import SurgeInWorld, SurgesInWorld
from chaos_toolkit import SCALED_TO_NONE, ToolkitInWorld

from firedrill.api.base import format_time, parse_duration
from firedrill.api.faults.about import Family
from firedrill.api.record import Control, Record, RecordState
from firedrill.api.record_text import from_text
from firedrill.api.task import Result, Task
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError
from firedrill.runner import chaos
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.guardian import Guardian, undo_table
from firedrill.runner.panel import Make
from firedrill.runner.record_store import RecordStore

JOB = "cha-loss-0123456789ab"
RUN = "abc1234567"
SECRET_PATH = paths.path("v1", "secrets", "payments", "ledger")
VAULTS = {family.value: paths.path("v1", "secrets", "firedrill", f"firedrill-vault-{family}") for family in Family}
PASSWORD = "Tr0ub4dor-correct-horse-0815"
RECORD_PATH = paths.configmaps("firedrill", f"{JOB}-record")
Object = dict[str, Any]
_RECOVERS_IN = 4.0

PACKET_LOSS: Object = {"packetLoss": {"percent": 60, "port": 8080}}
POD_KILL: Object = {"podKill": {}}
SCALE: Object = {"scale": {"replicas": 0}}
IMAGE_BREAK: Object = {"imageBreak": {}}
WRONG_SELECTOR: Object = {"wrongSelector": {"service": "ledger"}}
PDB_BLOCK: Object = {"pdbBlock": {}}
API_SURGE: Object = {"apiSurge": {"acknowledgeClusterWide": True}}
NODE_NOT_READY: Object = {"nodeNotReady": {"acknowledgeWholeNode": True}}
AWS_FIS: Object = {"awsFis": {"template": TEMPLATE, "region": "eu-west-1"}}
SECRET_ROTATE: Object = {"secretRotate": {"name": "ledger", "key": "password"}}
SECRET_DELETE: Object = {"secretDelete": {"name": "ledger"}}
HTTP_ABORT: Object = {"httpAbort": {"port": 8080, "percent": 60}}
CPU_STRESS: Object = {"cpuStress": {}}
CONTAINER_KILL: Object = {"containerKill": {}}
#: Scales, and would go on for a minute: its duration ends it, and its rollback scales back.
CHAOS_TOOLKIT: Object = {"chaosToolkit": {"experiment": SCALED_TO_NONE}}
CHAOS_MESH: Object = {"chaosMesh": {"kind": "NetworkChaos", "spec": {"action": "loss", "loss": {"loss": "100"}}}}
LITMUS: Object = {"litmus": {"experiment": "pod-network-loss"}}
SERVICE_DELETE: Object = {"serviceDelete": {"service": "ledger"}}
_STORE: Object = {"service": "ledger", "secretRef": {"name": "stores"}}
DATABASE_LOCK: Object = {"databaseLock": {**_STORE, "database": "shop", "username": "app", "tables": ["orders"]}}
DATABASE_REVOKE: Object = {
    "databaseRevoke": {**_STORE, "database": "shop", "username": "owner", "role": "app", "tables": ["orders"]}
}
DATABASE_PASSWORD: Object = {
    "databasePassword": {**_STORE, "database": "shop", "username": "owner", "role": "app", "endSessions": True}
}
KAFKA_CONSUMER_LAG: Object = {"kafkaConsumerLag": {**_STORE, "group": "billing", "topic": "orders"}}
#: One of each way to undo: a kernel that forgets, an owner that replaces, fields that are put back (of an object, of
#: a template with all that was made of it), an object that is deleted, one that is created again, the latter two of
#: what a record must not hold, a proxy that traffic is led to, a load in a container, fields put back at once,
#: rollbacks of another engine, objects that other operators act by, a session of a database that is ended, grants
#: that are given again, a verifier that is set again from the vault, a member of a group that
#: leaves, a process of the runner's that sends requests, a node whose kernel ends it, and
#: an experiment of a cloud that is stopped.
FAULTS = {
    "packet-loss": PACKET_LOSS,
    "pod-kill": POD_KILL,
    "scale": SCALE,
    "image-break": IMAGE_BREAK,
    "wrong-selector": WRONG_SELECTOR,
    "pdb-block": PDB_BLOCK,
    "service-delete": SERVICE_DELETE,
    "secret-rotate": SECRET_ROTATE,
    "secret-delete": SECRET_DELETE,
    "http-abort": HTTP_ABORT,
    "cpu-stress": CPU_STRESS,
    "container-kill": CONTAINER_KILL,
    "chaos-toolkit": CHAOS_TOOLKIT,
    "chaos-mesh": CHAOS_MESH,
    "litmus": LITMUS,
    "database-lock": DATABASE_LOCK,
    "database-revoke": DATABASE_REVOKE,
    "database-password": DATABASE_PASSWORD,
    "kafka-consumer-lag": KAFKA_CONSUMER_LAG,
    "api-surge": API_SURGE,
    "node-not-ready": NODE_NOT_READY,
    "aws-fis": AWS_FIS,
}


def spec(fault: Object, **fields: Any) -> Object:
    """The spec of an experiment on the ledger."""
    return {
        "clusters": {"names": ["finance"]},
        "timeout": "10m" if fault is NODE_NOT_READY else "3m",
        "duration": "90s" if fault is NODE_NOT_READY else "10s",
        "recoveryTimeout": "30s",
        "steadyState": {"http": {"url": "http://gateway.payments:8080/pay"}, "window": "3s"},
        "target": {"namespace": "payments", "matchLabels": {"app": "ledger"}},
        "fault": fault,
        **fields,
    }


def steps_spec(*steps: Object, **fields: Any) -> Object:
    """The spec of an experiment of several faults on the ledger; each step is named and has its fault."""
    whole = spec({}, timeout="10m", **fields)
    target = whole.pop("target")
    del whole["fault"], whole["duration"]
    return {**whole, "steps": [{"target": target, "duration": "5s", **step} for step in steps]}


def task(raw_spec: Object, **fields: Any) -> Task:
    """A task of that spec; the policy allows all families."""
    policy = {
        "faultFamilies": [family.value for family in Family],
        "maxAffectedPercent": 100,
        "chaosToolkit": {"modules": ["chaosk8s.deployment.actions"]},
        "litmus": {"serviceAccount": "litmus"},
        "awsFis": {"templates": [TEMPLATE]},
    }
    return Task.model_validate(
        {
            "kind": "ChaosExperiment",
            "namespace": "sre",
            "name": "ledger-loss",
            "uid": "resource-uid",
            "runId": RUN,
            "cluster": "finance",
            "runnerNamespace": "firedrill",
            "job": JOB,
            "jobUid": "job-uid",
            "startedAt": format_time(T0),
            "deadline": format_time(T0 + parse_duration(raw_spec.get("timeout", "3m"))),
            "image": "docker.io/firedrill/runner:dev",
            "policy": policy,
            "spec": raw_spec,
            **fields,
        }
    )


class Lab:
    """A world with the payment path in it, and one run."""

    def __init__(self, run: Task) -> None:
        self.clock = VirtualClock()
        self.world = World(self.clock)
        self.task = run
        self.result: Result | None = None
        self.guardian_delay = 1.0
        #: What asks the probes beside that of the steady state.
        self.make: Make | None = None
        #: Whether somebody else takes away a pod that is under the fault.
        self.replaces_a_pod = False
        self._random = random.Random(3)
        self._guardians = 0
        self.world.put(paths.namespaces("payments"), {"metadata": {"labels": {"firedrill.dev/experiments": "enabled"}}})
        self.world.service("ledger", 2)
        self.world.put(SECRET_PATH, {"type": "Opaque", "data": {"password": encoded_text(PASSWORD)}})
        for path in VAULTS.values():
            self.world.put(path, {"type": "Opaque"})
        follow(self.world)
        operate(self.world)
        self.nodes = Nodes(self.world)
        self.store = Server(self.world)
        self.surges: list[SurgeInWorld] = []
        self.account = Account(self.world)
        secret = {"metadata": {"labels": {"firedrill.dev/hub-namespace": "sre"}}, "data": {}}
        self.world.put(paths.path("v1", "secrets", "firedrill", "stores"), secret)
        self._before = self._dump()
        self.world.put(paths.jobs("firedrill", JOB), {"metadata": {"uid": "job-uid"}, "status": {}})

    # -- the system under test

    async def ask(self) -> tuple[bool, str]:
        """A request through the gateway to one of the ledger's pods; a lost one costs a second."""
        secret = self.world.objects.get(SECRET_PATH)
        if secret is None or secret["data"]["password"] != encoded_text(PASSWORD):
            await self.clock.sleep(0.02)
            return False, "status 500"
        if self.world.engine_faults or not self.nodes.ready("node-1"):
            await self.clock.sleep(1.0)
            return False, "timeout"
        pods = self.world.selected("ledger")
        ready = [pod for pod in pods if pod["status"]["conditions"][0]["status"] == "True"]
        # A Service takes a moment to drop a pod that is gone: requests to it fail.
        if not ready or (len(ready) < 2 and self._random.random() < 0.5):
            await self.clock.sleep(1.0)
            return False, "timeout"
        if not self.world.netns[self._random.choice(ready)["metadata"]["uid"]].passes():
            await self.clock.sleep(1.0)
            return False, "timeout"
        await self.clock.sleep(0.02)
        surged = any(surge.alive for surge in self.surges)
        return (False, "status 500") if self.store.hurts or surged or self.account.hurts else (True, "")

    # -- the processes

    def runner_process(self, kill_at: int | None = None, *, after: bool = False) -> Process:
        return Process(self.world, "runner", kill_at, after=after)

    async def runner(self, process: Process, pod_uid: str = "runner-pod") -> Result | None:
        """The runner's pod from its start to its end, and what it gives as result."""
        result = None
        path = paths.pods("firedrill", pod_uid)
        body = self._pod(path, JOB, pod_uid)
        try:
            result = await chaos.run(self._context(process, pod_uid), self.ask, self.make)
            self.result = self.result or result
            phase = "Succeeded"
        except Killed:
            phase = "Failed"
        except ClusterError:
            # The process ends with it, and with that what hangs on the process.
            process.dead = True
            raise
        await self.clock.sleep(0.3)
        body["status"]["phase"] = phase
        condition = {"type": "Complete" if phase == "Succeeded" else "Failed", "status": "True"}
        self.world.objects[paths.jobs("firedrill", JOB)]["status"] = {"conditions": [condition]}
        return result

    async def guardian(self, *processes: Process) -> None:
        """The guardian's pods: each that is killed is followed by the next one."""
        await self.clock.sleep(self.guardian_delay)
        for process in (*processes, Process(self.world, "guardian")):
            self._guardians += 1
            uid = f"guardian-pod-{self._guardians}"
            body = self._pod(paths.pods("firedrill", uid), f"{JOB}-guardian", uid)
            try:
                await Guardian(self._context(process, uid), undo_table("ChaosExperiment")).run()
            except Killed:
                body["status"]["phase"] = "Failed"
                await self.clock.sleep(2.0)
            else:
                body["status"]["phase"] = "Succeeded"
                return

    async def both(self, runner: Process, *guardians: Process) -> None:
        """Runner and guardian side by side, to the end of both."""
        await asyncio.gather(self.runner(runner), self.guardian(*guardians), self._somebody_else())
        if "podKill" not in str(self.task.spec):
            # Of a killed pod undone means that it is back; what else is undone, the system then recovers from.
            await self.clock.sleep(_RECOVERS_IN)

    def play(self, runner: Process | None = None, *guardians: Process) -> Any:
        """Run both to the end, with time passing."""
        return self.clock.run(self.both(runner or self.runner_process(), *guardians))

    def _context(self, process: Process, pod_uid: str) -> RunContext:
        store = RecordStore(process, self.task, process)
        identity = Identity(pod_uid, pod_uid, "firedrill", "node-2")
        toolkit, stores = ToolkitInWorld(process), FakeStores(process, self.store)
        surges, fis = SurgesInWorld(process, self.surges), FisInWorld(process, self.account)
        return RunContext(self.task, process, store, process, identity, Stop(), toolkit, stores, surges, fis)

    def _pod(self, path: str, job: str, uid: str) -> Object:
        return self.world.put(
            path,
            {"metadata": {"uid": uid, "labels": {"batch.kubernetes.io/job-name": job}}, "status": {"phase": "Running"}},
        )

    async def _somebody_else(self) -> None:
        while self.replaces_a_pod and self.world.objects[paths.jobs("firedrill", JOB)]["status"] == {}:
            record = self.record()
            if record is not None and record.state is RecordState.APPLIED:
                await self.clock.sleep(1)
                hit = paths.pods("payments", record.changes[0].name)
                if hit in self.world.objects:
                    self.world.delete(hit, None, 0)
                return
            await self.clock.sleep(0.1)

    # -- what is left

    async def operator_aborts(self, after: float, reason: str) -> None:
        """What the operator writes to end a run."""
        await self.clock.sleep(after)
        body = self.world.objects.get(RECORD_PATH)
        control = Control(abort=reason).model_dump_json(by_alias=True)
        if body is None:
            self.world.put(RECORD_PATH, {"metadata": {}, "data": {"control.json": control}})
        else:
            self.world.put(RECORD_PATH, {**body, "data": {**body["data"], "control.json": control}})

    def record(self) -> Record | None:
        """The record as it is stored."""
        body = self.world.objects.get(RECORD_PATH)
        raw = body["data"].get("record.json") if body else None
        return from_text(raw) if raw else None

    def kept(self, vault: str) -> Object:
        """What a vault holds."""
        return dict(self.world.objects.get(vault, {}).get("data") or {})

    def take_as_given(self) -> None:
        """What a test has put into the namespace is as it is to be in the end."""
        self._before = self._dump()

    def _dump(self) -> Object:
        """What people wrote into the namespace under fault, and whatever else is in it but for its pods."""
        kept = {path: body for path, body in self.world.objects.items() if "/namespaces/payments/" in path}
        wrote = {
            path: {key: b.get(key) for key in ("spec", "data", "type")}
            for path, b in kept.items()
            if "/pods/" not in path
        }
        return copy.deepcopy(wrote)

    def problems(self) -> list[str]:
        """All that should not be so once everything has ended."""
        found = [f"table {name} is left in a pod" for name in self.world.live_faults()]
        after = self._dump()
        changed = [path for path in self._before.keys() | after.keys() if self._before.get(path) != after.get(path)]
        found += [f"{path} is not as it was: {after.get(path)}" for path in sorted(changed)]
        images = {c["image"] for pod in self.world.pods("ledger") for c in pod["spec"]["containers"]}
        found += [f"a container has the image {image}" for image in images if image != "ledger:1"]
        found += [f"pod {pod['metadata']['name']} has a mark" for pod in self.world.pods("ledger") if _marked(pod)]
        found += ["the data store is not as it was"] if self.store.hurts else []
        found += self.nodes.problems()
        found += ["an experiment of AWS FIS goes on"] if self.account.hurts else []
        found += ["requests are sent" for surge in self.surges if surge.alive]
        record = self.record()
        if record is not None:
            if not record.state.settled:
                found.append(f"the record is {record.state}")
            owners = self.world.objects[RECORD_PATH]["metadata"].get("ownerReferences") or [{}]
            # With its Job gone, an owner would have it collected before anybody has read it.
            has_job = paths.jobs("firedrill", self.task.job) in self.world.objects
            if has_job and owners[0].get("uid") != "job-uid":
                found.append("the record belongs to no Job")
            found += [f"{item.name} is {item.state}" for item in record.changes if item.state not in ("Undone", "Kept")]
        found += [f"{path} still keeps {sorted(self.kept(path))}" for path in VAULTS.values() if self.kept(path)]
        if self.world.ready("ledger") < 2:
            found.append(f"the ledger has {self.world.ready('ledger')} ready pods")
        return found


def encoded_text(text: str) -> str:
    """As a Secret holds it."""
    return base64.b64encode(text.encode()).decode()


def _marked(pod: Object) -> bool:
    return any(key.startswith("firedrill.dev/") for key in pod["metadata"].get("annotations") or {})
