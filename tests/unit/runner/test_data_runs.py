"""Faults of data stores from the first check to the verdict: what is refused, undone, declared."""

import asyncio
from typing import Any

import pytest
from chaos_lab import (
    DATABASE_LOCK,
    DATABASE_PASSWORD,
    DATABASE_REVOKE,
    KAFKA_CONSUMER_LAG,
    VAULTS,
    Lab,
    encoded_text,
    spec,
    task,
)
from chaos_process import Process
from chaos_stores import VERIFIER
from pydantic import ValidationError

from firedrill.api.changes import Grant
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.record import RecordState
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths

Object = dict[str, Any]
SERVICE = paths.path("v1", "services", "payments", "ledger")
SECRET = paths.path("v1", "secrets", "firedrill", "stores")
STATES = {"lock": DATABASE_LOCK, "revoke": DATABASE_REVOKE, "password": DATABASE_PASSWORD, "lag": KAFKA_CONSUMER_LAG}
_STORE: Object = {"service": "ledger"}
POISON: Object = {"kafkaPoisonMessage": {**_STORE, "topic": "orders", "count": 2}}
FLUSH: Object = {"cacheFlush": {**_STORE, "acknowledgeDataLoss": True}}


async def played(fault: Object, lab: Lab | None = None) -> Lab:
    found = lab or Lab(task(spec(fault)))
    await found.play()
    assert found.result is not None
    return found


@pytest.mark.parametrize("fault", STATES.values(), ids=STATES)
async def test_it_hurts_is_undone_and_leaves_nothing(fault: Object) -> None:
    lab = await played(fault)
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.PASSED, "SteadyStateHeld")
    findings = {each.type: each.reason for each in lab.result.findings}
    assert findings == {"Injected": "FaultObserved", "Recovered": "SteadyStateHolds", "RecoveryVerified": "SeenUndone"}
    assert lab.problems() == []
    record = lab.record()
    assert record is not None
    assert (record.undone_by, record.residues) == ("runner", [])


@pytest.mark.parametrize("fault", STATES.values(), ids=STATES)
async def test_a_guardian_that_can_not_log_in_is_no_guardian(fault: Object) -> None:
    lab = Lab(task(spec(fault)))
    lab.store.closed_to.add("guardian")
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "GuardianNotPermitted")
    assert "it can not log in to payments/ledger: who are you?" in lab.result.message
    assert lab.problems() == []


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        (lambda lab: lab.world.remove(SERVICE), "NoTargets", "Service ledger does not exist"),
        (
            lambda lab: lab.world.objects[SERVICE].update(spec={"type": "ExternalName", "selector": {"app": "ledger"}}),
            "NoTargets",
            "it may lead to where no experiment is allowed",
        ),
        (lambda lab: lab.world.remove(SECRET), "NotPermitted", "Secret firedrill/stores does not exist"),
        (
            lambda lab: lab.world.objects[SECRET]["metadata"].update(labels={"firedrill.dev/hub-namespace": "ml"}),
            "NotPermitted",
            "is not meant for resources of namespace sre",
        ),
        (lambda lab: lab.store.closed_to.add("runner"), "NotApplicable", "who are you?"),
        (lambda lab: setattr(lab.store, "away", True), "NotApplicable", "nobody answers"),
    ],
)
async def test_what_can_not_be_is_told_before_anything_is_written(change: Any, reason: str, says: str) -> None:
    lab = Lab(task(spec(DATABASE_LOCK)))
    change(lab)
    runner = lab.runner_process()
    await lab.clock.run(lab.runner(runner))
    assert lab.result is not None
    assert lab.result.reason == reason
    assert says in lab.result.message
    assert runner.writes == []


async def test_what_others_granted_meanwhile_stays() -> None:
    lab = Lab(task(spec(DATABASE_REVOKE)))

    async def grant_otherwise() -> None:
        await lab.clock.sleep(10.0)
        lab.store.grants.append(Grant(privilege="SELECT"))

    async def both() -> None:
        import asyncio

        await asyncio.gather(lab.both(lab.runner_process()), grant_otherwise())

    await lab.clock.run(both())
    assert lab.result is not None
    assert lab.result.reason == "Reverted"
    assert sorted(lab.store.grants, key=str) == sorted([Grant(privilege="SELECT"), Grant(privilege="INSERT")], key=str)
    record = lab.record()
    assert record is not None
    assert record.residues == [
        "role app on table orders: SELECT was granted otherwise by somebody else, and stays",
    ]


async def test_a_table_that_is_replaced_or_dropped_is_left_alone() -> None:
    for oid, says in (("4712", "was replaced by another of that name"), ("", "the table or the role is gone")):
        lab = Lab(task(spec(DATABASE_REVOKE)))

        async def replace(lab: Lab = lab, oid: str = oid) -> None:
            await lab.clock.sleep(10.0)
            lab.store.oid = oid

        async def both(lab: Lab = lab, replace: Any = replace) -> None:
            import asyncio

            await asyncio.gather(lab.both(lab.runner_process()), replace())

        await lab.clock.run(both())
        record = lab.record()
        assert record is not None
        assert record.state.settled
        assert says in record.changes[0].evidence
        assert lab.store.grants == []


async def test_a_database_that_goes_with_its_service_counts_once_its_own_timeout_is_over() -> None:
    lab = Lab(task(spec(DATABASE_LOCK)))

    async def vanish() -> None:
        await lab.clock.sleep(10.0)
        lab.world.remove(SERVICE)
        lab.store.away = True

    async def both() -> None:
        import asyncio

        await asyncio.gather(lab.both(lab.runner_process()), vanish())

    await lab.clock.run(both())
    record = lab.record()
    assert record is not None
    assert record.state.settled
    assert record.undone_at is not None
    held = record.changes[0]
    assert held.type == "SessionsHeld"
    assert held.expires_at is not None
    assert record.undone_at > held.expires_at
    assert "the server was told to end the sessions by itself" in held.evidence


@pytest.mark.parametrize(
    ("theirs", "oid", "says"),
    [
        ("md5theirs", "4711", "password of role app: somebody else has set another one, which stays"),
        ("md5theirs", "", "password of role app: the role is gone"),
        (VERIFIER, "4711", "password of role app: the server holds the original again"),
    ],
)
async def test_a_password_that_somebody_else_has_set_stays(theirs: str, oid: str, says: str) -> None:
    lab = Lab(task(spec(DATABASE_PASSWORD)))

    async def rotate() -> None:
        await lab.clock.sleep(10.0)
        assert lab.store.verifier not in ("", VERIFIER)
        lab.store.verifier, lab.store.oid = theirs, oid

    async def both() -> None:
        import asyncio

        await asyncio.gather(lab.both(lab.runner_process()), rotate())

    await lab.clock.run(both())
    assert lab.result is not None
    assert lab.result.reason == "Reverted"
    record = lab.record()
    assert record is not None
    assert record.state.settled
    assert record.changes[0].evidence == says
    assert lab.store.verifier == theirs


async def test_no_verifier_is_in_record_result_or_log(caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab(task(spec(DATABASE_PASSWORD)))
    written: list[str] = []
    kept: list[str] = []

    def see(path: str) -> None:
        (kept if path == VAULTS["data"] else written).append(str(lab.world.objects.get(path)))

    lab.world.on_write = see
    await lab.play()
    assert lab.result is not None
    everything = caplog.text + lab.result.model_dump_json() + str(lab.world.objects) + str(written)
    values = [VERIFIER, encoded_text(VERIFIER), "SCRAM", encoded_text('["SCRAM-SHA-256')[:16]]
    assert not [value for value in values if value in everything]
    assert any(values[-1] in each for each in kept), "it was in the vault"
    record = lab.record()
    assert record is not None
    assert record.changes[0].evidence == "password of role app: the server holds the original again"


@pytest.mark.parametrize(("fault", "residue"), [(POISON, "2 messages stay in topic orders"), (FLUSH, "are gone: all")])
async def test_a_moment_is_declared(fault: Object, residue: str) -> None:
    lab = await played(fault)
    assert lab.result is not None
    assert lab.result.verdict is Verdict.PASSED
    record = lab.record()
    assert record is not None
    assert record.state.settled
    (told,) = record.residues
    assert residue in told
    assert (len(lab.store.messages), lab.store.keys) == ((2, 100) if fault is POISON else (0, 50))


@pytest.mark.parametrize("fault", [POISON, FLUSH], ids=["poison", "flush"])
async def test_a_moment_whose_runner_is_killed_is_settled_and_happens_at_most_once(fault: Object) -> None:
    lab = Lab(task(spec(fault)))
    runner, guardian = lab.runner_process(), Process(lab.world, "guardian")
    await lab.play(runner, guardian)
    for number in range(1, len(runner.writes) + 1):
        for after in (False, True):
            lab = Lab(task(spec(fault)))
            await lab.play(lab.runner_process(number, after=after))
            assert lab.problems() == [], runner.writes[number - 1]
            assert len(lab.store.messages) in (0, 2)
            record = lab.record()
            if record is not None and lab.store.messages:
                assert len(record.residues) == 1


async def test_no_credential_is_in_record_result_or_log(caplog: pytest.LogCaptureFixture) -> None:
    import base64

    lab = Lab(task(spec(DATABASE_LOCK)))
    password = base64.b64encode(b"wonderland").decode()
    lab.world.objects[SECRET]["data"] = {"password": password}
    await lab.play()
    assert lab.result is not None
    everything = caplog.text + lab.result.model_dump_json() + str(lab.world.objects | {SECRET: None})
    assert "wonderland" not in everything
    assert password not in everything


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"databaseLock": {**_STORE, "database": "a", "tables": ["a"]}}, "set username, secretRef or both"),
        ({"databaseLock": {**_STORE, "database": "a", "username": "a", "tables": []}}, "at least 1 item"),
        ({"databaseLock": {**_STORE, "database": "a", "username": "a", "tables": ['a"; DROP']}}, "tables"),
        (
            {"databaseSlow": {**_STORE, "database": "a", "username": "a", "tables": ["a"], "pulse": "2s"}},
            "interval must be longer than pulse",
        ),
        (
            {"databasePassword": {**_STORE, "database": "a", "username": "app", "role": "app"}},
            "role must be another one than username",
        ),
        ({"cacheFlush": _STORE}, "acknowledgeDataLoss"),
        ({"cacheFlush": {**_STORE, "acknowledgeDataLoss": False}}, "acknowledgeDataLoss"),
        ({"kafkaPoisonMessage": {**_STORE, "topic": "a", "count": 101}}, "count"),
        ({"databaseLock": {"service": "a.example.com:5432", "database": "a", "username": "a"}}, "service"),
    ],
)
def test_a_wrong_fault_is_refused_by_name(fault: Object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ChaosExperimentSpec.model_validate(spec(fault))


async def _with_the_namespace_gone(fault: Object, *, made_again: bool, whole: bool = True) -> Lab:
    """Somebody deletes the Service under the fault, and its namespace with it, which another one may follow."""
    lab = Lab(task(spec(fault)))

    async def somebody() -> None:
        while (record := lab.record()) is None or record.state is not RecordState.APPLIED:
            await lab.clock.sleep(0.2)
        inside = "/namespaces/payments" if whole else SERVICE
        for path in [path for path in lab.world.objects if inside in path]:
            lab.world.remove(path)
        if made_again:
            lab.world.put(paths.namespaces("payments"), {"metadata": {"uid": "another"}})

    async def both() -> None:
        playing = asyncio.ensure_future(lab.both(lab.runner_process()))
        await asyncio.gather(somebody(), lab.clock.sleep(1800))
        if playing.done():
            await playing
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)

    await lab.clock.run(both())
    return lab


@pytest.mark.parametrize("made_again", [False, True])
@pytest.mark.parametrize(
    ("fault", "what"),
    [(DATABASE_PASSWORD, "password of role app"), (DATABASE_REVOKE, "grants of app on orders")],
)
async def test_with_its_namespace_a_database_is_out_of_reach_for_good(
    fault: Object, what: str, *, made_again: bool
) -> None:
    lab = await _with_the_namespace_gone(fault, made_again=made_again)
    record = lab.record()
    assert record is not None
    assert record.state is RecordState.UNDONE
    assert record.residues == [
        f"namespace payments is gone: {what} was not put back, should its data be kept elsewhere"
    ]


@pytest.mark.parametrize("fault", [DATABASE_PASSWORD, DATABASE_REVOKE])
async def test_without_its_service_alone_a_database_is_waited_for(fault: Object) -> None:
    """It may come back, and a person may say that it does not."""
    lab = await _with_the_namespace_gone(fault, made_again=False, whole=False)
    record = lab.record()
    assert record is not None
    assert record.state is RecordState.UNDOING
    assert f"annotate the resource firedrill.dev/settled: {lab.task.run_id}" in record.changes[0].evidence
