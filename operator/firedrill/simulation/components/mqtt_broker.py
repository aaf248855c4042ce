"""Mosquitto, an MQTT broker: open to all, nothing is kept over a restart."""

from collections.abc import Mapping

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

PORT = 1883
_SETTINGS = "/etc/firedrill/mosquitto"
_CONF = f"""\
listener {PORT}
allow_anonymous true
persistence false
max_connections -1
max_queued_messages 1000
sys_interval 10
log_dest stdout
log_type error
log_type warning
log_type notice
connection_messages false
"""


def mqtt(name: str, image: str, labels: Mapping[str, str]) -> list[Object]:
    """A broker at `NAME:1883` for thousands of devices."""
    component = Component(name, image, labels)
    files = {"mosquitto.conf": _CONF}
    # A message that the broker itself retains: it comes at once, and no subscriber of the simulation sees a probe.
    receive = ("mosquitto_sub", "-p", str(PORT), "-t", "$SYS/broker/version", "-C", "1", "-W", "2")
    pod = Pod(
        # Each connection is a file, and mosquitto takes the soft limit as it is: often 1024.
        command=("sh", "-c", f'ulimit -n "$(ulimit -Hn)" && exec mosquitto -c {_SETTINGS}/mosquitto.conf'),
        port_name="mqtt",
        port=PORT,
        resources=Resources(cpu="20m", memory=24, memory_limit=128),
        startup=exec_probe(receive, period=1, timeout=4, failures=30),
        readiness=exec_probe(receive, period=10, timeout=4, failures=3),
        volumes=(settings_volume(component, _SETTINGS), scratch("tmp", "/tmp", "16Mi")),  # noqa: S108
        settings=files,
    )
    return [component.config_map(files), component.service("mqtt", PORT), stateful_set(component, pod)]
