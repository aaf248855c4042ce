"""Kafka: one node that is broker and KRaft controller."""

import shlex
from collections.abc import Mapping, Sequence

from firedrill.api.servicegraph import TopicSpec
from firedrill.simulation.components.pod import (
    Component,
    Pod,
    Resources,
    exec_probe,
    scratch,
    settings_volume,
    stateful_set,
)
from firedrill.simulation.labels import Object

PORT = 9092
_LOCAL_PORT = 9094
_CONTROLLER_PORT = 9093
_SETTINGS = "/etc/firedrill/kafka"
_DATA = "/var/lib/kafka"
# Each broker is alone and its data is its pod's, so the cluster's identity need not differ from one to another.
_CLUSTER_ID = "RmlyZWRyaWxsU2ltdWxhdA"
# The single-threaded collector and the first compiler alone halve the memory and the CPU of the start.
_JAVA = (
    "java",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-cp",
    "/opt/kafka/libs/*",
)
_LOGGING = f"-Dlog4j.configuration=file:{_SETTINGS}/log4j.properties"
_QUIET = f"-Dlog4j.configuration=file:{_SETTINGS}/tools-log4j.properties"


def kafka(name: str, image: str, topics: Sequence[TopicSpec], labels: Mapping[str, str]) -> list[Object]:
    """A broker at `NAME:9092` with these topics; other topics are refused.

    The startup probe makes the topics that are missing, so the pod is Ready only when all are there, and a
    restarted or replaced pod makes them again.
    """
    component = Component(name, image, labels)
    files = {
        "server.properties": _server_properties(component),
        "log4j.properties": _log4j("INFO"),
        "tools-log4j.properties": _log4j("ERROR"),
        "create-topics.sh": _create_topics(topics),
    }
    properties = f"{_SETTINGS}/server.properties"
    pod = Pod(
        command=(_JAVA[0], "-Xms64m", "-Xmx192m", _LOGGING, *_JAVA[1:], "kafka.Kafka", properties),
        port_name="kafka",
        port=PORT,
        resources=Resources(cpu="100m", memory=320, memory_limit=512),
        prepare=(
            *(_JAVA[0], "-Xmx64m", _QUIET, *_JAVA[1:], "kafka.tools.StorageTool", "format"),
            *("--ignore-formatted", "--cluster-id", _CLUSTER_ID, "--config", properties),
        ),
        # A probe that took too long goes on where it was cut: topics that are there are not made again.
        startup=exec_probe(("sh", f"{_SETTINGS}/create-topics.sh"), period=2, timeout=60, failures=30),
        # The broker opens the port when it has taken its place in the cluster and closes it when it leaves.
        readiness={"tcpSocket": {"port": "kafka"}, "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 3},
        grace=30,
        volumes=(settings_volume(component, _SETTINGS), scratch("data", _DATA, "2Gi"), scratch("tmp", "/tmp", "64Mi")),  # noqa: S108
        settings=files,
    )
    return [component.config_map(files), component.service("kafka", PORT), stateful_set(component, pod)]


def _server_properties(component: Component) -> str:
    properties = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{_CONTROLLER_PORT}",
        # The tools in the pod use LOCAL: the Service leads to the broker only once it is Ready.
        "listeners": f"CLIENTS://:{PORT},LOCAL://127.0.0.1:{_LOCAL_PORT},CONTROLLER://127.0.0.1:{_CONTROLLER_PORT}",
        "advertised.listeners": f"CLIENTS://{component.name}:{PORT},LOCAL://127.0.0.1:{_LOCAL_PORT}",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,LOCAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "LOCAL",
        "log.dirs": _DATA,
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 500,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "num.recovery.threads.per.data.dir": 1,
        "log.cleaner.dedupe.buffer.size": 8 << 20,
        "log.index.size.max.bytes": 1 << 20,
        "log.segment.bytes": 16 << 20,
        "log.retention.bytes": 32 << 20,
        "log.retention.minutes": 60,
        "log.retention.check.interval.ms": 30_000,
    }
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def _log4j(level: str) -> str:
    return (
        f"log4j.rootLogger={level}, stdout\n"
        "log4j.appender.stdout=org.apache.log4j.ConsoleAppender\n"
        "log4j.appender.stdout.layout=org.apache.log4j.PatternLayout\n"
        "log4j.appender.stdout.layout.ConversionPattern=%d{ISO8601} %p %c %m%n\n"
        "log4j.logger.org.apache.kafka.clients=ERROR\n"
    )


def _create_topics(topics: Sequence[TopicSpec]) -> str:
    tool = " ".join(
        shlex.quote(part)
        for part in (
            *(_JAVA[0], "-Xmx48m", _QUIET, *_JAVA[1:], "org.apache.kafka.tools.TopicCommand"),
            *("--bootstrap-server", f"127.0.0.1:{_LOCAL_PORT}"),
        )
    )
    lines = ["set -eu", f'topics() {{ {tool} "$@"; }}', 'present=" $(topics --list | tr "\\n" " ")"']
    for topic in topics:
        create = f"topics --create --if-not-exists --topic {topic.name} --partitions {topic.partitions}"
        lines.append(f'case "$present" in *" {topic.name} "*) ;; *) {create} ;; esac')
    return "\n".join(lines) + "\n"
