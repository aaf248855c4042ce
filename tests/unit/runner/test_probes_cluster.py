"""Probes of objects, of gRPC health and of commands."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from chaos_clock import VirtualClock
from chaos_cluster import World
from chaos_lab import Lab, spec, task
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from probe_context import context_of
from pydantic import ValidationError

from firedrill.api.asked import PROBES
from firedrill.api.chaosexperiment import SteadyState
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Forbidden, Unreachable
from firedrill.runner.asking import Asking, asking

Object = dict[str, Any]
APPS = {
    "resources": [
        {"name": "deployments/scale", "kind": "Scale", "namespaced": True},
        {"name": "deployments", "kind": "Deployment", "namespaced": True},
    ]
}
CORE = {"resources": [{"name": "nodes", "kind": "Node", "namespaced": False}]}


def cluster(*ready: int) -> World:
    """Deployments d0, d1 and so on, of the app shop, with so many ready replicas each."""
    world = World(VirtualClock())
    world.objects["/apis/apps/v1"] = APPS
    world.objects["/api/v1"] = CORE
    for number, count in enumerate(ready):
        body = {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {"paused": False, "template": {"spec": {"containers": [{"image": "a:1"}, {"image": "b:1"}]}}},
            "status": {"readyReplicas": count} if count else {},
        }
        world.put(paths.deployments("shop", f"d{number}"), body)
    return world


def listing(world: World) -> World:
    """The in-memory API server lists what it knows as collections alone."""
    found = [body for path, body in world.objects.items() if "/deployments/" in path]
    world.objects[paths.deployments("shop")] = {"items": found, "metadata": {}}
    return world


def ask_for(world: World, **fields: Any) -> Asking:
    probe = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", **fields}
    return asking(SteadyState.model_validate({"kubernetes": probe}).probe, context_of(world))


READY = {"path": "$.status.readyReplicas"}
IMAGES = {"path": "$.spec.template.spec.containers[*].image"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "d0"}, (True, "")),
        ({"name": "d9"}, (False, "no such object")),
        ({"name": "d9", "exists": False}, (True, "")),
        ({"name": "d0", "exists": False}, (False, "1 of 1 are there")),
        ({"name": "d0", **READY, "min": 2}, (True, "")),
        ({"name": "d0", **READY, "equals": "2"}, (True, "")),
        ({"name": "d0", **READY, "min": 3}, (False, "0 of 1, 1 wanted: 2")),
        ({"name": "d2", **READY, "min": 1}, (False, "0 of 1, 1 wanted: the path leads nowhere")),
        ({"name": "d2", **READY, "exists": False}, (True, "")),
        ({"name": "d0", "path": "$.spec.paused", "equals": "false"}, (True, "")),
        ({"name": "d0", "path": "$.spec.paused", "max": 1}, (False, "0 of 1, 1 wanted: false")),
        ({"name": "d0", **IMAGES, "equals": "a:1"}, (False, "0 of 1, 1 wanted: b:1")),
        ({"name": "d0", "path": "$.spec.template.spec.containers[?@.image=='a:1']"}, (True, "")),
        ({"matchLabels": {"app": "shop"}, **READY, "min": 1}, (False, "2 of 3, 3 wanted: the path leads nowhere")),
        ({"matchLabels": {"app": "shop"}, **READY, "min": 1, "atLeast": 2}, (True, "")),
        ({"matchLabels": {"app": "shop"}, "atLeast": 4}, (False, "3 of 3, 4 wanted: there are no more")),
    ],
)
async def test_objects_are_as_expected_or_not(fields: Object, expected: tuple[bool, str]) -> None:
    world = cluster(2, 1, 0) if "name" in fields else listing(cluster(2, 1, 0))
    ask = ask_for(world, **fields)
    assert await ask.ready() is None
    assert await ask() == expected


async def test_no_object_at_all_is_not_good() -> None:
    assert await ask_for(listing(cluster()), matchLabels={"app": "shop"})() == (False, "no such object")


@pytest.mark.parametrize("error", [Unreachable("refused"), Forbidden(403, "Forbidden", "no")])
async def test_an_api_server_that_is_away_or_refuses_says_nothing(error: ClusterError) -> None:
    world = cluster(2)
    ask = ask_for(world, name="d0")
    assert await ask() == (True, "")
    ask._context.client.fail = lambda _verb, _path: error  # type: ignore[attr-defined]
    good, _why = await ask()
    assert good is None


@pytest.mark.parametrize(
    ("fields", "reason", "says"),
    [
        ({"kind": "Rocket", "name": "a"}, "NotApplicable", "no Rocket in apps/v1"),
        ({"kind": "Node", "apiVersion": "v1", "name": "a"}, "NotApplicable", "leave kubernetes.namespace out"),
        ({"namespace": None, "name": "a"}, "NotApplicable", "set kubernetes.namespace"),
        ({"name": "d0"}, "NotPermitted", "may not get deployments.apps in shop: the chart's target.probes.read"),
        ({"matchLabels": {"a": "b"}}, "NotPermitted", "may not list deployments.apps in shop"),
    ],
)
async def test_what_can_not_be_read_is_told_before_anything_begins(fields: Object, reason: str, says: str) -> None:
    ask = ask_for(cluster(2), **fields)

    def fail(_verb: str, path: str) -> ClusterError | None:
        return Forbidden(403, "Forbidden", "no") if path.startswith("/apis/apps/v1/namespaces/shop") else None

    ask._context.client.fail = fail  # type: ignore[attr-defined]
    refusal = await ask.ready()
    assert refusal is not None
    assert refusal.reason == reason
    assert says in refusal.message


async def test_an_experiment_whose_probe_may_not_read_is_inconclusive_and_injects_nothing() -> None:
    probe = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "payments", "name": "ledger"}
    lab = Lab(task(spec({"podKill": {}}, steadyState={"kubernetes": probe})))
    lab.world.objects["/apis/apps/v1"] = APPS
    runner = lab.runner_process()

    def fail(_verb: str, path: str) -> ClusterError | None:
        return Forbidden(403, "Forbidden", "no") if path.endswith("/deployments/ledger") else None

    runner.fail = fail
    await lab.clock.run(lab.runner(runner))
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "NotPermitted")
    assert "get deployments.apps in payments" in lab.result.message
    assert runner.writes == []


@pytest_asyncio.fixture
async def served() -> AsyncIterator[tuple[int, health.aio.HealthServicer]]:
    server, servicer = grpc.aio.server(), health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port, servicer
    await server.stop(None)


@pytest.mark.system
async def test_a_grpc_service_serves_or_not(served: tuple[int, health.aio.HealthServicer]) -> None:
    port, servicer = served

    def ask(**fields: Any) -> Asking:
        probe = {"host": "127.0.0.1", "port": port, "timeout": "30s", **fields}
        return asking(SteadyState.model_validate({"grpc": probe}).probe, context_of(World(VirtualClock())))

    assert await ask().ready() is None
    assert await ask()() == (True, "")
    assert await ask(service="shop")() == (False, "NOT_FOUND")
    await servicer.set("shop", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert await ask(service="shop")() == (False, "NOT_SERVING")
    await servicer.set("shop", health_pb2.HealthCheckResponse.SERVING)
    assert await ask(service="shop")() == (True, "")
    assert await ask(port=9)() == (False, "UNAVAILABLE")
    assert (await ask(tls=True)())[0] is False


async def test_a_grpc_service_that_is_silent_is_a_failure_in_time() -> None:
    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    probe = {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "timeout": "300ms"}
    ask = asking(SteadyState.model_validate({"grpc": probe}).probe, context_of(World(VirtualClock())))
    assert await ask() == (False, "timeout")
    server.close()


def run_command(*command: str, **fields: Any) -> Asking:
    probe = {"command": list(command), "interval": "100ms", **fields}
    return asking(SteadyState.model_validate({"command": probe}).probe, context_of(World(VirtualClock())))


@pytest.mark.parametrize(
    ("command", "fields", "expected"),
    [
        (["true"], {}, (True, "")),
        (["false"], {}, (False, "exit code 1")),
        (["false"], {"expectExitCode": 1}, (True, "")),
        (["echo", "a b; $HOME `id`"], {"stdoutContains": "a b; $HOME `id`"}, (True, "")),
        (["echo", "no"], {"stdoutContains": "yes"}, (False, "its output lacks the text")),
        (["sleep", "30"], {"timeout": "200ms"}, (False, "timeout")),
        (["printenv", "POD_NAME"], {}, (False, "exit code 1")),
        (["head", "-c", "3000000", "/dev/zero"], {}, (True, "")),
        (["no-such-program"], {}, (None, "there is no program no-such-program")),
    ],
)
async def test_a_command_ends_as_expected_or_not(
    command: list[str], fields: Object, expected: tuple[bool | None, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_NAME", "runner")
    assert await run_command(*command, **fields)() == expected


async def test_a_command_that_the_image_lacks_is_told_before_anything_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = await run_command("no-such-program").ready()
    assert refusal is not None
    assert refusal.reason == "NotApplicable"
    monkeypatch.setenv("PATH", "/nowhere")
    assert await run_command("true").ready() is None


@pytest.mark.parametrize(
    ("allowed", "reason"), [([], "NotPermitted"), (["*"], "NotPermitted"), (["false", "true"], "SteadyStateHeld")]
)
async def test_a_command_must_be_allowed_by_name(allowed: list[str], reason: str) -> None:
    policy = {"faultFamilies": ["workload"], "maxAffectedPercent": 100, "probeCommands": allowed}
    state = {"command": {"command": ["true"], "interval": "200ms"}}
    lab = Lab(task(spec({"podKill": {}}, steadyState=state), policy=policy))
    runner = lab.runner_process()
    await lab.play(runner)
    assert lab.result is not None
    assert lab.result.reason == reason
    assert (lab.result.reason == "NotPermitted") == (runner.writes == [])
    if reason == "NotPermitted":
        assert lab.result.message.startswith("a probe may not start true in finance; policy.probeCommands allows")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"kubernetes": {"apiVersion": "v1", "kind": "Secret", "name": "a"}}, "a probe reads no Secret"),
        ({"kubernetes": {"apiVersion": "v1", "kind": "Pod"}}, "set exactly one of name, matchLabels"),
        ({"kubernetes": {"apiVersion": "v1", "kind": "Pod", "name": "a", "path": "a.b["}}, "is no JSONPath"),
        ({"kubernetes": {"apiVersion": "v1", "kind": "Pod", "name": "a", "min": 1}}, "need path"),
        ({"kubernetes": {"apiVersion": "v1", "kind": "Pod", "name": "a", "atLeast": 1}}, "atLeast needs matchLabels"),
        ({"command": {"command": ["/bin/sh"]}}, "name of a program, without a path"),
        ({"command": {"command": ["../sh"]}}, "name of a program, without a path"),
        ({"command": {"command": []}}, "at least 1 item"),
        (
            {"sql": {"host": "a", "database": "a", "username": "a", "query": "DROP TABLE a", "min": 1}},
            "must begin with",
        ),
        ({"sql": {"host": "a", "database": "a", "username": "a", "query": "SELECT 1"}}, "set equals, or min, max or"),
        ({"sql": {"host": "a", "database": "a", "query": "SELECT 1", "min": 1}}, "set username, secretRef or both"),
        ({"redis": {"host": "a", "equals": "b"}}, "equals needs key"),
        ({"kafka": {"host": "a", "group": "g", "topic": "t t", "maxLag": 1}}, "topic"),
        ({"grpc": {"host": "a", "port": 0}}, "port"),
    ],
)
def test_a_wrong_probe_is_refused_by_name(state: Object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        SteadyState.model_validate({**state, "window": "60s"})


EVERY: Object = {
    "http": {"url": "http://a/"},
    "tcp": {"host": "a", "port": 1},
    "prometheus": {"url": "http://a/", "query": "up", "min": 1},
    "kubernetes": {"apiVersion": "v1", "kind": "Pod", "namespace": "a", "name": "a"},
    "grpc": {"host": "a", "port": 1},
    "sql": {"host": "a", "database": "a", "username": "a", "query": "SELECT 1", "min": 1},
    "kafka": {"host": "a", "group": "g", "topic": "t", "maxLag": 1},
    "redis": {"host": "a"},
    "command": {"command": ["true"]},
    "resource": {"kind": "DriftCheck", "name": "prices"},
}


async def test_every_probe_is_asked_by_something() -> None:
    assert list(EVERY) == list(PROBES)
    context = context_of(World(VirtualClock()))
    kinds = set()
    for name, probe in EVERY.items():
        made = asking(SteadyState.model_validate({name: probe, "window": "60s"}).probe, context)
        kinds.add(type(made))
        await made.close()
    assert len(kinds) == len(PROBES)
