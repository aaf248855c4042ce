"""Two real clusters: the hub, and one target with a store that everything of these tests is read from and written to.

FIREDRILL_TEST_LAB names a lab that stays up, for work on the tests themselves.
"""

import os
from collections.abc import Iterator

import demo
import pytest
from demo import Demo
from e2e_residues import residues
from model_runs import CONTEXT, PIPELINES, SHOP, TARGET, created, left_of_runs
from model_store import Store, manifest, pipelines

from support.eventually import eventually

CHART = [f"target.pipelines.namespaces={{{PIPELINES}}}", f"target.models.namespaces={{{SHOP}}}"]


@pytest.fixture(scope="session", autouse=True)
def lab() -> Iterator[Demo]:
    """The lab, with the operator, the store, and what pipelines are made of; nothing of any run is left in the end."""
    kept = os.environ.get("FIREDRILL_TEST_LAB", "")
    made = Demo(kept or "e2e-models")
    try:
        made.bring_up_lab(os.environ.get("FIREDRILL_PROVIDER", "auto"), ["hub", TARGET])
        os.environ["FIREDRILL_LAB_KUBECONFIG"] = os.environ["KUBECONFIG"]
        for namespace in (SHOP, PIPELINES):
            created(made, CONTEXT, namespace)
        made.install({TARGET: CHART}, {})
        created(made, demo.HUB, demo.NAMESPACE)
        made.kubectl(CONTEXT, "apply", "-f", "-", stdin=manifest(SHOP), capture=True)
        made.kubectl(CONTEXT, "apply", "-f", "-", stdin=pipelines(PIPELINES, demo.NAMESPACE), capture=True)
        if kept:
            # What it has counted, and what pipelines have left, is of the session before.
            made.kubectl(CONTEXT, "-n", SHOP, "delete", "pods", "-l", "app=store", capture=True)
            made.kubectl(CONTEXT, "-n", PIPELINES, "delete", "jobs", "--all", capture=True)
        made.kubectl(CONTEXT, "-n", SHOP, "rollout", "status", "deployment/store", "--timeout=240s", capture=True)
        untouched = residues(made, TARGET, SHOP)
        yield made
        assert residues(made, TARGET, SHOP) == untouched, "what is only read, and put load on, stays as it was"
        eventually(lambda: not left_of_runs(made), "nothing of any run is left", also=lambda: left_of_runs(made))
    finally:
        if not kept:
            made.firedrill("lab", "down", "--name", made.lab)


@pytest.fixture(scope="session")
def store(lab: Demo) -> Store:
    """The store."""
    return Store(lab, CONTEXT, SHOP)
