"""Roles: what the program of a service can be, and what each role needs, offers and does by itself."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from firedrill.api.servicegraph import BrokerKind, Service
from firedrill.simulation.labels import HTTP_PORT

#: Where a role with TLS serves its endpoints; probes and metrics stay on the plain HTTP port.
TLS_PORT: Final = 8443
#: What every service serves whatever its role.
RESERVED_PATHS: Final = frozenset({"/metrics", "/healthz", "/readyz"})

#: Role that issues certificates, and that every caller of a service with TLS asks for the root to trust.
ISSUER: Final = "mesh-ca"


@dataclass(frozen=True)
class Option:
    """A setting of a role."""

    about: str
    pattern: str
    #: What the pattern says, for a person.
    shape: str
    required: bool = True

    def accepts(self, value: str) -> bool:
        """Whether the value has the shape."""
        return re.fullmatch(self.pattern, value) is not None


def _number(about: str, *, required: bool = True) -> Option:
    return Option(about, r"\d+(\.\d+)?", "a number such as 10 or 0.5", required)


def _count(about: str) -> Option:
    return Option(about, r"[1-9]\d{0,8}", "a whole number above 0")


def _share(about: str, *, required: bool = True) -> Option:
    return Option(about, r"0(\.\d+)?|1(\.0+)?", "a share between 0 and 1", required)


_LABEL = r"[a-z]([-a-z0-9]*[a-z0-9])?"

#: Options that a service of any role may have.
COMMON_OPTIONS: Final[Mapping[str, Option]] = {
    "audit": Option("Writes an audit event for each request.", "pci|hipaa", "pci or hipaa", required=False),
}


@dataclass(frozen=True)
class Role:
    """What a role needs, offers and does by itself."""

    about: str
    options: Mapping[str, Option] = field(default_factory=dict)
    #: Whether it starts work without being called: a source of load, or something on a timer.
    acts: bool = False
    #: Whether what it starts is load on others, which must be there before it.
    drives: bool = False
    #: Whether its calls only read metrics, which is no use of what the called service is there for.
    observes: bool = False
    #: TCP ports that it listens on beside HTTP_PORT.
    ports: tuple[int, ...] = ()
    #: Paths that it serves of its own, beside the endpoints in the graph; the first is the one called by default.
    paths: tuple[str, ...] = ()
    #: Whether its endpoints are served with TLS on TLS_PORT.
    tls: bool = False
    #: Roles of which it calls one service each, named in the service's calls.
    calls: tuple[str, ...] = ()
    #: Whether it calls whatever is named in the service's calls, at least one.
    calls_any: bool = False
    #: Table model of the one database that it uses.
    table_model: str | None = None
    #: Kind of the one broker that it uses, and the topics there that it publishes to and subscribes to.
    broker: BrokerKind | None = None
    publishes: tuple[str, ...] = ()
    subscribes: tuple[str, ...] = ()
    #: Whether its pods must ask for an extended resource.
    extended_resource: bool = False


ROLES: Final[Mapping[str, Role]] = {
    "http": Role("Serves its endpoints and consumes its topics as scripted."),
    "model": Role(
        "Serves a fraud model by the Open Inference Protocol v2, and a plain score.",
        paths=("/score", "/v2/models/fraud/infer"),
    ),
    "reconcile": Role(
        "Checks that the sums of the ledger agree.",
        options={"interval": _number("Seconds between checks.")},
        acts=True,
        table_model="ledger",
    ),
    "fhir": Role(
        "FHIR R4 over REST.",
        paths=("/fhir/Patient", "/fhir/Observation", "/fhir/metadata"),
        table_model="fhir",
    ),
    "fhir-load": Role(
        "Writes synthetic patients and observations, and reads them back.",
        options={"rate": _number("Resources per second."), "total": _count("Resources at most.")},
        acts=True,
        drives=True,
        calls=("fhir",),
    ),
    "hl7-receiver": Role(
        "Takes HL7 v2 messages over MLLP, stores and acknowledges them.", ports=(2575,), table_model="generic"
    ),
    "hl7-sender": Role(
        "Sends HL7 v2 messages over MLLP.",
        options={"rate": _number("Messages per second.")},
        acts=True,
        drives=True,
        calls=("hl7-receiver",),
    ),
    "etl": Role(
        "A batch that reads the FHIR database into aggregates.",
        options={"interval": _number("Seconds between batches.")},
        acts=True,
        table_model="fhir",
    ),
    ISSUER: Role(
        "Issues short-lived certificates from a chain: root, intermediate, leaf.",
        options={"lifetime": _number("Seconds that a certificate is valid.")},
        paths=("/root.pem", "/certificates"),
    ),
    "tls-service": Role("Serves its endpoints with TLS.", ports=(TLS_PORT,), tls=True, calls=(ISSUER,)),
    "siem": Role(
        "Counts the audit events of services by their metrics, and raises compliance alerts.",
        options={
            "interval": _number("Seconds between readings."),
            "threshold": _number("Audit events per second above which an alert is raised."),
        },
        acts=True,
        observes=True,
        calls_any=True,
    ),
    "device-fleet": Role(
        "Devices that each keep a connection to the broker and send telemetry.",
        options={
            "devices": _count("Devices."),
            "interval": _number("Seconds between the messages of a device."),
            "zones": Option("Zones that devices are in.", rf"{_LABEL}(,{_LABEL})*", "names joined by commas"),
        },
        acts=True,
        drives=True,
        broker=BrokerKind.MQTT,
        publishes=("telemetry", "firmware-status"),
        subscribes=("firmware",),
    ),
    "ingest": Role(
        "Writes telemetry to the database in batches.",
        options={"batch": _count("Messages of a batch.")},
        broker=BrokerKind.MQTT,
        subscribes=("telemetry",),
        table_model="telemetry",
    ),
    "edge-gateway": Role(
        "Aggregates the telemetry of a zone and publishes the aggregates.",
        options={"zone": Option("The zone.", _LABEL, "a name")},
        broker=BrokerKind.MQTT,
        subscribes=("telemetry",),
        publishes=("aggregates",),
    ),
    "ota": Role(
        "Rolls firmware out to devices in waves.",
        options={
            "version": Option("Version that devices shall have.", r"[A-Za-z0-9._-]{1,64}", "a version such as 1.2.0"),
            "wave": _share("Share of the devices in a wave."),
            "pause": _number("Seconds between waves; else 30.", required=False),
            "patience": _number("Seconds that a device may take; else 60.", required=False),
            "threshold": _share("Share of failed devices that halts the rollout; else 0.05.", required=False),
        },
        acts=True,
        broker=BrokerKind.MQTT,
        publishes=("firmware",),
        subscribes=("firmware-status",),
    ),
    "heartbeat": Role(
        "Tracks which devices are alive by their messages.",
        options={"timeout": _number("Seconds of silence after which a device counts as lost.")},
        broker=BrokerKind.MQTT,
        subscribes=("telemetry",),
        paths=("/devices",),
    ),
    "gpu-worker": Role("Serves its endpoints on nodes with a GPU.", extended_resource=True),
}

_HTTP = ROLES["http"]


def role_of(service: Service) -> Role:
    """The service's role; an unknown one counts as http, and is for the checker to refuse."""
    return ROLES.get(service.role, _HTTP)


def ports_of(service: Service) -> tuple[int, ...]:
    """TCP ports that the service listens on beside HTTP_PORT."""
    return (*role_of(service).ports, *service.ports)


def paths_of(service: Service) -> tuple[str, ...]:
    """Paths that other services may call; the first is the default one."""
    return (*(endpoint.path for endpoint in service.endpoints), *role_of(service).paths)


def default_path(role: str) -> str:
    """The path that a call without one goes to, where the service has no endpoints; empty where there is none."""
    return next(iter(ROLES[role].paths), "")


def is_tls(role: str) -> bool:
    """Whether services of this role are called with TLS, on TLS_PORT."""
    return ROLES[role].tls


def url_of(service: Service, path: str | None) -> str:
    """URL by which other services of the simulation call it; without a path, its default one."""
    role = role_of(service)
    base = f"https://{service.name}:{TLS_PORT}" if role.tls else f"http://{service.name}:{HTTP_PORT}"
    return base + (path or next(iter(paths_of(service)), "/"))


def option_problems(service: Service, options: Mapping[str, str], *, complete: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with options for the service's role, as pairs of the option's name and the reason.

    ``complete`` says that the options must hold all that are required.
    """
    known = {**COMMON_OPTIONS, **role_of(service).options}
    for name, value in options.items():
        option = known.get(name)
        if option is None:
            yield name, f"role {service.role} has no such option; it has {', '.join(sorted(known))}"
        elif not option.accepts(value):
            yield name, f"{value!r} is not {option.shape}"
    if complete:
        for name, option in known.items():
            if option.required and name not in options:
                yield name, f"role {service.role} needs it: {option.shape}"
