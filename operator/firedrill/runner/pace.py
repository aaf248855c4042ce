"""How long many changes may take to be carried out."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from firedrill.api.changes import Change, InPod, ObjectEdited
from firedrill.engines.chaos.faults.fields import POD

#: With many changes it takes longer until the last one is carried out: so many are at least in a second.
_LEAST_RATE: Final = 10
#: The same of what kubelets do: they start and end containers, and all of the pods may be on one small node.
_LEAST_BY_KUBELET: Final = 2


def time_for(changes: Sequence[Change]) -> timedelta:
    """How much longer than one change so many may take."""
    slow = sum(map(_by_kubelet, changes))
    return timedelta(seconds=slow / _LEAST_BY_KUBELET + (len(changes) - slow) / _LEAST_RATE)


def _by_kubelet(change: Change) -> bool:
    if isinstance(change, ObjectEdited):
        return change.kind == POD.kind and any(each.path[0] == "spec" for each in change.edits)
    return isinstance(change, InPod)
