"""Names and hashes. A name is a function of what it stands for, so that creating twice exists once."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from firedrill.api.run import NOT_RUN_RELEVANT


def digest(*parts: str, length: int = 10) -> str:
    """A short hexadecimal hash (SHA-256) of the parts, their borders included."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:length]


def spec_hash(raw_spec: Mapping[str, Any]) -> str:
    """Hash of the part of a spec that says what a run does; not of when it is started."""
    relevant = {key: value for key, value in raw_spec.items() if key not in NOT_RUN_RELEVANT}
    return digest(json.dumps(relevant, sort_keys=True))


def run_id(uid: str, trigger: str) -> str:
    """Id of the run that a trigger starts."""
    return digest(uid, trigger)


def job_name(kind: str, name: str, uid: str, run: str, cluster: str) -> str:
    """Name of the Job of a run in a target: at most 52 characters, so that derived names fit in 63."""
    return f"{kind.lower()[:3]}-{name[:31].rstrip('-.')}-{digest(uid, run, cluster, length=12)}".replace(".", "-")


def guardian_name(job: str) -> str:
    """Name of the Job that undoes what a run has changed."""
    return f"{job}-guardian"


def task_name(job: str) -> str:
    """Name of the ConfigMap with the task."""
    return f"{job}-task"


def result_name(job: str) -> str:
    """Name of the ConfigMap with the result."""
    return f"{job}-result"


def record_name(job: str) -> str:
    """Name of the ConfigMap with the record of changes."""
    return f"{job}-record"


def standing_name(kind: str, name: str, uid: str) -> str:
    """Name of what watches over what a resource has built; it outlives single runs."""
    return f"{kind.lower()[:3]}-{name[:31].rstrip('-.')}-{digest(uid, 'standing', length=12)}".replace(".", "-")


def state_name(standing: str) -> str:
    """Name of the ConfigMap that tells how it fares."""
    return f"{standing}-state"


def reaction_name(kind: str, name: str, uid: str, cluster: str, after: str) -> str:
    """Name of the ConfigMap by which a run claims to act on drift, once the run ``after`` has; the first after none.

    Of runs that know of the same last one, a single one can create it, whatever else they do not know of each other.
    """
    own = digest(uid, cluster, "reaction", after, length=12)
    return f"{kind.lower()[:3]}-{name[:31].rstrip('-.')}-{own}-reaction".replace(".", "-")


def vault_name(family: str) -> str:
    """Name of the Secret with the originals that the runs of a fault family keep."""
    return f"firedrill-vault-{family}"
