"""Two nodes with their kubelets: what they do with pods of ours in their own network, and what is heard of them."""

import tempfile
from pathlib import Path
from typing import Any

from chaos_cluster import World
from chaos_kernel import Netns

from firedrill.clusters import paths
from firedrill.runner import netfault

Object = dict[str, Any]
SLICE = paths.path("discovery.k8s.io/v1", "endpointslices", "default", "kubernetes")
NAMES = ("node-1", "node-2")
_STARTS_IN = 0.8
_LOST_AFTER = 45.0
_BACK_AFTER = 6.0


def node_path(name: str) -> str:
    """Where a node is."""
    return paths.path("v1", "nodes", name=name)


class Nodes:
    """The nodes of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.netns = {name: Netns(lambda: world.clock.now().timestamp()) for name in NAMES}
        for number, name in enumerate(NAMES, start=1):
            addresses = [{"type": "InternalIP", "address": f"10.0.0.{number}"}]
            world.put(
                node_path(name), {"spec": {}, "status": {"addresses": addresses, "conditions": [_condition(True)]}}
            )
        world.put(SLICE, {"endpoints": [{"addresses": ["10.0.0.100"]}], "ports": [{"port": 6443}]})
        before = world.on_write

        def written(path: str) -> None:
            before(path)
            pod = world.objects.get(path)
            if pod is not None and "/pods/" in path and pod["spec"].get("hostNetwork") and "status" not in pod:
                self._soon(path, pod)

        world.on_write = written

    def cut(self, name: str) -> bool:
        """Whether a node is cut off at this moment."""
        now = self._world.clock.now().timestamp()
        return any(now < table.expires for table in self.netns[name].tables.values())

    def ready(self, name: str) -> bool:
        """Whether the control plane takes a node for ready; one of which a test tells nothing is."""
        node = self._world.objects.get(node_path(name)) or {}
        conditions = (node.get("status") or {}).get("conditions") or [_condition(True)]
        return bool(conditions[0]["status"] == "True")

    def problems(self) -> list[str]:
        """What of a fault is left."""
        found = [f"table {table} is left in {name}" for name, netns in self.netns.items() for table in netns.tables]
        found += [f"{name} is not ready" for name in NAMES if not self.ready(name)]
        return found + [
            f"{path} is left" for path, body in self._world.objects.items() if body.get("spec", {}).get("hostNetwork")
        ]

    def _soon(self, path: str, pod: Object, seconds: float = _STARTS_IN) -> None:
        self._world.later(seconds, lambda: self._start(path, pod))

    def _start(self, path: str, pod: Object) -> None:
        if self._world.objects.get(path) is not pod:
            return
        node = pod["spec"]["nodeName"]
        if self.cut(node):
            self._soon(path, pod, 1.0)
            return
        pod["status"] = {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}
        command = pod["spec"]["containers"][0]["command"]
        delay = float(command[command.index("--delay") + 1]) if "--delay" in command else 0.0
        self._world.later(delay, lambda: self._run(path, pod, node, command))

    def _run(self, path: str, pod: Object, node: str, command: list[str]) -> None:
        # A pod that was deleted meanwhile may have run on until then.
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "termination-log"
            arguments = ["--termination-log", str(log), *command[2:]]
            now = lambda: self._world.clock.now().timestamp()  # noqa: E731
            code = netfault.main(arguments, self.netns[node].nft, now, wait=lambda _seconds: None)
            message = log.read_text()
        if self.cut(node):
            self._world.later(_LOST_AFTER, lambda: self._lose(node))
        self._tell(path, pod, node, {"terminated": {"exitCode": code, "message": message}})

    def _tell(self, path: str, pod: Object, node: str, state: Object) -> None:
        if self._world.objects.get(path) is not pod:
            return
        if self.cut(node):
            self._world.later(1.0, lambda: self._tell(path, pod, node, state))
            return
        phase = "Succeeded" if state["terminated"]["exitCode"] == 0 else "Failed"
        pod["status"] = {"phase": phase, "containerStatuses": [{"state": state}]}

    def _lose(self, node: str) -> None:
        if self.cut(node):
            self._say(node, heard=False)
            self._world.later(1.0, lambda: self._find(node))

    def _find(self, node: str) -> None:
        if self.cut(node):
            self._world.later(1.0, lambda: self._find(node))
        else:
            self._world.later(_BACK_AFTER, lambda: self._back(node))

    def _back(self, node: str) -> None:
        self._say(node, heard=True)

    def _say(self, node: str, *, heard: bool) -> None:
        body = self._world.objects.get(node_path(node))
        if body is not None:
            body["status"]["conditions"] = [_condition(heard)]


def _condition(heard: bool) -> Object:
    return {
        "type": "Ready",
        "status": "True" if heard else "Unknown",
        "reason": "KubeletReady" if heard else "NodeStatusUnknown",
    }
