"""The bank around the payments: domains of the same build, behind the channels that customers come through."""

from collections.abc import Mapping
from random import Random
from typing import Final

from firedrill.api.servicegraph import Service, Step
from firedrill.simulation.industries.blueprint import compute, consumer
from firedrill.simulation.industries.layered import Layers, layered

CHANNELS: Final = ("mobile-bff", "web-bff", "partner-bff")
SHARED: Final = ("customers", "documents", "reference-data")

_DOMAINS: Final = (
    "deposits", "cards", "kyc", "aml", "lending", "mortgages", "credit-risk", "market-risk", "treasury", "trading",
    "custody", "statements", "tax", "reporting", "disputes", "collections", "onboarding", "loyalty", "insurance",
    "pensions",
)  # fmt: skip

#: Functions of a domain, from the one that channels call to those that keep its records.
_FUNCTIONS: Final = (
    ("api",),
    ("workflow", "rules", "profile"),
    ("validation", "history", "search"),
    ("store", "archive"),
)

#: Calls that a request of the channels causes, in the mean.
_BUDGET = 18.0


def layers() -> Layers:
    """All services of the bank around the payments, in layers of calls."""
    domains = [[f"{domain}-{name}" for domain in _DOMAINS for name in names] for names in _FUNCTIONS]
    return [CHANNELS, *domains, SHARED]


def bank(rng: Random) -> tuple[list[Step], list[Service]]:
    """The services, and the steps of the gateway that lead to the channels."""
    return layered(rng, layers(), _BUDGET, _same_domain, _EXTRAS)


def _same_domain(caller: str, callee: str) -> bool:
    return caller.rsplit("-", 1)[0] == callee.rsplit("-", 1)[0]


#: Fields of single services: those that follow what happens to payments, and those with settings.
_EXTRAS: Final[Mapping[str, Mapping[str, object]]] = {
    "aml-rules": {"settings": True, "consumes": [consumer("kafka", "payments", "aml", compute(0.1))]},
    "loyalty-rules": {"settings": True, "consumes": [consumer("kafka", "settlements", "loyalty", compute(0.1))]},
    "reporting-store": {"consumes": [consumer("kafka", "settlements", "reporting", compute(0.1))]},
    "lending-rules": {"settings": True},
    "cards-rules": {"options": {"audit": "pci"}},
}
