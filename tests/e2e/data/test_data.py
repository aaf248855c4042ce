"""Data stores that were not prepared suffer, and what is above them shows it; then nothing of ours is left."""

from collections.abc import Iterator

import pytest
from data_runs import ADMIN_SECRET, BANK, SECRET, Case, Seen, outcomes, prepare, remove, sessions
from demo import Demo

pytestmark = pytest.mark.e2e

LOGIN = {"secretRef": {"name": SECRET}}
LEDGER = {"service": "ledger-db", "database": "ledger-db", **LOGIN}
BALANCE = {"http": {"url": f"http://ledger.{BANK}:8080/balance", "timeout": "1s", "interval": "500ms"}}
QUERY = {
    "sql": {
        "host": f"ledger-db.{BANK}",
        "database": "ledger-db",
        **LOGIN,
        "query": "SELECT count(*) FROM accounts",
        "min": 1,
    }
}
LAG = {"kafka": {"host": f"kafka.{BANK}", "group": "settlement", "topic": "payments", "maxLag": 25}}

CASES = (
    Case("database-lock", {"databaseLock": {**LEDGER, "tables": ["accounts", "entries"]}}, BALANCE, "ledger-db"),
    Case(
        "database-slow",
        {"databaseSlow": {**LEDGER, "tables": ["accounts"], "pulse": "2s", "interval": "3s"}},
        {"sql": {**QUERY["sql"], "timeout": "1s", "interval": "500ms"}},
        "ledger-db",
    ),
    Case("database-connections", {"databaseConnections": LEDGER}, QUERY, "ledger-db"),
    Case(
        "database-password",
        {
            "databasePassword": {
                "service": "ledger-db",
                "database": "ledger-db",
                "secretRef": {"name": ADMIN_SECRET},
                "role": "sim",
                "endSessions": True,
            }
        },
        BALANCE,
        "ledger-db",
    ),
    Case(
        "kafka-consumer-lag",
        {"kafkaConsumerLag": {"service": "kafka", "group": "settlement", "topic": "payments", "members": 2}},
        LAG,
        "kafka",
        duration="45s",
    ),
    Case(
        "kafka-poison-message",
        {"kafkaPoisonMessage": {"service": "kafka", "topic": "notifications"}},
        LAG,
        "kafka",
        survived=True,
    ),
    Case(
        "cache-flush",
        {"cacheFlush": {"service": "cache", "acknowledgeDataLoss": True}},
        {"redis": {"host": f"cache.{BANK}"}},
        "cache",
        survived=True,
    ),
)


@pytest.fixture(scope="module")
def seen(lab: Demo) -> Iterator[dict[str, Seen]]:
    """What came of every case."""
    prepare(lab)
    yield dict(outcomes(lab, CASES))
    remove(lab)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_above_the_store_suffers_and_recovers(case: Case, seen: dict[str, Seen]) -> None:
    found = seen[case.name]
    assert found.status["verdict"] == "Passed", found.status["message"]
    assert found.condition("Injected") == "True FaultObserved"
    assert found.condition("Recovered") == "True SteadyStateHolds"
    assert found.condition("RecoveryVerified") == "True SeenUndone"
    assert (found.measured["timeToDetect"] is None) <= case.survived, found.measured


def test_the_database_lists_no_session_of_ours(lab: Demo, seen: dict[str, Seen]) -> None:
    assert seen
    assert sessions(lab) == "0"
