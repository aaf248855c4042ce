"""Whose namespace it is: one that is being deleted is waited for, then it is the Simulation's own or refused."""

from typing import Any

import pytest
from target_in_memory import Target, context

from firedrill.api.errors import InvalidInput
from firedrill.clusters import paths
from firedrill.runner.simulating.place import LABEL_SIMULATION, Busy, claim

Object = dict[str, Any]
BANK = paths.namespaces("bank")
OWN, OTHERS, NOBODYS = {LABEL_SIMULATION: "bank-uid"}, {LABEL_SIMULATION: "shop-uid"}, dict[str, str]()


def namespace(labels: dict[str, str], *, going: bool = False) -> Object:
    metadata: Object = {"name": "bank", "labels": labels}
    return {"metadata": {**metadata, "deletionTimestamp": "2026-03-02T12:00:00Z"} if going else metadata}


async def test_one_that_is_not_there_is_made() -> None:
    target = Target()
    await claim(context(target), "bank")
    assert target.writes == [("create", BANK)]
    assert target.objects[BANK]["metadata"]["labels"][LABEL_SIMULATION] == "bank-uid"


@pytest.mark.parametrize(("labels", "refused"), [(OWN, False), (OTHERS, True), (NOBODYS, True)])
async def test_one_that_stays_is_its_own_or_refused(labels: dict[str, str], refused: bool) -> None:
    target = Target()
    target.put(BANK, namespace(labels))
    if refused:
        with pytest.raises(InvalidInput, match=r"spec\.namespace: namespace bank exists in finance and is not of this"):
            await claim(context(target), "bank")
    else:
        await claim(context(target), "bank")
    assert target.writes == []


@pytest.mark.parametrize("labels", [OWN, OTHERS, NOBODYS], ids=["its own", "another's", "nobody's"])
async def test_one_that_goes_is_waited_for_whosever_it_was(labels: dict[str, str]) -> None:
    target = Target()
    target.put(BANK, namespace(labels, going=True))
    target.time.at_wait = [lambda: None, lambda: target.objects.clear()]
    await claim(context(target), "bank")
    assert target.writes == [("create", BANK)]


async def test_one_that_somebody_makes_anew_meanwhile_is_refused() -> None:
    target = Target()
    target.put(BANK, namespace(OWN, going=True))
    target.time.at_wait = [lambda: target.put(BANK, namespace(OTHERS))]
    with pytest.raises(InvalidInput, match="is not of this Simulation"):
        await claim(context(target), "bank")


async def test_one_that_does_not_go_in_time_is_told() -> None:
    target = Target()
    target.put(BANK, namespace(OTHERS, going=True))
    with pytest.raises(Busy, match="namespace bank is still being deleted"):
        await claim(context(target), "bank")
