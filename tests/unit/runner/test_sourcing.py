"""What a run may read in the runner namespace: what is labelled for the namespace of its resource."""

from typing import Any

import pytest
from chaos_clock import VirtualClock
from chaos_cluster import World
from probe_context import context_of

from firedrill.clusters import paths
from firedrill.runner.context import RunContext
from firedrill.runner.sourcing import check_claim

HUB = "firedrill.dev/hub-namespace"


def context(labels: dict[str, str] | None) -> RunContext:
    """A run of namespace ``sre`` whose target has one claim."""
    world = World(VirtualClock())
    claim: dict[str, Any] = {"metadata": {"labels": labels} if labels else {}}
    world.put(paths.path("v1", "persistentvolumeclaims", "firedrill", "features"), claim)
    return context_of(world)


async def test_a_claim_for_the_namespace_may_be_read() -> None:
    await check_claim(context({HUB: "sre"}), "features")


@pytest.mark.parametrize("labels", [None, {HUB: "other"}])
async def test_a_claim_for_others_may_not(labels: dict[str, str] | None) -> None:
    with pytest.raises(PermissionError, match=f"it has no label {HUB}=sre"):
        await check_claim(context(labels), "features")


async def test_a_claim_that_is_not_there() -> None:
    with pytest.raises(LookupError, match="PersistentVolumeClaim firedrill/nope does not exist"):
        await check_claim(context(None), "nope")
