"""The lab that a suite runs in: up once a session, gone at its end.

FIREDRILL_TEST_LAB names one that stays up instead, for work on the tests themselves.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from demo import Demo

#: Name of the lab that stays up; empty where each suite has its own.
KEPT = os.environ.get("FIREDRILL_TEST_LAB", "")


@contextmanager
def running(name: str, clusters: Sequence[str] = ()) -> Iterator[Demo]:
    """A lab of these clusters, or of all; nothing is installed in it yet."""
    made = Demo(KEPT or name)
    try:
        made.bring_up_lab(os.environ.get("FIREDRILL_PROVIDER", "auto"), clusters)
        os.environ["FIREDRILL_LAB_KUBECONFIG"] = os.environ["KUBECONFIG"]
        yield made
    finally:
        if not KEPT:
            made.firedrill("lab", "down", "--name", made.lab)


def created(lab: Demo, context: str, namespace: str) -> None:
    """A namespace, there already or not."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    lab.kubectl(context, "apply", "-f", "-", stdin=json.dumps(body), capture=True)
