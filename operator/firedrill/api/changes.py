"""What a run may change, one type for each way of undoing: each holds what is needed to change it back."""

from typing import Annotated, Any, Literal

from pydantic import Field

from firedrill.api.base import LenientModel, Time
from firedrill.api.change import ChangeBase as ChangeBase
from firedrill.api.change import ChangeState as ChangeState
from firedrill.api.change import VaultRef as VaultRef
from firedrill.api.change import clipped as clipped
from firedrill.api.changes_beyond import FisStarted as FisStarted
from firedrill.api.changes_beyond import NodeCutOff as NodeCutOff
from firedrill.api.changes_beyond import RequestsSent as RequestsSent


class PodDeleted(ChangeBase):
    """A pod that is deleted; it counts as undone when its owner is as ready as it was."""

    type: Literal["PodDeleted"] = "PodDeleted"
    owner_kind: str
    owner_name: str
    owner_uid: str
    ready_before: int
    not_after: Time | None = Field(default=None, description="The deletion is not asked for later than this.")
    #: The Deployment above a ReplicaSet: a rollout replaces the ReplicaSet, and then the Deployment counts.
    deployment: str = ""


class InPod(ChangeBase):
    """What an ephemeral container brings into a pod, and another one takes away."""

    table: str = Field(default="", description="The nft table that is put in place; empty for none.")
    seconds: float = Field(description="It ends by itself so long after its start.")
    not_after: Time = Field(description="A container that is started later injects nothing.")
    expires_at: Time | None = None
    inject_container: str
    undo_container: str


class PacketsDropped(InPod):
    """An nft table in a pod's network namespace that drops packets, or answers with resets, until its set expires."""

    type: Literal["PacketsDropped"] = "PacketsDropped"
    direction: str = "in"
    protocol: str = "tcp"
    port: int | None = None
    action: str = "drop"
    percent: int
    dropped_packets: int | None = None


class HeldInPod(InPod):
    """A fault that a process of ours in the pod carries out, or a queue of its kernel, until its time is over."""

    type: Literal["HeldInPod"] = "HeldInPod"
    way: str = Field(description="redirect, shape or load: what is put in place.")
    holder: str = Field(default="", description="Name of the process in the pod's network; empty for none.")
    hold_container: str = Field(default="", description="The container that it runs in.")
    target_container: str = Field(default="", description="The container that a load is started in.")
    settings: dict[str, Any] = Field(default_factory=dict, description="What it does, for podfault.")
    user: int | None = Field(default=None, description="User that the holder runs as; found in the pod when absent.")
    group: int | None = None
    hits: int | None = Field(default=None, description="Requests, connections or packets that were hit.")


class NamespaceCreated(ChangeBase):
    """A sandbox namespace that is deleted with all that is in it."""

    type: Literal["NamespaceCreated"] = "NamespaceCreated"


class TemplateReplaced(ChangeBase):
    """The pod template of a Deployment that is set to that of an earlier revision."""

    type: Literal["TemplateReplaced"] = "TemplateReplaced"
    original: dict[str, Any]
    replacement: dict[str, Any]
    proposal: str


class Edit(LenientModel):
    """One field of an object: what was there, and what is set instead."""

    path: list[str] = Field(description="Keys; [name=app] is the item of a list with that name.")
    original: Any = None
    was_absent: bool = False
    absent_from: int = Field(default=0, description="How many keys lead to the first that was not there; 0 for none.")
    value: Any = None
    to_remove: bool = False


class ObjectEdited(ChangeBase):
    """Fields of an object that are set to other values; put back where they still hold ours."""

    type: Literal["ObjectEdited"] = "ObjectEdited"
    api: str
    plural: str
    kind: str
    edits: list[Edit]
    subresource: str = Field(default="", description="Where the fields are written, if not in the object itself.")
    binds: str = Field(default="", description="The role that changing a binding hands out, such as roles/shop.")
    ready_before: int | None = Field(default=None, description="Ready pods of a workload before the change.")
    marked: bool = Field(default=False, description="Whether pods of the changed template carry the run's mark.")
    not_after: Time | None = Field(default=None, description="The change is not asked for later than this.")


class ObjectCreated(ChangeBase):
    """An object that is the fault as long as it exists."""

    type: Literal["ObjectCreated"] = "ObjectCreated"
    api: str
    plural: str
    kind: str
    body: dict[str, Any]
    not_after: Time | None = Field(default=None, description="It is not created later than this.")


class ObjectDeleted(ChangeBase):
    """An object that is deleted, and created again as it was."""

    type: Literal["ObjectDeleted"] = "ObjectDeleted"
    version: str = Field(default="", description="The resourceVersion that is deleted, and no other.")
    api: str
    plural: str
    kind: str
    body: dict[str, Any]
    not_after: Time | None = Field(default=None, description="The deletion is not asked for later than this.")


class ToolkitStarted(ChangeBase):
    """An experiment of Chaos Toolkit in a process of the runner; undone when its rollbacks were seen to succeed."""

    type: Literal["ToolkitStarted"] = "ToolkitStarted"
    body: dict[str, Any] = Field(
        description="The experiment as it is run, with its rollbacks; all references resolved."
    )
    rolled_back: list[int] = Field(default_factory=list, description="Rollbacks that have succeeded, by their place.")
    not_after: Time | None = Field(default=None, description="It is not started later than this.")
    ends_at: Time | None = Field(default=None, description="Its process has ended by then, whatever it does.")
    ended_at: Time | None = Field(default=None, description="When its last rollback had ended.")
    runner_pod: str = Field(default="", description="UID of the pod whose process it is.")
    verified: bool = Field(default=False, description="Whether its hypothesis was met after all rollbacks.")


class EngineStarted(ChangeBase):
    """An object by which another operator makes a fault; undone when that one has told so, and the object is gone."""

    type: Literal["EngineStarted"] = "EngineStarted"
    engine: str = Field(description="ChaosMesh or Litmus.")
    api: str
    plural: str
    kind: str
    body: dict[str, Any]
    recovered: str = Field(default="", description="How the other operator told that all was recovered.")
    recovered_at: Time | None = Field(default=None, description="When that was seen.")
    not_after: Time | None = Field(default=None, description="It is not created later than this.")


class StoreChange(ChangeBase):
    """Something that is done to a data store behind the Service of that name, and how it is reached again."""

    port: int
    tls: bool = False
    secret: str = Field(default="", description="Secret of the runner namespace; never what it holds.")
    username: str = ""
    database: str = ""
    namespace_uid: str = Field(default="", description="UID of the namespace of the Service; empty for not known.")
    not_after: Time | None = Field(default=None, description="It is not begun later than this.")


class SessionsHeld(StoreChange):
    """Sessions of a database that hurt as long as they are there, and that the server ends by itself."""

    type: Literal["SessionsHeld"] = "SessionsHeld"
    application: str = Field(description="What the server knows our sessions by.")
    seconds: float = Field(description="The server ends each so long after it has begun.")
    expires_at: Time | None = None


class Grant(LenientModel):
    """A privilege of a role, as the server lists it."""

    privilege: str
    grantable: bool = False


class GrantsRevoked(StoreChange):
    """Privileges of a role on a table that are revoked, and granted again. ``uid`` is the OID of the table."""

    type: Literal["GrantsRevoked"] = "GrantsRevoked"
    application: str
    table: str
    role: str
    grants: list[Grant]


class PasswordChanged(StoreChange):
    """The verifier of a role's password that is set to one that no password fits. ``uid`` is the OID of the role.

    Both verifiers are in a vault; in a record they are empty.
    """

    type: Literal["PasswordChanged"] = "PasswordChanged"
    application: str
    role: str
    original: str = Field(default="", repr=False)
    value: str = Field(default="", repr=False)


class GroupJoined(StoreChange):
    """Members of ours in a consumer group."""

    type: Literal["GroupJoined"] = "GroupJoined"
    group: str
    topic: str
    client: str = Field(description="What the broker knows our members by.")
    members: int
    seconds: float


class DataTouched(StoreChange):
    """Messages that are added, or keys that are deleted: a moment, which can not be undone."""

    type: Literal["DataTouched"] = "DataTouched"
    residue: str = Field(description="What may stay of it.")


Change = Annotated[
    PodDeleted
    | PacketsDropped
    | HeldInPod
    | ObjectEdited
    | ObjectCreated
    | ObjectDeleted
    | NamespaceCreated
    | TemplateReplaced
    | ToolkitStarted
    | EngineStarted
    | SessionsHeld
    | GrantsRevoked
    | PasswordChanged
    | GroupJoined
    | DataTouched
    | RequestsSent
    | NodeCutOff
    | FisStarted,
    Field(discriminator="type"),
]
