"""Two real clusters: the hub, and one target with a store that all of these tests is read from and written to."""

from collections.abc import Iterator

import pytest
from demo import HUB, NAMESPACE, Demo
from e2e_lab import KEPT, created, running
from e2e_residues import residues
from model_runs import CONTEXT, PIPELINES, SHOP, TARGET, left_of_runs
from model_store import Store, manifest, pipelines

from support.eventually import eventually

CHART = [f"target.pipelines.namespaces={{{PIPELINES}}}", f"target.models.namespaces={{{SHOP}}}"]


@pytest.fixture(scope="session", autouse=True)
def lab() -> Iterator[Demo]:
    """The lab, with the operator, the store, and what pipelines are made of; nothing of any run is left in the end."""
    with running("e2e-models", ["hub", TARGET]) as made:
        for namespace in (SHOP, PIPELINES):
            created(made, CONTEXT, namespace)
        made.install({TARGET: CHART}, {})
        created(made, HUB, NAMESPACE)
        made.kubectl(CONTEXT, "apply", "-f", "-", stdin=manifest(SHOP), capture=True)
        made.kubectl(CONTEXT, "apply", "-f", "-", stdin=pipelines(PIPELINES, NAMESPACE), capture=True)
        if KEPT:
            # What it has counted, and what pipelines have left, is of the session before.
            made.kubectl(CONTEXT, "-n", SHOP, "delete", "pods", "-l", "app=store", capture=True)
            made.kubectl(CONTEXT, "-n", PIPELINES, "delete", "jobs", "--all", capture=True)
        made.kubectl(CONTEXT, "-n", SHOP, "rollout", "status", "deployment/store", "--timeout=240s", capture=True)
        untouched = residues(made, TARGET, SHOP)
        yield made
        assert residues(made, TARGET, SHOP) == untouched, "what is only read, and put load on, stays as it was"
        eventually(lambda: not left_of_runs(made), "nothing of any run is left", also=lambda: left_of_runs(made))


@pytest.fixture(scope="session")
def store(lab: Demo) -> Store:
    """The store."""
    return Store(lab, CONTEXT, SHOP)
