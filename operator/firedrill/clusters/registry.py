"""All targets: which exist, how they are reached, and their state on their TargetCluster."""

import asyncio
import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from firedrill.api.errors import InvalidInput, describe
from firedrill.api.resource import RunResource, Target, parse_meta
from firedrill.api.rollout import Workload
from firedrill.api.targetcluster import TargetClusterSpec, TargetClusterStatus
from firedrill.api.verdict import Condition, ConditionStatus
from firedrill.clusters import paths
from firedrill.clusters.cache import Key
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_secret
from firedrill.clusters.errors import ClusterError, Conflict, NotFound
from firedrill.clusters.informer import SILENCE
from firedrill.clusters.metrics import Metrics
from firedrill.clusters.target import TargetWatch
from firedrill.core.actions import Confirm
from firedrill.core.observed import TargetView
from firedrill.core.workload import Blind, Look

logger = logging.getLogger(__name__)

Object = dict[str, Any]


class Registry:
    """Keeps a :class:`TargetWatch` for each TargetCluster, and tells ``on_key`` and ``on_change`` of news."""

    def __init__(
        self,
        hub: KubeClient,
        namespace: str,
        metrics: Metrics,
        *,
        on_key: Callable[[Key], None],
        on_change: Callable[[str], None],
        check: Callable[[], None],
        silence: float = SILENCE,
    ) -> None:
        self._hub = hub
        self._namespace = namespace
        self._metrics = metrics
        self._on_key = on_key
        self._on_change = on_change
        self._check = check
        self._silence = silence
        self._watches: dict[str, TargetWatch] = {}
        self._marks: dict[str, str] = {}
        self._broken: dict[str, tuple[Target, str]] = {}
        self._wanted: dict[Key, tuple[Workload, frozenset[str]]] = {}

    def views(self, uid: str) -> Mapping[str, TargetView]:
        """Every target as a step gets to see it; one whose credentials can not be read is unreachable."""
        found = {name: watch.view(uid) for name, watch in self._watches.items()}
        found |= {name: TargetView(target, False, problem) for name, (target, problem) in self._broken.items()}
        return found

    def want(self, key: Key, workload: Workload | None, names: Iterable[str] = ()) -> None:
        """A resource waits for rollouts of a workload in these targets, from now on; with None for nothing."""
        if workload is None:
            self._wanted.pop(key, None)
        else:
            self._wanted[key] = (workload, frozenset(names))
        for watch in self._watches.values():
            self._hand_on(watch, key)

    def _hand_on(self, watch: TargetWatch, key: Key) -> None:
        workload, names = self._wanted.get(key, (None, frozenset[str]()))
        watch.workloads.want(key, workload if watch.target.name in names else None)

    def looks(self, key: Key) -> Mapping[str, Look]:
        """What a resource waits for, by target, as far as it was looked at."""
        found: dict[str, Look] = {
            name: Blind("TargetUnreachable", f"{name} is not connected to: its condition Reachable says why")
            for name in self._broken
        }
        for name, watch in self._watches.items():
            look = watch.workloads.look(key)
            if look is not None:
                found[name] = look
        return found

    def client(self, cluster: str) -> KubeClient:
        """The client of a target; raises ClusterError where there is none."""
        return self._watch(cluster).client

    def target(self, cluster: str) -> Target:
        """A target that has a client; raises ClusterError where it has none."""
        return self._watch(cluster).target

    def _watch(self, cluster: str) -> TargetWatch:
        watch = self._watches.get(cluster)
        if watch is None:
            raise ClusterError(f"target {cluster} has no client")
        return watch

    async def verify(self, cluster: str) -> None:
        """Raise ClusterError where a target is not the cluster that it was, or has no client."""
        await self._watch(cluster).verify()

    async def confirm(self, resource: RunResource, action: Confirm) -> None:
        """Read a run in a target anew; raises ClusterError where the target has no client, refuses or is silent."""
        key = Key(resource.kind.name, resource.meta.namespace, resource.meta.name)
        await self._watch(action.cluster).confirm(key, resource.meta.uid, action.job)

    def watches(self) -> list[TargetWatch]:
        """All targets that are followed."""
        return list(self._watches.values())

    async def names(self) -> list[str]:
        """Names of the TargetClusters that the hub has, known here or not."""
        listed = await self._hub.get(paths.firedrill("targetclusters"))
        return [item["metadata"]["name"] for item in listed["items"]]

    async def first_look(self, limit: float) -> None:
        """Wait until every target has answered or failed once, but no longer than ``limit`` seconds."""
        waiting = [asyncio.create_task(watch.looked.wait()) for watch in self._watches.values()]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waiting), limit)

    async def close(self) -> None:
        """Let all targets go."""
        for name in list(self._watches):
            await self._drop(name)

    async def reconcile(self, name: str) -> None:
        """Bring the target ``name`` in line with its TargetCluster, and write its status where it changed."""
        try:
            body = await self._hub.get(paths.firedrill("targetclusters", name=name))
        except NotFound:
            await self._drop(name)
            self._broken.pop(name, None)
            self._metrics.target_reachable.remove_by_labels({"cluster": name})
            return
        meta = parse_meta(body)
        if meta.deleting:
            return
        try:
            spec = TargetClusterSpec.model_validate(body.get("spec") or {})
        except ValidationError as error:
            # A slip in the spec must not look as if the target were gone: its runs wait for it.
            watch = self._watches.get(name)
            known = watch.target if watch else Target(name, meta.uid, meta.labels, TargetClusterSpec(), valid=False)
            self._broken[name] = (known, describe(error))
            await self._drop(name)
            await self._write(body, _status(body, problem=describe(error), reason="InvalidSpec"))
            return
        target = Target(name, meta.uid, meta.labels, spec)
        try:
            await self._connect(target)
        except InvalidInput as error:
            await self._drop(name)
            self._broken[name] = (target, str(error))
            await self._write(body, _status(body, problem=str(error), reason="CredentialsInvalid"))
            return
        except ClusterError as error:
            # The hub does not say what the credentials are: those that are in use go on being used.
            if name not in self._watches:
                self._broken[name] = (target, str(error))
            raise
        watch = self._watches[name]
        if watch.looked.is_set():
            await self._write(body, _status(body, watch=watch))

    async def _connect(self, target: Target) -> None:
        secret: Object = {}
        if target.spec.secret_ref:
            where = paths.path("v1", "secrets", self._namespace, target.spec.secret_ref.name)
            try:
                secret = await self._hub.get(where)
            except NotFound as error:
                raise InvalidInput(
                    f"spec.secretRef: no Secret {target.spec.secret_ref.name} in namespace {self._namespace}"
                ) from error
        mark = hashlib.sha256(
            json.dumps([secret.get("data"), target.uid, target.spec.runner_namespace], sort_keys=True).encode()
        ).hexdigest()
        watch = self._watches.get(target.name)
        if watch is not None and not watch.moved and self._marks.get(target.name) == mark:
            watch.target = target
            return
        await self._drop(target.name)
        self._broken.pop(target.name, None)
        await self._follow(target, secret)
        self._marks[target.name] = mark

    async def _follow(self, target: Target, secret: Object) -> None:
        own = bool(secret)
        client = self._hub
        if own:
            client = KubeClient(
                await api_from_secret(secret.get("data") or {}),
                target.name,
                timeout=10,
                observer=self._metrics.request_seen,
            )
        watch = TargetWatch(
            target,
            client,
            on_key=self._on_key,
            on_change=lambda: self._on_change(target.name),
            owns_client=own,
            silence=self._silence,
        )
        self._watches[target.name] = watch
        for key in self._wanted:
            self._hand_on(watch, key)
        watch.start()

    async def _drop(self, name: str) -> None:
        watch = self._watches.pop(name, None)
        self._marks.pop(name, None)
        if watch is not None:
            await watch.close()

    async def _write(self, body: Object, status: TargetClusterStatus) -> None:
        name = body["metadata"]["name"]
        self._metrics.target_reachable.labels(name).set(
            int(any(c.type == "Reachable" and c.status is ConditionStatus.TRUE for c in status.conditions))
        )
        wire = status.to_wire()
        if wire == body.get("status"):
            return
        self._check()
        try:
            await self._hub.replace(
                paths.firedrill("targetclusters", name=name, subresource="status"), {**body, "status": wire}
            )
        except Conflict:
            self._on_change(name)


def _status(
    body: Object, *, watch: TargetWatch | None = None, problem: str = "", reason: str = ""
) -> TargetClusterStatus:
    generation = body["metadata"]["generation"]
    before = TargetClusterStatus.model_validate(body.get("status") or {})
    old = next((c for c in before.conditions if c.type == "Reachable"), None)
    problem = problem or (watch.problem if watch else "")
    status = ConditionStatus.FALSE if problem else ConditionStatus.TRUE
    why = reason or ("Unreachable" if problem else "Reachable")
    now = datetime.now(UTC)
    message = problem or "jobs and records are followed"
    if old and old.status is status and old.reason == why:
        # The text of an error varies from try to try; what matters has not changed.
        message = old.message if not reason else problem
    since = old.last_transition_time if old and old.status is status else now
    condition = Condition(
        type="Reachable",
        status=status,
        reason=why,
        message=message[:2048],
        observed_generation=generation,
        last_transition_time=since,
    )
    facts = watch.facts if watch else None
    return TargetClusterStatus(
        observed_generation=generation,
        conditions=[condition],
        version=(facts.version if facts else "") or before.version,
        cluster_uid=(facts.cluster_uid if facts else "") or before.cluster_uid,
        nodes=facts.nodes if facts and facts.nodes is not None else before.nodes,
        server=watch.client.server if watch else before.server,
        capabilities=(facts.capabilities if facts else []) or before.capabilities,
    )
