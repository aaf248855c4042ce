"""Faked pods: which services can have them, what stands for them, and who may do what for it."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from firedrill.api.errors import InvalidInput
from firedrill.api.simulation import SimulationSpec
from firedrill.simulation import faked_nodes, world
from firedrill.simulation.labels import Object
from firedrill.simulation.multiplexing import MULTIPLEXER, ports_for
from firedrill.simulation.plan import make_plan

Wire = dict[str, Any]
FAKED = {"kwok.x-k8s.io/node": "fake"}


def http(name: str, *calls: str, **more: Any) -> Wire:
    script = [{"call": {"service": called}} for called in calls]
    return {"name": name, "endpoints": [{"path": "/x", "script": script}], **more}


def spec(*services: Wire, faked: Wire | None = None, **more: Any) -> SimulationSpec:
    graph = {"services": list(services), "entries": [{"service": "front", "path": "/x"}]}
    source: Wire = {"clusters": {"names": ["a"]}, "source": {"graph": graph}, **more}
    return SimulationSpec.model_validate({**source, "faked": faked} if faked else source)


def built(wanted: SimulationSpec) -> dict[tuple[str, str], Object]:
    images = world.images_of(wanted, "simulator:1", "components:1")
    made = world.build(wanted, make_plan(wanted), "bank", "bank-ns", images)
    return {(each["kind"], each["metadata"]["name"]): each for each in made.objects}


SHOP = (
    http("front", "back", "ca"),
    http("back", faked=True, replicas=3),
    {"name": "ca", "role": "mesh-ca", "options": {"lifetime": "60"}},
)


def test_pods_that_are_faked_differ_only_in_where_they_are_and_how_they_end() -> None:
    plain = built(spec(*(dict(service, faked=False) for service in SHOP)))["Deployment", "back"]
    made = built(spec(*SHOP, faked={"nodes": 2}))["Deployment", "back"]
    assert made["spec"]["replicas"] == plain["spec"]["replicas"] == 3
    assert made["metadata"] == plain["metadata"]
    pod, container = made["spec"]["template"]["spec"], made["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == plain["spec"]["template"]["spec"]["containers"][0]["env"]
    assert pod["nodeSelector"] == {"type": "kwok"}
    assert pod["terminationGracePeriodSeconds"] == 0
    assert FAKED.items() <= made["spec"]["template"]["metadata"]["labels"].items()
    assert not FAKED.items() <= made["spec"]["selector"]["matchLabels"].items()


def test_their_service_leads_to_the_port_that_their_pods_tell_the_multiplexer() -> None:
    made = built(spec(*SHOP, faked={"nodes": 2}))
    service = made["Service", "back"]["spec"]
    told = made["Deployment", "back"]["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert service["selector"] == {"app": MULTIPLEXER}
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(8080, told[0]["containerPort"])]
    assert made["Service", "front"]["spec"]["selector"] == {"app": "front"}
    assert "nodeSelector" not in made["Deployment", "front"]["spec"]["template"]["spec"]


def test_their_metrics_are_read_from_the_multiplexer_alone_and_keep_their_names() -> None:
    made = built(spec(*SHOP, faked={"nodes": 2}))
    config = yaml.safe_load(made["ConfigMap", "prometheus-settings"]["data"]["prometheus.yml"])
    kept: dict[str, set[str]] = {}
    for job in config["scrape_configs"]:
        (port,) = (r["regex"] for r in job["relabel_configs"] if "port_name" in r.get("source_labels", [""])[0])
        found = {name for (kind, name), each in made.items() if kind == "Deployment" and _has_port(each, port)}
        kept["own" if job.get("honor_labels") else "given"] = found
    assert kept["own"] == {MULTIPLEXER}
    assert "front" in kept["given"]
    assert "back" not in kept["given"]


def _has_port(deployment: Object, name: str) -> bool:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return any(port["name"] == name for container in containers for port in container["ports"])


def test_without_faked_services_there_is_neither_kwok_nor_a_multiplexer() -> None:
    names = {name for _, name in built(spec(http("front")))}
    assert not names & {MULTIPLEXER, "kwok"}


def test_the_multiplexer_sees_pods_and_flags_and_nothing_else() -> None:
    made = built(spec(*SHOP, faked={"nodes": 2}))
    rules = made["Role", MULTIPLEXER]["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert [(rule["resources"], rule.get("resourceNames")) for rule in rules] == [
        (["pods"], None),
        (["configmaps"], ["flags"]),
    ]
    assert made["RoleBinding", MULTIPLEXER]["subjects"][0]["name"] == MULTIPLEXER


def test_all_fakes_every_service_that_needs_no_pod_of_its_own() -> None:
    scaled = http("scaled", autoscaling={"maxReplicas": 3})
    made = make_plan(spec(http("front", "scaled", "ca"), scaled, SHOP[2], faked={"nodes": 1, "services": "All"}))
    assert {service.name for service in made.graph.services if service.faked} == {"front"}


@dataclass(frozen=True)
class Wrong:
    name: str
    services: tuple[Wire, ...]
    says: str
    faked: Wire | None = field(default_factory=lambda: {"nodes": 1})
    flags: tuple[Wire, ...] = ()


WRONG = [
    Wrong("no nodes", (http("front", faked=True),), "services[0].faked: faked.nodes has to say", faked=None),
    Wrong("nothing marked", (http("front"),), "faked: no service is marked"),
    Wrong("a role", (http("front", "ca"), {**SHOP[2], "faked": True}), "services[1].faked: role mesh-ca needs"),
    Wrong("autoscaling", (http("front", faked=True, autoscaling={"maxReplicas": 2}),), "services[0].faked: nothing"),
    Wrong("ports", (http("front", faked=True, ports=[9000]),), "services[0].faked: of a faked pod HTTP alone"),
    Wrong(
        "a flag of a process",
        (http("front", faked=True),),
        "flags[0].service: memoryLeak needs a pod of its own, which front has not",
        flags=({"service": "front", "name": "memoryLeak", "value": 1},),
    ),
]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row.name)
def test_what_can_not_be_faked_is_refused_with_the_place(row: Wrong) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_plan(spec(*row.services, faked=row.faked, flags=list(row.flags)))
    assert row.says in str(refused.value)


def test_flags_of_requests_fit_faked_services() -> None:
    flags = [{"service": "front", "name": "slow", "value": 1}, {"service": "*", "name": "highCpu", "value": 1}]
    assert make_plan(spec(http("front", faked=True), faked={"nodes": 1}, flags=flags)).faked_nodes == 1


def test_ports_are_apart_and_hardly_move_with_another_service() -> None:
    names = [f"service-{number:03d}" for number in range(1000)]
    ports = ports_for(names)
    assert len(set(ports.values())) == 1000
    assert all(10_000 <= port < 30_000 for port in ports.values())
    more = ports_for([*names, "another"])
    assert sum(more[name] != ports[name] for name in names) <= 10


def test_nodes_are_tainted_and_looked_after_by_the_kwok_of_their_own_simulation() -> None:
    nodes = faked_nodes.nodes("bank-ns", 3)
    assert len({node["metadata"]["name"] for node in nodes}) == 3
    made = faked_nodes.controller("bank", "bank-ns", "kwok:1")
    (command,) = (
        each["spec"]["template"]["spec"]["containers"][0]["command"] for each in made if each["kind"] == "Deployment"
    )
    (selector,) = (flag.partition("=")[2] for flag in command if flag.startswith("--manage-nodes-with-label-selector="))
    key, _, value = selector.partition("=")
    for node in nodes:
        assert node["metadata"]["labels"][key] == value
        assert FAKED.items() <= node["metadata"]["annotations"].items()
        assert node["spec"]["taints"] == [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]


def test_pods_tolerate_the_taint_and_select_the_label_of_the_nodes() -> None:
    (node,) = faked_nodes.nodes("bank-ns", 1)
    pod = built(spec(*SHOP, faked={"nodes": 1}))["Deployment", "back"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"].items() <= node["metadata"]["labels"].items()
    (toleration,), (taint,) = pod["tolerations"], node["spec"]["taints"]
    assert {**taint, "operator": "Equal"} == toleration


def test_the_stages_of_kwok_are_whole() -> None:
    (text,) = (m["data"]["kwok.yaml"] for m in faked_nodes.controller("b", "n", "i") if m["kind"] == "ConfigMap")
    stages = {each["metadata"]["name"]: each["spec"]["resourceRef"]["kind"] for each in yaml.safe_load_all(text)}
    assert stages == {"node-initialize": "Node", "node-heartbeat": "Node", "pod-ready": "Pod"}


def test_the_multiplexer_is_configured_as_its_program_expects() -> None:
    made = built(spec(*SHOP, faked={"nodes": 2}))["Deployment", MULTIPLEXER]["spec"]
    (container,) = made["template"]["spec"]["containers"]
    (config,) = (json.loads(each["value"]) for each in container["env"] if each["name"] == "SIM_CONFIG")
    assert config == {"name": MULTIPLEXER, "simulation": "bank", "flagsConfigMap": "flags"}
    assert container["args"] == ["multiplex"]
    assert made["strategy"] == {"type": "Recreate"}
