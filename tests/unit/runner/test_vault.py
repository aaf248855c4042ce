"""What a run must put back and nobody else may read: written once, known to those who undo, and taken away again."""

import asyncio
import base64
import json
import logging
from typing import Any

import pytest
from chaos_clock import VirtualClock
from chaos_cluster import World
from chaos_lab import (
    PASSWORD,
    SECRET_DELETE,
    SECRET_PATH,
    SECRET_ROTATE,
    VAULTS,
    Lab,
    encoded_text,
    spec,
    task,
)
from chaos_process import Process

from firedrill.api.record import RecordState
from firedrill.api.verdict import Verdict
from firedrill.clusters.errors import ClusterError, Forbidden, Unreachable
from firedrill.runner.vault import CAPACITY_BYTES, Vault, VaultError

VAULT = VAULTS["secret"]
ENV_DRIFT = {"envDrift": {"name": "PASSWORD", "value": "wrong"}}


class Desk:
    """A vault of one pod of a run, in a world of its own."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.world = World(self.clock)
        self.world.put(VAULT, {"type": "Opaque"})
        self.process = Process(self.world, "runner")

    def vault(self, pod: str = "pod-1", job: str = "cha-a") -> Vault:
        return Vault(self.process, self.process, "firedrill", job, pod)

    def kept(self) -> list[str]:
        return sorted(self.world.objects[VAULT].get("data") or {})

    def run(self, work: Any) -> Any:
        return self.clock.run(work)


async def test_what_is_staged_is_kept_once_it_is_committed() -> None:
    desk = Desk()
    vault = desk.vault()
    ref = vault.stage("secret", "0", b"first")
    assert desk.kept() == []
    await desk.run(vault.commit())
    await desk.run(vault.commit())
    assert await desk.run(desk.vault("other").get(ref)) == b"first"
    assert desk.kept() == ["cha-a.pod-1.0"]


async def test_a_value_that_is_kept_is_replaced_only_by_somebody_who_knows_it() -> None:
    desk = Desk()
    vault = desk.vault()
    ref = vault.ref("secret", "0")
    await desk.run(vault.put(ref, b"first"))
    with pytest.raises(VaultError, match="keeps another value"):
        await desk.run(vault.put(ref, b"second"))
    with pytest.raises(VaultError, match="keeps another value"):
        await desk.run(vault.put(ref, b"second", instead_of=b"wrong"))
    await desk.run(vault.put(ref, b"second", instead_of=b"first"))
    assert await desk.run(desk.vault("other").get(ref)) == b"second"


async def test_two_that_write_at_once_lose_nothing_of_each_other() -> None:
    desk = Desk()
    vaults = [desk.vault(f"pod-{number}", f"cha-{number}") for number in range(5)]
    await desk.run(asyncio.gather(*(vault.put(vault.ref("secret", "0"), b"value") for vault in vaults)))
    assert len(desk.kept()) == 5


async def test_a_run_takes_away_all_of_its_own_and_nothing_of_others() -> None:
    desk = Desk()
    for pod, job in (("pod-1", "cha-a"), ("pod-2", "cha-a"), ("pod-1", "cha-b")):
        vault = desk.vault(pod, job)
        vault.stage("secret", "0", b"value")
        await desk.run(vault.commit())
    await desk.run(desk.vault().forget(["firedrill-vault-secret", "firedrill-vault-secret"]))
    assert desk.kept() == ["cha-b.pod-1.0"]


async def test_a_pod_that_lost_its_claim_takes_away_its_own_alone() -> None:
    desk = Desk()
    vaults = [desk.vault("pod-1"), desk.vault("pod-2")]
    for vault in vaults:
        vault.stage("secret", "0", b"value")
        await desk.run(vault.commit())
    await desk.run(vaults[1].forget_own())
    assert desk.kept() == ["cha-a.pod-1.0"]


async def test_what_was_seen_is_known_though_somebody_deletes_the_secret() -> None:
    desk = Desk()
    writer, reader, late = desk.vault(), desk.vault("guardian"), desk.vault("late")
    ref = writer.ref("secret", "0")
    await desk.run(writer.put(ref, b"value"))
    await desk.run(reader.remember([ref]))
    desk.world.remove(VAULT)
    assert await desk.run(reader.get(ref)) == b"value"
    with pytest.raises(ClusterError):
        await desk.run(late.get(ref))
    await desk.run(late.forget(["firedrill-vault-secret"]))


async def test_more_than_a_secret_holds_is_refused_before_it_is_written() -> None:
    desk = Desk()
    vault = desk.vault()
    vault.stage("secret", "0", b"x" * (CAPACITY_BYTES + 1))
    with pytest.raises(VaultError, match="has room for 900"):
        await desk.run(vault.commit())
    assert desk.kept() == []


@pytest.mark.parametrize("fault", [SECRET_ROTATE, SECRET_DELETE], ids=["rotate", "delete"])
async def test_values_of_secrets_are_nowhere_but_in_the_secret_and_in_the_vault(
    fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    lab = Lab(task(spec(fault)))
    wrong: set[str] = set()
    told: list[str] = []

    def look(_path: str) -> None:
        wrong.add(lab.world.objects.get(SECRET_PATH, {}).get("data", {}).get("password", encoded_text(PASSWORD)))

    put = lab.world.put

    def watched(path: str, body: Any) -> Any:
        if path not in (SECRET_PATH, *VAULTS.values()):
            told.append(json.dumps(body))
        return put(path, body)

    lab.world.on_patch = look
    lab.world.put = watched  # type: ignore[method-assign]
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.PASSED, "SteadyStateHeld"), lab.result.message
    assert lab.problems() == []
    values = {PASSWORD, encoded_text(PASSWORD)} | wrong | {base64.b64decode(each).decode() for each in wrong}
    for text in (*told, lab.result.model_dump_json(), caplog.text):
        assert not [value for value in values if value in text]


async def test_a_rehearsal_tells_of_a_secret_its_place_and_no_value() -> None:
    lab = Lab(task(spec(SECRET_ROTATE, dryRun=True)))
    await lab.play()
    assert lab.result is not None
    assert "Secret payments/ledger changed at data.password" in lab.result.message
    text = lab.result.model_dump_json()
    assert PASSWORD not in text
    assert encoded_text(PASSWORD) not in text
    assert lab.problems() == []


async def test_without_a_vault_nothing_is_begun() -> None:
    lab = Lab(task(spec(SECRET_ROTATE)))
    lab.world.remove(VAULT)
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "NotPermitted")
    assert "install the family by the chart" in lab.result.message
    assert lab.record() is None


async def test_a_vault_that_can_not_be_written_lets_nothing_begin() -> None:
    lab = Lab(task(spec(SECRET_ROTATE)))
    runner = lab.runner_process()

    def refuse(verb: str, path: str) -> ClusterError | None:
        return Forbidden(403, "Forbidden", "may not patch") if verb == "PATCH" and path == VAULT else None

    runner.fail = refuse
    await lab.play(runner)
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "VaultUnavailable")
    assert lab.problems() == []


async def test_the_guardian_puts_back_what_it_has_seen_though_somebody_empties_the_vault() -> None:
    lab = Lab(task(spec(SECRET_DELETE)))
    runner = lab.runner_process()

    async def meddle() -> None:
        while (record := lab.record()) is None or record.state is not RecordState.APPLIED:
            await lab.clock.sleep(0.05)
        runner.dead = True
        lab.world.put(VAULT, {"type": "Opaque"})

    async def play() -> None:
        await asyncio.gather(lab.both(runner), meddle())

    await lab.clock.run(play())
    assert lab.problems() == []


async def test_a_vault_that_does_not_answer_at_the_end_is_emptied_by_the_guardian() -> None:
    lab = Lab(task(spec(SECRET_ROTATE)))
    runner = lab.runner_process()

    def away(verb: str, path: str) -> ClusterError | None:
        record = lab.record()
        settled = record is not None and record.state.settled
        return Unreachable("no answer") if path == VAULT and settled else None

    runner.fail = away
    await lab.play(runner)
    assert lab.problems() == []


async def test_variables_that_may_be_passwords_are_in_no_record() -> None:
    lab = Lab(task(spec(ENV_DRIFT)))
    for name in ("deployments/ledger", "replicasets/ledger-1"):
        template = lab.world.objects[f"/apis/apps/v1/namespaces/payments/{name}"]["spec"]["template"]
        template["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": PASSWORD}]
    lab._before = lab._dump()
    told: list[str] = []
    put = lab.world.put

    def watched(where: str, body: Any) -> Any:
        if "/configmaps/" in where:
            told.append(json.dumps(body))
        return put(where, body)

    lab.world.put = watched  # type: ignore[method-assign]
    await lab.play()
    assert told
    assert not [text for text in told if PASSWORD in text]
    assert lab.problems() == []
