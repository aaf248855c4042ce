"""Settings of the operator, from its environment."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from firedrill.api.errors import InvalidInput
from firedrill.clusters.informer import SILENCE


@dataclass(frozen=True)
class Settings:
    """What the chart sets."""

    namespace: str
    image: str
    pull_policy: str = "IfNotPresent"
    identity: str = ""
    port: int = 8080
    workers: int = 8
    requests_per_second: float = 50
    watch_silence: float = SILENCE
    log_level: str = "INFO"
    #: Of simulations, by what runs in them: simulator, components.
    simulation_images: Mapping[str, str] = field(default_factory=dict)


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read settings; raises InvalidInput that names the variable."""
    image = environ.get("FIREDRILL_RUNNER_IMAGE", "")
    if not image:
        raise InvalidInput("FIREDRILL_RUNNER_IMAGE is not set: it names the image that runners are started from")
    numbers: dict[str, int] = {}
    for name, default in (
        ("FIREDRILL_PORT", 8080),
        ("FIREDRILL_WORKERS", 8),
        ("FIREDRILL_REQUESTS_PER_SECOND", 50),
        # API servers send bookmarks about once a minute: with less, watches are renewed without need.
        ("FIREDRILL_WATCH_SILENCE_SECONDS", int(SILENCE)),
    ):
        try:
            numbers[name] = int(environ.get(name, default))
        except ValueError as error:
            raise InvalidInput(f"{name} is not a number: {environ[name]!r}") from error
    return Settings(
        namespace=environ.get("POD_NAMESPACE", "firedrill-system"),
        image=image,
        pull_policy=environ.get("FIREDRILL_RUNNER_PULL_POLICY", "IfNotPresent"),
        identity=environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        port=numbers["FIREDRILL_PORT"],
        workers=numbers["FIREDRILL_WORKERS"],
        requests_per_second=numbers["FIREDRILL_REQUESTS_PER_SECOND"],
        watch_silence=numbers["FIREDRILL_WATCH_SILENCE_SECONDS"],
        log_level=environ.get("FIREDRILL_LOG_LEVEL", "INFO").upper(),
        simulation_images={
            "simulator": environ.get("FIREDRILL_SIMULATOR_IMAGE", ""),
            "components": environ.get("FIREDRILL_COMPONENTS_IMAGE", ""),
        },
    )
