"""What a service graph is refused for, each time with the place; and what objectives, flags and overrides are."""

from copy import deepcopy
from typing import Any

import pytest

from firedrill.api.flag import Flag
from firedrill.api.objective import Slo
from firedrill.api.servicegraph import Graph
from firedrill.api.simulation import Override
from firedrill.simulation.checking import check_spec, problems
from firedrill.simulation.topology import (
    Edge,
    EdgeKind,
    calls_per_request,
    components_of,
    depth,
    edges,
    reachable,
    visits,
)


def calls(service: str, **more: Any) -> dict[str, Any]:
    return {"call": {"service": service, **more}}


def publishes(topic: str) -> dict[str, Any]:
    return {"publish": {"broker": "kafka", "topic": topic}}


def http(name: str, *script: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "endpoints": [{"path": "/" + name, "script": list(script)}], **more}


def consuming(name: str, topic: str, *script: dict[str, Any], group: str | None = None) -> dict[str, Any]:
    taken = {"broker": "kafka", "topic": topic, "group": group or name, "script": list(script)}
    return {"name": name, "consumes": [taken]}


#: A small shop that nothing is wrong with. gateway 0, ledger 1, settlement 2, vault 3, ca 4, keeper 5.
SOUND: dict[str, Any] = {
    "services": [
        http("gateway", {"parallel": [calls("ledger", share=0.5), {"cache": {"cache": "redis"}}]}, calls("vault"),
             calls=["ca"], settings=True),
        http("ledger", {"query": {"database": "books", "operation": "transfer"}}, publishes("payments")),
        consuming("settlement", "payments", {"query": {"database": "books", "operation": "settle"}}),
        http("vault", role="tls-service", calls=["ca"], zone="north"),
        {"name": "ca", "role": "mesh-ca", "options": {"lifetime": "60"}, "zone": "south"},
        {"name": "keeper", "role": "reconcile", "options": {"interval": "30"}, "uses": ["books"]},
    ],
    "brokers": [
        {"name": "kafka", "kind": "Kafka", "topics": [{"name": "payments"}, {"name": "refunds"}]},
        {"name": "mqtt", "kind": "Mqtt", "topics": [{"name": "telemetry"}]},
    ],
    "databases": [{"name": "books", "tableModel": "ledger"}, {"name": "notes"}],
    "caches": [{"name": "redis"}],
    "entries": [{"service": "gateway", "path": "/gateway"}],
    "zoneLatencies": [{"between": ["north", "south"], "latency": {"median": "20ms"}}],
}  # fmt: skip


def changed(path: str, value: Any) -> Graph:
    """SOUND with the value put at the path, such as services.0.role; + at its end appends."""
    wire = deepcopy(SOUND)
    *way, last = path.split(".")
    at: Any = wire
    for part in way:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    if last == "+":
        at.append(value)
    elif isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return Graph.model_validate(wire)


def graph(*services: dict[str, Any], entries: tuple[str, ...] = (), topics: tuple[str, ...] = ()) -> Graph:
    return Graph.model_validate(
        {
            "services": list(services),
            "brokers": [{"name": "kafka", "kind": "Kafka", "topics": [{"name": name} for name in topics]}],
            "entries": [{"service": name, "path": "/" + name} for name in entries],
        }
    )


def test_a_sound_graph_has_no_problems() -> None:
    assert problems(Graph.model_validate(SOUND)) == []


@pytest.mark.parametrize(
    ("broker", "topic"), [(0, "Bank.refunds_2-dead-letter"), (1, "bank/refunds")], ids=["of Kafka", "of MQTT"]
)
def test_a_topic_may_be_called_as_its_broker_allows(broker: int, topic: str) -> None:
    assert problems(changed(f"brokers.{broker}.topics.+", {"name": topic})) == []


SCRIPT = "services.0.endpoints.0.script"


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        # Names in scripts.
        (f"{SCRIPT}.1", calls("ledgr"),
         "services[0].endpoints[0].script[1].call.service: no service is called ledgr; did you mean ledger?"),
        (f"{SCRIPT}.0.parallel.0", calls("ledgr"),
         "services[0].endpoints[0].script[0].parallel[0].call.service: no service is called ledgr; "
         "did you mean ledger?"),
        (f"{SCRIPT}.1", calls("ledger", path="/leger"),
         "services[0].endpoints[0].script[1].call.path: no endpoint of ledger is called /leger; "
         "did you mean /ledger?"),
        (f"{SCRIPT}.1", calls("settlement"),
         "services[0].endpoints[0].script[1].call.service: settlement has no endpoint"),
        (f"{SCRIPT}.0.parallel.1", {"cache": {"cache": "memcached"}},
         "services[0].endpoints[0].script[0].parallel[1].cache.cache: no cache is called memcached"),
        (f"{SCRIPT}.1", {"publish": {"broker": "rabbit", "topic": "payments"}},
         "services[0].endpoints[0].script[1].publish.broker: no broker is called rabbit"),
        (f"{SCRIPT}.1", publishes("payment"),
         "services[0].endpoints[0].script[1].publish.topic: no topic of kafka is called payment; "
         "did you mean payments?"),
        (f"{SCRIPT}.1", {"query": {"database": "book", "operation": "read"}},
         "services[0].endpoints[0].script[1].query.database: no database is called book; did you mean books?"),
        (f"{SCRIPT}.1", {"query": {"database": "notes", "operation": "transfer"}},
         "services[0].endpoints[0].script[1].query.operation: no operation of the table model generic is called "
         "transfer"),
        # Names elsewhere.
        ("services.2.consumes.0.topic", "paymens",
         "services[2].consumes[0].topic: no topic of kafka is called paymens; did you mean payments?"),
        ("services.0.calls.+", "nobody", "services[0].calls[1]: no service is called nobody"),
        ("services.5.uses.+", "boks",
         "services[5].uses[1]: no broker, database or cache is called boks; did you mean books?"),
        ("databases.1.tableModel", "fihr", "databases[1].tableModel: no table model is called fihr; "
         "did you mean fhir?"),
        ("entries.0.service", "gatewy", "entries[0].service: no service is called gatewy; did you mean gateway?"),
        ("entries.0.path", "/pay", "entries[0].path: no endpoint of gateway is called /pay"),
        ("entries.+", {"service": "vault", "path": "/vault"},
         "entries[1].service: vault is served with TLS, which load does not speak"),
        ("zoneLatencies.0.between.1", "sout", "zoneLatencies[0].between[1]: no zone is called sout; "
         "did you mean south?"),
        ("zoneLatencies.0.between.1", "north", "zoneLatencies[0].between: both zones are north"),
        ("zoneLatencies.+", {"between": ["south", "north"], "latency": {"median": "1ms"}},
         "zoneLatencies[1].between: the way between north and south is already zoneLatencies[0].between"),
        # Names that are taken.
        ("caches.0.name", "ledger", "caches[0].name: the name ledger is already services[1].name"),
        ("databases.1.name", "kafka", "databases[1].name: the name kafka is already brokers[0].name"),
        ("services.5.name", "ca", "services[5].name: the name ca is already services[4].name"),
        ("services.5.name", "prometheus",
         "services[5].name: prometheus is reserved, as are flags, kwok, load, multiplexer, recorder, settings"),
        ("services.1.endpoints.+", {"path": "/ledger"},
         "services[1].endpoints[1].path: path /ledger is already services[1].endpoints[0].path"),
        ("services.1.endpoints.+", {"path": "/metrics"},
         "services[1].endpoints[1].path: every service serves /metrics of its own"),
        ("services.4.endpoints", [{"path": "/root.pem"}],
         "services[4].endpoints[0].path: role mesh-ca serves /root.pem of its own"),
        ("brokers.0.topics.+", {"name": "bank/refunds"},
         "brokers[0].topics[2].name: bank/refunds is no name for Kafka, which takes letters, digits, dots, _ and -"),
        ("brokers.0.topics.+", {"name": ".."},
         "brokers[0].topics[2].name: .. is no name for Kafka, which takes letters, digits, dots, _ and -"),
        ("brokers.0.topics.+", {"name": "refunds"},
         "brokers[0].topics[2].name: topic refunds is already brokers[0].topics[1].name"),
        ("services.2.consumes.+", {"broker": "kafka", "topic": "payments", "group": "settlement"},
         "services[2].consumes[1]: consumer kafka/payments/settlement is already services[2].consumes[0]"),
        ("entries.+", {"service": "gateway", "path": "/gateway"},
         "entries[1]: entry gateway/gateway is already entries[0]"),
        ("services.1.ports", [8080], "services[1].ports[0]: port 8080 is already the HTTP port"),
        ("services.1.ports", [9000, 9000], "services[1].ports[1]: port 9000 is already services[1].ports[0]"),
        ("services.3.ports", [8443], "services[3].ports[0]: port 8443 is already the port of role tls-service"),
        # Roles and what they need.
        ("services.4.role", "mesh-c", "services[4].role: no role is called mesh-c; did you mean mesh-ca?"),
        ("services.4.options", {}, "services[4].options.lifetime: role mesh-ca needs it: a number such as 10 or 0.5"),
        ("services.4.options.lifetime", "soon",
         "services[4].options.lifetime: 'soon' is not a number such as 10 or 0.5"),
        ("services.4.options.life", "1",
         "services[4].options.life: role mesh-ca has no such option; it has audit, lifetime"),
        ("services.1.options", {"audit": "gdpr"}, "services[1].options.audit: 'gdpr' is not pci or hipaa"),
        ("services.3.calls", [], "services[3].calls: role tls-service needs a service of role mesh-ca to call"),
        ("services.0.calls", [],
         "services[0].calls: vault is called with TLS, so a service of role mesh-ca has to be named here too"),
        ("services.5.uses", ["notes"], "services[5].uses: role reconcile needs one database with the table model "
         "ledger"),
        ("services.+", {"name": "pulse", "role": "heartbeat", "options": {"timeout": "9"}, "uses": ["kafka"]},
         "services[6].uses: role heartbeat needs one broker of kind Mqtt"),
        ("services.+", http("gpu", role="gpu-worker"),
         "services[6].resources.limits: role gpu-worker needs an extended resource such as sim.example/gpu"),
        ("services.+", {"name": "watch", "role": "siem", "options": {"interval": "5", "threshold": "9"}},
         "services[6].calls: role siem needs services to call"),
        # Groups, cycles, what nothing leads to.
        ("services.+", consuming("refunds", "refunds", group="settlement"),
         "services[6].consumes: group settlement is also that of settlement, which consumes payments: "
         "members of a group must consume the same topics"),
        ("services.1.endpoints.0.script.+", calls("gateway"),
         "services[1].endpoints[0].script[2].call.service: calls go in a circle: gateway -> ledger -> gateway; "
         "let a topic stand between"),
        ("services.1.endpoints.0.script.+", calls("ledger"),
         "services[1].endpoints[0].script[2].call.service: calls go in a circle: ledger -> ledger; "
         "let a topic stand between"),
        ("services.+", http("orphan"),
         "services[6]: nothing leads to orphan: no entry, no call and no message from a service that does something"),
        ("services.+", consuming("refunds", "refunds"),
         "services[6]: nothing leads to refunds: no entry, no call and no message from a service that does "
         "something"),
    ],
)  # fmt: skip
def test_a_wrong_graph_is_refused_with_the_place(path: str, value: Any, problem: str) -> None:
    assert problem in problems(changed(path, value))


@pytest.mark.parametrize(
    ("name", "of"),
    [
        (
            "a consumer may call the service whose message it consumes",
            graph(http("a", publishes("t")), consuming("b", "t", calls("a")), entries=("a",), topics=("t",)),
        ),
        (
            "messages may lead back to where they came from",
            graph(
                http("a", publishes("t")), consuming("b", "t", publishes("u")), consuming("c", "u", publishes("t")),
                entries=("a",), topics=("t", "u"),
            ),
        ),
        (
            "a group may be shared where its members consume the same topic",
            graph(
                http("a", publishes("t")), consuming("b", "t", group="g"), consuming("c", "t", group="g"),
                entries=("a",), topics=("t",),
            ),
        ),
        ("a diamond is no circle", graph(
            http("a", calls("b"), calls("c")), http("b", calls("d")), http("c", calls("d")), http("d"), entries=("a",)
        )),
    ],
)  # fmt: skip
def test_what_is_allowed(name: str, of: Graph) -> None:
    assert problems(of) == [], name


def test_each_cycle_is_told_once_from_the_service_that_is_declared_first() -> None:
    of = graph(
        http("a", calls("b"), calls("d")), http("b", calls("c")), http("c", calls("a")), http("d", calls("a")),
        entries=("a",),
    )  # fmt: skip
    found = sorted(problem.split(": ")[2] for problem in problems(of))
    assert found == ["a -> b -> c -> a; let a topic stand between", "a -> d -> a; let a topic stand between"]


def test_without_load_there_is_one_problem_and_not_one_for_each_service() -> None:
    assert problems(graph(http("a"), http("b"))) == ["entries: no load comes in, and no service acts by itself"]


def test_a_service_whose_metrics_alone_are_read_is_not_in_use() -> None:
    siem = {"name": "siem", "role": "siem", "options": {"interval": "5", "threshold": "9"}, "calls": ["a", "b"]}
    of = graph(http("a"), http("b"), siem, entries=("a",))
    assert [problem.split(":")[0] for problem in problems(of)] == ["services[1]"]


def test_a_long_list_is_cut_and_says_how_much_it_leaves_out() -> None:
    of = graph(http("a", *(calls(f"missing-{number}") for number in range(60))), entries=("a",))
    found = problems(of)
    assert len(found) == 51
    assert found[-1] == "and 10 more"


def test_a_chain_as_long_as_a_graph_can_be_is_followed() -> None:
    chain = [http(f"s{number}", calls(f"s{number + 1}")) for number in range(999)]
    of = graph(*chain, http("s999"), entries=("s0",))
    assert problems(of) == []
    assert depth(of) == 999


def test_statistics() -> None:
    of = Graph.model_validate(SOUND)
    assert depth(of) == 1
    assert reachable(of) == {"gateway", "ledger", "settlement", "vault", "ca", "keeper"}
    assert edges(of) == [
        Edge("gateway", "ca", EdgeKind.CALL),
        Edge("gateway", "ledger", EdgeKind.CALL),
        Edge("gateway", "vault", EdgeKind.CALL),
        Edge("ledger", "settlement", EdgeKind.MESSAGE),
        Edge("vault", "ca", EdgeKind.CALL),
    ]
    assert visits(of) == {"gateway": 1.0, "ledger": 0.5, "vault": 1.0, "settlement": 0.5}
    assert calls_per_request(of) == 2.0
    assert components_of(of.services[0]) == {"redis"}
    assert components_of(of.services[1]) == {"books", "kafka"}


def slo(service: str, name: str = "goal", **indicator: Any) -> Slo:
    return Slo.model_validate({"name": name, "service": service, "objective": 0.99, "indicator": indicator})


GOOD_SLOS = [
    slo("gateway", "one", availability={}),
    slo("gateway", "two", latency={"path": "/gateway", "threshold": "250ms"}),
    slo("settlement", "three", freshness={"topic": "payments", "threshold": "5s"}),
    slo("settlement", "four", lag={"topic": "payments", "maxMessages": 200}),
]
GOOD_FLAGS = [
    Flag.model_validate({"service": service, "name": name, "value": value})
    for service, name, value in (
        ("ledger", "slow", 0.5), ("*", "failure", 0.1), ("load", "floodEntry", 5), ("settlement", "queueProblems", 1),
        ("ledger", "poisonMessage", 0.1), ("gateway", "cacheFailure", 1), ("ledger", "slowQueries", 1),
        ("gateway", "staleConfig", 1), ("ca", "expiredCertificate", 1), ("vault", "expiredCertificate", 1),
    )
]  # fmt: skip
GOOD_OVERRIDES = [Override(service="ledger", replicas=2), Override(service="ca", options={"lifetime": "5"})]


def test_sound_objectives_flags_and_overrides_have_no_problems() -> None:
    assert check_spec(Graph.model_validate(SOUND), GOOD_SLOS, GOOD_FLAGS, GOOD_OVERRIDES) == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (slo("gatewy", availability={}), "slos[0].service: no service is called gatewy; did you mean gateway?"),
        (slo("gateway", availability={"path": "/pay"}),
         "slos[0].indicator.availability.path: no endpoint of gateway is called /pay"),
        (slo("settlement", latency={"threshold": "1s"}), "slos[0].indicator.latency: settlement has no endpoint"),
        (slo("settlement", lag={"topic": "payment", "maxMessages": 1}),
         "slos[0].indicator.lag.topic: no topic that settlement consumes is called payment; did you mean payments?"),
        (slo("ledger", freshness={"topic": "payments", "threshold": "5s"}),
         "slos[0].indicator.freshness.topic: no topic that ledger consumes is called payments"),
        (slo("pulse", lag={"topic": "telemetry", "maxMessages": 1}),
         "slos[0].indicator.lag.topic: telemetry is a topic of MQTT, whose brokers keep no offsets"),
        (("nobody", "slow", 1), "flags[0].service: no service is called nobody"),
        (("load", "slow", 1), "flags[0].service: floodEntry is a flag of load, and the only one it has"),
        (("gateway", "floodEntry", 2), "flags[0].service: floodEntry is a flag of load, and the only one it has"),
        (("gateway", "failure", 2), "flags[0].value: failure must be between 0 and 1, and is 2"),
        (("gateway", "queueProblems", 1),
         "flags[0].service: queueProblems needs a service that consumes messages, which gateway is not"),
        (("settlement", "poisonMessage", 1),
         "flags[0].service: poisonMessage needs a service that publishes messages, which settlement is not"),
        (("ledger", "cacheFailure", 1),
         "flags[0].service: cacheFailure needs a service that uses a cache, which ledger is not"),
        (("gateway", "slowQueries", 1),
         "flags[0].service: slowQueries needs a service that uses a database, which gateway is not"),
        (("ledger", "staleConfig", 1),
         "flags[0].service: staleConfig needs a service that reads the settings, which ledger is not"),
        (("gateway", "heartbeatLoss", 1),
         "flags[0].service: heartbeatLoss needs a service of role device-fleet, which gateway is not"),
        (("gateway", "expiredCertificate", 1),
         "flags[0].service: expiredCertificate needs a service with TLS or of role mesh-ca, which gateway is not"),
        (Override(service="legder"), "overrides[0].service: no service is called legder; did you mean ledger?"),
        (Override(service="ca", options={"lifetime": "x"}),
         "overrides[0].options.lifetime: 'x' is not a number such as 10 or 0.5"),
    ],
)  # fmt: skip
def test_a_wrong_spec_is_refused_with_the_place(given: Slo | Override | tuple[str, str, float], problem: str) -> None:
    pulse = {"name": "pulse", "role": "heartbeat", "options": {"timeout": "9"}, "uses": ["mqtt"]}
    of = changed("services.+", pulse)
    if isinstance(given, Slo):
        found = check_spec(of, [given], [], [])
    elif isinstance(given, Override):
        found = check_spec(of, [], [], [given])
    else:
        service, name, value = given
        found = check_spec(of, [], [Flag.model_validate({"service": service, "name": name, "value": value})], [])
    assert found == [problem]


def test_what_is_given_twice_is_refused() -> None:
    of = Graph.model_validate(SOUND)
    found = check_spec(of, [GOOD_SLOS[0]] * 2, [GOOD_FLAGS[0]] * 2, [GOOD_OVERRIDES[0]] * 2)
    assert found == [
        "slos[1].name: there is already an objective one",
        "flags[1]: slow of ledger is given twice",
        "overrides[1].service: ledger is overridden twice",
    ]
