"""Which fault is carried out by what, and how the changes of an experiment are undone."""

from types import MappingProxyType
from typing import Final

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.engines import ChaosToolkit
from firedrill.api.faults.network import FilterFault
from firedrill.api.faults.operators import OperatorFault
from firedrill.api.faults.pods import PodEvict, PodKill
from firedrill.api.record import (
    EngineStarted,
    ObjectCreated,
    ObjectDeleted,
    ObjectEdited,
    PacketsDropped,
    PodDeleted,
    ToolkitStarted,
)
from firedrill.engines.chaos.faults.deletions import DELETE_FAULTS
from firedrill.engines.chaos.faults.objects import is_object_fault
from firedrill.runner.context import RunContext
from firedrill.runner.faults.creations import CreateFault, object_created_needs, undo_object_created
from firedrill.runner.faults.deletions import DeleteFault, object_deleted_needs, undo_object_deleted
from firedrill.runner.faults.driver import Fault
from firedrill.runner.faults.edits import EditFault
from firedrill.runner.faults.edits_undo import object_edited_needs, undo_object_edited
from firedrill.runner.faults.filtering import FilteringFault
from firedrill.runner.faults.filtering_undo import packets_dropped_needs, undo_packets_dropped
from firedrill.runner.faults.operated import OperatedFault
from firedrill.runner.faults.operated_undo import engine_started_needs, undo_engine_started
from firedrill.runner.faults.podkill import PodKillFault, pod_deleted_needs, undo_pod_deleted
from firedrill.runner.faults.toolkit import ToolkitFault
from firedrill.runner.faults.toolkit_undo import toolkit_started_needs, undo_toolkit_started
from firedrill.runner.undoing import Undoer, UndoTable

UNDO: Final[UndoTable] = MappingProxyType(
    {
        PodDeleted: Undoer(undo_pod_deleted, pod_deleted_needs),
        PacketsDropped: Undoer(undo_packets_dropped, packets_dropped_needs),
        ObjectEdited: Undoer(undo_object_edited, object_edited_needs),
        ObjectCreated: Undoer(undo_object_created, object_created_needs),
        ObjectDeleted: Undoer(undo_object_deleted, object_deleted_needs),
        EngineStarted: Undoer(undo_engine_started, engine_started_needs),
        ToolkitStarted: Undoer(undo_toolkit_started, toolkit_started_needs),
    }
)


def undo_table(fault: Fault) -> UndoTable:
    """How a runner undoes what it has done itself: what runs in a process of its own it asks to stop first."""
    if isinstance(fault, ToolkitFault):
        return {**UNDO, ToolkitStarted: Undoer(fault.undo, toolkit_started_needs)}
    return UNDO


def fault_of(context: RunContext, spec: ChaosExperimentSpec) -> Fault:
    """What carries out the fault of a spec."""
    chosen = spec.fault.chosen
    match chosen:
        case PodKill() | PodEvict():
            return PodKillFault(context.client, context.clock, chosen)
        case FilterFault():
            return FilteringFault(context.client, context.clock, context.task, chosen, spec.duration)
        case ChaosToolkit():
            return ToolkitFault(context, spec, chosen)
        case OperatorFault():
            return OperatedFault(context, spec)
    if isinstance(chosen, DELETE_FAULTS):
        return DeleteFault(context.client, context.clock, spec)
    if is_object_fault(chosen):
        return CreateFault(context.client, context.clock, context.task, spec)
    return EditFault(context.client, context.clock, context.task, spec)
