"""How the changes of an experiment are undone."""

from types import MappingProxyType
from typing import Final

from firedrill.api.record import PacketsDropped, PodDeleted
from firedrill.runner.faults.packetloss_undo import packets_dropped_needs, undo_packets_dropped
from firedrill.runner.faults.podkill import pod_deleted_needs, undo_pod_deleted
from firedrill.runner.undoing import Undoer, UndoTable

UNDO: Final[UndoTable] = MappingProxyType(
    {
        PodDeleted: Undoer(undo_pod_deleted, pod_deleted_needs),
        PacketsDropped: Undoer(undo_packets_dropped, packets_dropped_needs),
    }
)
