"""What a run does beyond objects and pods: it asks, and others suffer by it."""

from typing import Literal

from pydantic import Field

from firedrill.api.base import Time
from firedrill.api.change import ChangeBase


class RequestsSent(ChangeBase):
    """Requests that a process of the runner's pod sends; over when that process is, and nothing is left of them."""

    type: Literal["RequestsSent"] = "RequestsSent"
    path: str = Field(description="What is asked for.")
    rate: int
    concurrency: int
    seconds: float = Field(description="The kernel ends the process so long after its start.")
    sender: str = Field(description="What the process is known by in the runner's.")
    runner_pod: str = Field(description="UID of the pod whose process it is.")
    not_after: Time | None = Field(default=None, description="It is not started later than this.")
    ends_at: Time | None = Field(default=None, description="The process has ended by then, whatever it does.")


class NodeCutOff(ChangeBase):
    """Traffic of a node's own processes to the API server, dropped by the node's kernel until its time is over.

    It is in no namespace; ``uid`` is that of the node.
    """

    type: Literal["NodeCutOff"] = "NodeCutOff"
    pods_in: str = Field(description="Namespace of the pods that put it in place and take it away.")
    inject_pod: str
    undo_pod: str
    table: str
    addresses: list[str]
    port: int
    seconds: float = Field(description="The kernel ends it so long after its start.")
    not_after: Time | None = Field(default=None, description="The pod is not asked for later than this.")
    inject_by: Time | None = Field(default=None, description="A pod that is started later injects nothing.")
    expires_at: Time | None = Field(default=None, description="When the kernel has ended it.")
    gone: str = Field(default="", description="How the table was seen gone, with the packets that it has dropped.")


class FisStarted(ChangeBase):
    """An experiment of AWS FIS; undone when it was seen to have ended. ``name`` is its template's id."""

    type: Literal["FisStarted"] = "FisStarted"
    region: str
    token: str = Field(description="Given to AWS as client token and as tag: by it the experiment is found.")
    experiment: str = Field(default="", description="Its id; empty as long as nobody has noted it.")
    not_after: Time | None = Field(default=None, description="It is not started later than this.")
