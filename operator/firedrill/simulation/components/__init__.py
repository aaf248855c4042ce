"""The real parts of a simulated industry, as Kubernetes objects: Kafka, Postgres, Redis, MQTT, Prometheus.

Each function gives the objects of one component, with one instance whose data lives and dies with its pod. The
commands are those of the components themselves, by their names on PATH (Kafka: its classes in /opt/kafka/libs), so
that the project's own image serves as well as apache/kafka:3.9.1, postgres:15, redis:7, eclipse-mosquitto:2 and
prom/prometheus:v3.5.0.
"""

from firedrill.simulation.components.kafka_broker import kafka
from firedrill.simulation.components.monitoring import RULES_FILE, prometheus
from firedrill.simulation.components.mqtt_broker import mqtt
from firedrill.simulation.components.postgres_server import postgres
from firedrill.simulation.components.redis_server import redis

__all__ = ["RULES_FILE", "kafka", "mqtt", "postgres", "prometheus", "redis"]
