from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from firedrill.api.servicegraph import TopicSpec
from firedrill.simulation import components
from firedrill.simulation.labels import NON_ROOT, Object, labels

IMAGE = "docker.io/firedrill/components:dev"
TOPICS = (TopicSpec(name="payments", partitions=6), TopicSpec(name="payments-dead-letter", partitions=1))
SCRAPE = f"rule_files: [{components.RULES_FILE}]\n"

RENDERED: dict[str, Callable[[], list[Object]]] = {
    "kafka": lambda: components.kafka("kafka", IMAGE, TOPICS, labels("finance", "kafka")),
    "ledger-db": lambda: components.postgres("ledger-db", IMAGE, "passwords", labels("finance", "ledger-db")),
    "redis": lambda: components.redis("redis", IMAGE, labels("finance", "redis")),
    "mqtt": lambda: components.mqtt("mqtt", IMAGE, labels("finance", "mqtt")),
    "prometheus": lambda: prometheus(),
}
PORTS = {"kafka": 9092, "ledger-db": 5432, "redis": 6379, "mqtt": 1883, "prometheus": 9090}
each = pytest.mark.parametrize("name", RENDERED)


def prometheus(scrape: str = SCRAPE, retention: timedelta = timedelta(hours=6)) -> list[Object]:
    return components.prometheus(
        "prometheus", IMAGE, "finance", scrape, "groups: []\n", retention, labels("finance", "prometheus")
    )


def one(objects: list[Object], kind: str) -> Object:
    (found,) = [item for item in objects if item["kind"] == kind]
    return found


def pod_of(objects: list[Object]) -> Object:
    spec: Object = one(objects, "StatefulSet")["spec"]["template"]["spec"]
    return spec


def containers_of(objects: list[Object]) -> list[Object]:
    pod = pod_of(objects)
    return [*pod["containers"], *pod.get("initContainers", [])]


def settings_of(objects: list[Object]) -> dict[str, str]:
    data: dict[str, str] = one(objects, "ConfigMap")["data"]
    return data


@each
def test_the_service_leads_to_the_pod(name: str) -> None:
    objects = RENDERED[name]()
    service, workload = one(objects, "Service"), one(objects, "StatefulSet")
    (port,) = service["spec"]["ports"]
    (container_port,) = pod_of(objects)["containers"][0]["ports"]
    assert service["metadata"]["name"] == name
    assert port["port"] == container_port["containerPort"] == PORTS[name]
    assert port["targetPort"] == container_port["name"]
    assert service["spec"]["selector"].items() <= workload["spec"]["template"]["metadata"]["labels"].items()
    assert workload["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert all(labels("finance", name).items() <= item["metadata"]["labels"].items() for item in objects)


@each
def test_pods_meet_the_restricted_standard(name: str) -> None:
    objects = RENDERED[name]()
    pod = pod_of(objects)
    security = pod["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"]) == (True, NON_ROOT)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is (name == "prometheus")
    for container in containers_of(objects):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert container["resources"]["limits"].keys() == {"memory"}
        assert container["image"] == IMAGE


@each
def test_what_is_mounted_exists_and_is_written_only_where_it_may_be(name: str) -> None:
    objects = RENDERED[name]()
    sources = {volume["name"]: volume for volume in pod_of(objects)["volumes"]}
    for container in containers_of(objects):
        for mount in container["volumeMounts"]:
            assert mount.get("readOnly", False) is ("emptyDir" not in sources[mount["name"]])
        assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]]
    named = {volume["configMap"]["name"] for volume in sources.values() if "configMap" in volume}
    assert named == {item["metadata"]["name"] for item in objects if item["kind"] == "ConfigMap"}


@each
def test_a_pod_is_ready_by_a_probe(name: str) -> None:
    (container,) = pod_of(RENDERED[name]())["containers"]
    for probe in (container["startupProbe"], container["readinessProbe"]):
        assert probe.keys() & {"exec", "tcpSocket", "httpGet"}
    slowest = container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"]
    assert slowest >= 30, "seconds that a start may take on a busy machine"


@each
def test_the_same_call_gives_the_same_objects(name: str) -> None:
    assert RENDERED[name]() == RENDERED[name]()


def properties(objects: list[Object]) -> dict[str, str]:
    lines = settings_of(objects)["server.properties"].splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_clients_reach_kafka_by_its_service_and_its_controller_only_from_within() -> None:
    found = properties(components.kafka("events", IMAGE, TOPICS, {}))
    assert found["advertised.listeners"].split(",")[0] == "CLIENTS://events:9092"
    inner = [listener for listener in found["listeners"].split(",") if not listener.startswith("CLIENTS")]
    assert all("//127.0.0.1:" in listener for listener in inner)
    assert found["auto.create.topics.enable"] == "false"


def test_kafka_is_started_only_when_its_topics_are_there() -> None:
    objects = RENDERED["kafka"]()
    probe = pod_of(objects)["containers"][0]["startupProbe"]["exec"]["command"]
    script = settings_of(objects)[probe[-1].rsplit("/", 1)[1]]
    for topic in TOPICS:
        assert f"--create --if-not-exists --topic {topic.name} --partitions {topic.partitions} " in script
    assert script.startswith("set -eu\n"), "a topic that cannot be made fails the probe"


def test_a_kafka_without_topics_still_has_to_answer() -> None:
    script = settings_of(components.kafka("kafka", IMAGE, (), {}))["create-topics.sh"]
    assert "--list" in script
    assert "--create" not in script


def test_postgres_takes_its_password_from_the_secret_and_asks_the_network_for_it() -> None:
    objects = RENDERED["ledger-db"]()
    (secret,) = [volume for volume in pod_of(objects)["volumes"] if "secret" in volume]
    (mount,) = [m for m in containers_of(objects)[1]["volumeMounts"] if m["name"] == secret["name"]]
    (prepare,) = pod_of(objects)["initContainers"]
    assert secret["secret"]["secretName"] == "passwords"
    assert f"--pwfile={mount['mountPath']}/password" in prepare["command"][-1]
    assert prepare["env"] == [{"name": "DATABASE", "value": "ledger-db"}]
    assert settings_of(objects)["pg_hba.conf"].splitlines()[-1] == "host all all all scram-sha-256"


def test_postgres_ends_its_clients_connections_when_it_stops() -> None:
    command = pod_of(RENDERED["ledger-db"]())["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert command[0] == "pg_ctl"
    assert "--mode=fast" in command


def test_the_user_of_postgres_has_a_name() -> None:
    users = [line.split(":") for line in settings_of(RENDERED["ledger-db"]())["passwd"].splitlines()]
    assert ("sim", str(NON_ROOT)) in [(user[0], user[2]) for user in users]


def test_redis_keeps_within_its_memory_limit() -> None:
    (container,) = pod_of(RENDERED["redis"]())["containers"]
    command = container["command"]
    assert command[command.index("--maxmemory") + 1] == "64mb"
    assert container["resources"]["limits"]["memory"] == "128Mi"


def test_mqtt_takes_as_many_connections_as_files_can_be_open() -> None:
    objects = RENDERED["mqtt"]()
    assert "max_connections -1" in settings_of(objects)["mosquitto.conf"].splitlines()
    assert "ulimit -n" in pod_of(objects)["containers"][0]["command"][-1]


def digest_of(objects: list[Object]) -> Any:
    return one(objects, "StatefulSet")["spec"]["template"]["metadata"]["annotations"]


def test_other_settings_make_a_new_pod_of_kafka_but_not_of_prometheus() -> None:
    fewer = components.kafka("kafka", IMAGE, TOPICS[:1], labels("finance", "kafka"))
    assert digest_of(fewer) != digest_of(RENDERED["kafka"]())
    assert digest_of(prometheus("global: {}\n")) == digest_of(prometheus())


def test_prometheus_reads_its_rules_and_keeps_what_it_is_told() -> None:
    objects = prometheus(retention=timedelta(minutes=90))
    (container,) = pod_of(objects)["containers"]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert components.RULES_FILE in {f"{mounted['settings']}/{name}" for name in settings_of(objects)}
    assert "--storage.tsdb.retention.time=5400s" in container["command"]
    assert "--web.enable-lifecycle" in container["command"]


def test_prometheus_may_only_look_and_only_in_its_namespace() -> None:
    objects = RENDERED["prometheus"]()
    (rule,) = one(objects, "Role")["rules"]
    assert set(rule["verbs"]) == {"get", "list", "watch"}
    assert rule["resources"] == ["pods"]
    account = one(objects, "ServiceAccount")["metadata"]["name"]
    assert one(objects, "RoleBinding")["subjects"] == [
        {"kind": "ServiceAccount", "name": account, "namespace": "finance"}
    ]
    assert pod_of(objects)["serviceAccountName"] == account
