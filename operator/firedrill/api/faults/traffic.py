"""Faults of what goes through a port of a pod, and of the names that it asks for. All end by themselves."""

from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, ClassVar, Final

from pydantic import Field, field_validator, model_validator

from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.faults.about import About, Family, FaultModel, Hits

_NEEDS: Final = "a namespace whose pod security admits NET_ADMIN in ephemeral containers; pods with their own network"
_ENDS: Final = (
    "by the kernel, when the elements of an nft set time out, and the proxy by its own time limit; table, queue and "
    "proxy are seen gone"
)
_COUNTED: Final = "what the proxy, or the rule in the kernel, has counted"
_LONGEST_DELAY: Final = parse_duration("60s")
Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[int, Field(ge=1, le=100)]
#: HTTP statuses that end a request.
Status = Annotated[int, Field(ge=200, le=599)]
HostName = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?$")]


def _about(does: str, needs: str = _NEEDS) -> About:
    return About(Family.NETWORK, Hits.PODS, does, _ENDS, _COUNTED, needs)


class TrafficFault(FaultModel):
    """Traffic of a pod that goes through a proxy or a slow queue in the pod's own network."""


class _Delaying(TrafficFault):
    delay: Duration = Field(description="How much later answers come; 60s at most.")
    jitter: Duration = Field(default=parse_duration("0s"), description="By how much the delay varies, up and down.")

    @model_validator(mode="after")
    def _bounded(self) -> "_Delaying":
        if not 0 < self.delay.total_seconds() <= _LONGEST_DELAY.total_seconds():
            raise ValueError("delay must be more than 0s and 60s at most")
        if self.jitter > self.delay:
            raise ValueError("jitter must not be more than delay")
        return self


class NetworkLatency(_Delaying):
    """What the pods answer at a port comes later."""

    about: ClassVar[About] = _about(
        "delays what the pods answer at a TCP port: by netem where the kernel has it, else by a proxy in the pod that "
        "new connections are redirected to"
    )

    port: Port = Field(description="TCP port of the pod.")


class BandwidthLimit(TrafficFault):
    """What the pods answer at a port comes slowly."""

    about: ClassVar[About] = _about(
        "limits what the pods send from a TCP port to a rate, by a queue (htb) that a timed rule fills",
        f"{_NEEDS}; no other queue at the pod's interface; a kernel with htb",
    )

    port: Port = Field(description="TCP port of the pod.")
    rate: str = Field(
        max_length=16,
        pattern=r"^[1-9][0-9]{0,5}(k|M|G)bit$",
        description="Bits a second in all, such as 256kbit or 1Mbit.",
    )

    @property
    def bits(self) -> int:
        """The rate in bits a second."""
        factor = {"k": 10**3, "M": 10**6, "G": 10**9}[self.rate[-4]]
        return int(self.rate[:-4]) * factor


class HttpAbort(TrafficFault):
    """Requests are answered with an error, and do not reach the application."""

    about: ClassVar[About] = _about(
        "answers a share of the HTTP requests at a port with an error, by a proxy in the pod"
    )

    port: Port = Field(description="Port of the pod that speaks HTTP/1.1 without TLS.")
    status: Annotated[int, Field(ge=400, le=599)] = Field(default=503, description="Status that they get.")
    percent: Percent = Field(default=100, description="Share of requests that are hit.")


class HttpDelay(_Delaying):
    """Requests reach the application later."""

    about: ClassVar[About] = _about("delays a share of the HTTP requests at a port, by a proxy in the pod")

    port: Port = Field(description="Port of the pod that speaks HTTP/1.1 without TLS.")
    percent: Percent = Field(default=100, description="Share of requests that are hit.")


class HttpReplace(TrafficFault):
    """Answers have another body, and another status where one is given; the application has done its work."""

    about: ClassVar[About] = _about("replaces a share of the HTTP answers at a port, by a proxy in the pod")

    port: Port = Field(description="Port of the pod that speaks HTTP/1.1 without TLS.")
    body: str = Field(default="", max_length=4096, description="Body that is sent instead; none when empty.")
    status: Status | None = Field(default=None, description="Status that is sent instead; its own when absent.")
    percent: Percent = Field(default=100, description="Share of answers that are hit.")


class WrongName(Model):
    """A name, and what is answered for it."""

    name: HostName = Field(description="The whole name, as it is asked for, such as ledger.payments.svc.cluster.local.")
    address: str | None = Field(
        default=None, max_length=45, description="IPv4 or IPv6 address; absent for a name that does not exist."
    )

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            ip_address(value)
        return value


class DnsAnswer(TrafficFault):
    """Listed names get wrong answers, all others the right ones."""

    about: ClassVar[About] = _about(
        "answers the pods' questions for listed names with a wrong address, or that there is no such name; all others "
        "are answered by the pods' own name server",
        f"{_NEEDS}; names that applications ask for again during the fault",
    )

    answers: list[WrongName] = Field(min_length=1, max_length=32, description="Names and their wrong answers.")


class CertificateMode(StrEnum):
    """What is wrong with a certificate, beside its issuer that nobody knows."""

    EXPIRED = "Expired"
    WRONG_HOST = "WrongHost"
    UNTRUSTED_ISSUER = "UntrustedIssuer"


class CertificateWrong(TrafficFault):
    """Clients of a TLS port see a certificate that they must refuse; who does not is served."""

    about: ClassVar[About] = _about("shows a wrong certificate at a TLS port, by a proxy in the pod that ends TLS")

    port: Port = Field(description="Port of the pod that speaks TLS from the first byte.")
    mode: CertificateMode = Field(default=CertificateMode.EXPIRED, description="Expired, WrongHost or UntrustedIssuer.")


TRAFFIC_FAULTS: Final = (
    NetworkLatency,
    BandwidthLimit,
    HttpAbort,
    HttpDelay,
    HttpReplace,
    DnsAnswer,
    CertificateWrong,
)
