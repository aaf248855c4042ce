"""Which fault is carried out by what, and how the changes of an experiment are undone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from firedrill.api.changes import (
    DataTouched,
    EngineStarted,
    FisStarted,
    GrantsRevoked,
    GroupJoined,
    HeldInPod,
    NodeCutOff,
    ObjectCreated,
    ObjectDeleted,
    ObjectEdited,
    PacketsDropped,
    PasswordChanged,
    PodDeleted,
    RequestsSent,
    SessionsHeld,
    ToolkitStarted,
)
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.errors import InvalidInput
from firedrill.api.faults.awsfis import AwsFis
from firedrill.api.faults.controlplane import ApiSurge
from firedrill.api.faults.data import DatabasePassword, StoreFault
from firedrill.api.faults.engines import ChaosToolkit
from firedrill.api.faults.network import FilterFault
from firedrill.api.faults.node import NodeDrain, NodeNotReady
from firedrill.api.faults.operators import OperatorFault
from firedrill.api.faults.pods import ContainerKill, PodEvict, PodKill
from firedrill.api.faults.secrets import CertificateSecretExpired, SecretDelete, SecretRotate
from firedrill.api.faults.stress import StressFault
from firedrill.api.faults.traffic import TrafficFault
from firedrill.api.faults.workload import EnvDrift
from firedrill.api.resource import parse_spec
from firedrill.api.task import Task
from firedrill.core.naming import vault_name
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
    undo_password_changed,
    undo_sessions_held,
)
from firedrill.runner.faults.awsfis import AwsFisFault
from firedrill.runner.faults.awsfis_undo import fis_started_needs, fis_unready, undo_fis_started
from firedrill.runner.faults.containerkill import ContainerKillFault
from firedrill.runner.faults.creations import CreateFault, object_created_needs, undo_object_created
from firedrill.runner.faults.deletions import DeleteFault, object_deleted_needs, undo_object_deleted
from firedrill.runner.faults.drain import DrainFault
from firedrill.runner.faults.driver import Fault
from firedrill.runner.faults.edits import EditFault
from firedrill.runner.faults.edits_undo import object_edited_needs, undo_object_edited
from firedrill.runner.faults.filtering import FilteringFault
from firedrill.runner.faults.filtering_undo import in_pod_needs, undo_in_pod
from firedrill.runner.faults.nodecut import NodeCutFault
from firedrill.runner.faults.nodecut_undo import node_cut_off_needs, undo_node_cut_off
from firedrill.runner.faults.operated import OperatedFault
from firedrill.runner.faults.operated_undo import engine_started_needs, undo_engine_started
from firedrill.runner.faults.podkill import PodKillFault, pod_deleted_needs, undo_pod_deleted
from firedrill.runner.faults.redirecting import TrafficInPod
from firedrill.runner.faults.sealed import SealedFault, with_vault
from firedrill.runner.faults.stressing import StressInPod
from firedrill.runner.faults.surging import SurgeFault, requests_sent_needs, undo_requests_sent
from firedrill.runner.faults.toolkit import ToolkitFault
from firedrill.runner.faults.toolkit_undo import toolkit_started_needs, undo_toolkit_started
from firedrill.runner.undoing import Seen, UndoContext, Undoer, UndoTable

UNDO: Final[UndoTable] = MappingProxyType(
    {
        PodDeleted: Undoer(undo_pod_deleted, pod_deleted_needs),
        PacketsDropped: Undoer(undo_in_pod, in_pod_needs),
        HeldInPod: Undoer(undo_in_pod, in_pod_needs),
        ObjectEdited: with_vault(Undoer(undo_object_edited, object_edited_needs)),
        ObjectCreated: Undoer(undo_object_created, object_created_needs),
        ObjectDeleted: with_vault(Undoer(undo_object_deleted, object_deleted_needs)),
        EngineStarted: Undoer(undo_engine_started, engine_started_needs),
        ToolkitStarted: Undoer(undo_toolkit_started, toolkit_started_needs),
        SessionsHeld: Undoer(undo_sessions_held, store_needs, database_unready),
        GrantsRevoked: Undoer(undo_grants_revoked, store_needs, database_unready),
        PasswordChanged: with_vault(Undoer(undo_password_changed, store_needs, database_unready)),
        GroupJoined: Undoer(undo_group_joined, store_needs, broker_unready),
        DataTouched: Undoer(undo_data_touched, lambda _change: ()),
        RequestsSent: Undoer(undo_requests_sent, requests_sent_needs),
        NodeCutOff: Undoer(undo_node_cut_off, node_cut_off_needs),
        FisStarted: Undoer(undo_fis_started, fis_started_needs, fis_unready),
    }
)


#: What these change is not for everybody to read: values of Secrets, of variables that may be passwords as well, and
#: verifiers of passwords.
SEALED: Final = (SecretDelete, SecretRotate, CertificateSecretExpired, EnvDrift, DatabasePassword)


def undo_table(faults: Mapping[str, Fault]) -> UndoTable:
    """How a runner undoes what it has done itself, given what carries out each part of the run.

    What runs in a process of its own it asks to stop first.
    """

    async def undo(context: UndoContext, change: ToolkitStarted | RequestsSent) -> Seen:
        own = faults.get(change.step)
        if isinstance(own, ToolkitFault) and isinstance(change, ToolkitStarted):
            return await own.undo(context, change)
        if isinstance(own, SurgeFault) and isinstance(change, RequestsSent):
            return await own.undo(context, change)
        return await UNDO[type(change)].undo(context, change)

    return {
        **UNDO,
        ToolkitStarted: Undoer(undo, toolkit_started_needs),
        RequestsSent: Undoer(undo, requests_sent_needs),
    }


def fault_of(context: RunContext, spec: ChaosExperimentSpec) -> Fault:
    """What carries out the fault of a spec."""
    fault = _open_fault_of(context, spec)
    if isinstance(spec.fault.chosen, SEALED):
        return SealedFault(fault, context.vault, spec.fault.family, context.task.run_id)
    return fault


def vaults(task: Task) -> set[str]:
    """The Secrets in which a run may keep originals, as far as its task tells."""
    try:
        spec = parse_spec(ChaosExperimentSpec, task.spec)
    except InvalidInput:
        return set()
    return {vault_name(fault.family) for fault in spec.faults if isinstance(fault.chosen, SEALED)}


def _open_fault_of(context: RunContext, spec: ChaosExperimentSpec) -> Fault:
    chosen = spec.fault.chosen
    match chosen:
        case PodKill() | PodEvict():
            return PodKillFault(context.client, context.clock, chosen)
        case NodeDrain():
            return DrainFault(context, spec)
        case NodeNotReady():
            return NodeCutFault(context, spec, chosen)
        case FilterFault():
            return FilteringFault(context.client, context.clock, context.task, chosen, spec.duration)
        case TrafficFault():
            return TrafficInPod(context.client, context.clock, context.task, chosen, spec.duration)
        case ContainerKill():
            return ContainerKillFault(context.client, context.clock, context.task, spec)
        case StressFault():
            return StressInPod(context.client, context.clock, context.task, chosen, spec.duration)
        case ChaosToolkit():
            return ToolkitFault(context, spec, chosen)
        case AwsFis():
            return AwsFisFault(context, spec, chosen)
        case OperatorFault():
            return OperatedFault(context, spec)
        case ApiSurge():
            return SurgeFault(context, spec, chosen)
        case StoreFault():
            return DataFault(context, spec)
    if isinstance(chosen, DELETE_FAULTS):
        return DeleteFault(context.client, context.clock, spec)
    if is_object_fault(chosen):
        return CreateFault(context.client, context.clock, context.task, spec)
    return EditFault(context.client, context.clock, context.task, spec)
