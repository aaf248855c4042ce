"""Which fault is carried out by what, and how the changes of an experiment are undone."""

from types import MappingProxyType
from typing import Final

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.data import StoreFault
from firedrill.api.faults.network import FilterFault
from firedrill.api.faults.pods import PodEvict, PodKill
from firedrill.api.record import (
    DataTouched,
    GrantsRevoked,
    GroupJoined,
    ObjectCreated,
    ObjectDeleted,
    ObjectEdited,
    PacketsDropped,
    PodDeleted,
    SessionsHeld,
)
from firedrill.engines.chaos.faults.deletions import DELETE_FAULTS
from firedrill.engines.chaos.faults.objects import is_object_fault
from firedrill.runner.context import RunContext
from firedrill.runner.data.addressing import store_needs
from firedrill.runner.data.faults import DataFault
from firedrill.runner.data.undo import (
    broker_unready,
    database_unready,
    undo_data_touched,
    undo_grants_revoked,
    undo_group_joined,
    undo_sessions_held,
)
from firedrill.runner.faults.creations import CreateFault, object_created_needs, undo_object_created
from firedrill.runner.faults.deletions import DeleteFault, object_deleted_needs, undo_object_deleted
from firedrill.runner.faults.driver import Fault
from firedrill.runner.faults.edits import EditFault
from firedrill.runner.faults.edits_undo import object_edited_needs, undo_object_edited
from firedrill.runner.faults.filtering import FilteringFault
from firedrill.runner.faults.filtering_undo import packets_dropped_needs, undo_packets_dropped
from firedrill.runner.faults.podkill import PodKillFault, pod_deleted_needs, undo_pod_deleted
from firedrill.runner.undoing import Undoer, UndoTable

UNDO: Final[UndoTable] = MappingProxyType(
    {
        PodDeleted: Undoer(undo_pod_deleted, pod_deleted_needs),
        PacketsDropped: Undoer(undo_packets_dropped, packets_dropped_needs),
        ObjectEdited: Undoer(undo_object_edited, object_edited_needs),
        ObjectCreated: Undoer(undo_object_created, object_created_needs),
        ObjectDeleted: Undoer(undo_object_deleted, object_deleted_needs),
        SessionsHeld: Undoer(undo_sessions_held, store_needs, database_unready),
        GrantsRevoked: Undoer(undo_grants_revoked, store_needs, database_unready),
        GroupJoined: Undoer(undo_group_joined, store_needs, broker_unready),
        DataTouched: Undoer(undo_data_touched, lambda _change: ()),
    }
)


def fault_of(context: RunContext, spec: ChaosExperimentSpec) -> Fault:
    """What carries out the fault of a spec."""
    chosen = spec.fault.chosen
    match chosen:
        case PodKill() | PodEvict():
            return PodKillFault(context.client, context.clock, chosen)
        case FilterFault():
            return FilteringFault(context.client, context.clock, context.task, chosen, spec.duration)
        case StoreFault():
            return DataFault(context, spec)
    if isinstance(chosen, DELETE_FAULTS):
        return DeleteFault(context.client, context.clock, spec)
    if is_object_fault(chosen):
        return CreateFault(context.client, context.clock, context.task, spec)
    return EditFault(context.client, context.clock, context.task, spec)
