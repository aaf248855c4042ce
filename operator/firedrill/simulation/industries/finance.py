"""A bank: card payments are scored for fraud, booked in a ledger whose sums must hold, and settled by message."""

from random import Random
from typing import Final

from firedrill.api.base import parse_duration
from firedrill.api.objective import Freshness, Indicator, Lag, Slo
from firedrill.api.servicegraph import (
    Autoscaling,
    Body,
    Broker,
    BrokerKind,
    Cache,
    Database,
    Entry,
    Graph,
    Service,
    Step,
    TopicSpec,
)
from firedrill.api.simulation import Bursts, Load, Size
from firedrill.simulation.industries.bank import bank
from firedrill.simulation.industries.blueprint import (
    Blueprint,
    acting,
    available,
    cached,
    call,
    compute,
    consumer,
    endpoint,
    fast,
    publish,
    query,
    service,
    sleep,
    time,
    together,
)

_AUDITED: Final = {"audit": "pci"}
_LEDGER: Final = "ledger-db"

_TOPICS: Final = (
    TopicSpec(name="payments", partitions=8),
    TopicSpec(name="settlements", partitions=4),
    TopicSpec(name="audit", partitions=4),
    TopicSpec(name="fraud-alerts", partitions=4),
    TopicSpec(name="notifications", partitions=4),
)

_SETTINGS: Final = {
    "version": "1",
    "feeBasisPoints": "25",
    "dailyLimitCents": "1000000",
    "loyaltyPointsPerEuro": "2",
    "amlThresholdCents": "900000",
    "lendingBaseRateBasisPoints": "415",
}


def finance(size: Size, rng: Random) -> Blueprint:
    """The payments alone, or the whole bank of 200 services."""
    channels, around = bank(rng) if size is Size.FULL else ([], [])
    entries = [
        Entry(service="gateway", path="/pay", weight=4, body=Body.PAYMENT),
        Entry(service="gateway", path="/balance", weight=3),
        Entry(service="gateway", path="/rates", weight=1),
    ]
    if channels:
        entries.append(Entry(service="gateway", path="/banking", weight=2))
    graph = Graph(
        services=[_gateway(channels), *_payments(), *_followers(), *around],
        brokers=[Broker(name="kafka", kind=BrokerKind.KAFKA, topics=list(_TOPICS))],
        databases=[Database(name=_LEDGER, table_model="ledger")],
        caches=[Cache(name="cache")],
        entries=entries,
    )
    load = Load(rate=20.0 if channels else 10.0, bursts=Bursts(factor=2.0))
    return Blueprint(graph, _objectives(), load, _SETTINGS)


def _gateway(channels: list[Step]) -> Service:
    pay = endpoint(
        "/pay",
        compute(0.2),
        together(call("limits"), call("fees"), call("card-vault", "/authorize")),
        call("fraud", timeout=1000),
        call("ledger", "/entries", timeout=1500),
    )
    others = [
        endpoint("/balance", compute(0.1), call("accounts")),
        endpoint("/rates", compute(0.1), call("fx-rates")),
    ]
    if channels:
        others.append(endpoint("/banking", compute(0.1), *channels))
    return service("gateway", pay, *others, options=_AUDITED)


def _payments() -> list[Service]:
    """What a payment waits for."""
    return [
        service("limits", endpoint("/check", cached("cache", 0.95), latency=time(1, 4)), settings=True),
        service("fees", endpoint("/quote", compute(0.1), latency=time(1, 3)), settings=True),
        service(
            "card-vault",
            endpoint("/authorize", compute(0.3), publish("kafka", "audit"), latency=time(2, 8)),
            options=_AUDITED,
        ),
        service(
            "fraud",
            endpoint(
                "/screen",
                cached("cache", 0.8),
                call("fraud-model", "/score", timeout=500),
                call("fraud-cases", "/open", share=0.02),
                latency=time(1, 5),
            ),
        ),
        acting("fraud-model", "model", {}),
        service(
            "ledger",
            endpoint("/entries", query(_LEDGER, "transfer"), publish("kafka", "payments"), latency=time(1, 4)),
            endpoint("/balance", query(_LEDGER, "read"), latency=time(1, 3)),
            options=_AUDITED,
        ),
        service(
            "accounts",
            endpoint("/summary", cached("cache"), call("ledger", "/balance", share=0.3), latency=time(1, 5)),
        ),
        service(
            "fx-rates",
            endpoint("/rates", cached("cache", 0.98), compute(0.2), latency=time(1, 3)),
            autoscaling=Autoscaling(min_replicas=1, max_replicas=3, cpu_percent=70),
        ),
    ]


def _followers() -> list[Service]:
    """What comes after a payment, by message or by the clock."""
    return [
        service(
            "settlement",
            consumes=[
                consumer(
                    "kafka",
                    "payments",
                    "settlement",
                    query(_LEDGER, "settle"),
                    together(publish("kafka", "settlements"), publish("kafka", "notifications")),
                )
            ],
            options=_AUDITED,
        ),
        service(
            "notifications",
            consumes=[
                consumer("kafka", "notifications", "notifications", sleep(2, 10)),
                consumer("kafka", "fraud-alerts", "notifications", sleep(2, 10)),
            ],
        ),
        service(
            "fraud-cases",
            endpoint("/open", publish("kafka", "fraud-alerts"), latency=time(1, 4)),
        ),
        service("audit-archive", consumes=[consumer("kafka", "audit", "audit-archive", compute(0.1))]),
        acting("reconciliation", "reconcile", {"interval": "30"}, uses=[_LEDGER]),
    ]


def _objectives() -> list[Slo]:
    fresh = Freshness(topic="payments", threshold=parse_duration("5s"))
    waiting = Lag(topic="payments", max_messages=200)
    return [
        available("gateway-availability", "gateway", 0.999),
        fast("payment-latency", "gateway", 250, 0.95, "/pay"),
        available("ledger-availability", "ledger", 0.999),
        Slo(name="settlement-freshness", service="settlement", indicator=Indicator(freshness=fresh), objective=0.99),
        Slo(name="settlement-lag", service="settlement", indicator=Indicator(lag=waiting), objective=0.99),
    ]
