"""What status says while nothing runs: refused, waiting, or held back. Each is written once."""

from datetime import datetime, timedelta

from firedrill.api.resource import RunResource
from firedrill.api.run import RunSpec, RunStatus
from firedrill.api.verdict import ConditionStatus, Finding, Verdict
from firedrill.core import naming
from firedrill.core.actions import Decision, PublishEvent, WriteStatus
from firedrill.core.schedule import missed, next_fire, planned_run, requested_run
from firedrill.core.summary import recall, set_conditions

#: While a run goes on, a look at the clock; everything else arrives as an event.
POLL = timedelta(seconds=5)
#: An idle resource is looked at this often in case an event was lost. It costs no write.
RESYNC = timedelta(minutes=10)
_REFUSED = "InvalidSpec"


def handled(resource: RunResource) -> dict[str, str | None]:
    """What status keeps of the spec and of the request that were looked at."""
    return {
        "handled_spec": naming.spec_hash(resource.raw_spec),
        "handled_run_at": requested_run(resource) or None,
    }


def refuse(resource: RunResource, message: str, now: datetime) -> Decision:
    """The spec is wrong: ``message`` names the field. Nothing is started until it is changed."""
    # A resource that was never looked at stays one: what its spec asks for at creation is still to be heard.
    looked_at = {} if resource.status.handled_spec is None else handled(resource)
    status = resource.status.model_copy(
        update={
            **looked_at,
            "verdict": Verdict.ERROR,
            "score": None,
            "message": message[:1024],
            "next_run": None,
        }
    )
    status = set_conditions(
        status,
        [
            Finding(type="Complete", status=ConditionStatus.TRUE, reason=_REFUSED, message=message[:2048]),
            Finding(type="Passed", status=ConditionStatus.UNKNOWN, reason=_REFUSED, message=message[:2048]),
        ],
        resource.meta.generation,
        now,
    )
    if status == resource.status:
        return Decision(look_again=RESYNC)
    return Decision((WriteStatus(status), PublishEvent(_REFUSED, message[:1024], warning=True)), RESYNC)


def wait(resource: RunResource, spec: RunSpec, now: datetime) -> Decision:
    """Nothing is due: say since when and for what it waits, once."""
    status = _of_last_run(resource, now)
    if missed(resource, spec, now):
        following = next_fire(spec.schedule or "", spec.time_zone, now)
    else:
        following = planned_run(resource, spec, now)
    update: dict[str, object] = {"next_run": following}
    if status.handled_spec is None and not spec.suspend:
        update |= handled(resource)
    if status.last_run is None:
        # What an earlier spec was told has no bearing on this one.
        update |= {"verdict": None, "message": ""}
    else:
        # A halt that held it back may have had its say meanwhile.
        complete = next((c for c in status.conditions if c.type == "Complete"), None)
        update["message"] = complete.message[:1024] if complete else status.message
    waiting = status.model_copy(update=update)
    if status.last_run is None:
        reason = _waits_for(spec)
        waiting = set_conditions(
            waiting,
            [
                Finding(type="Complete", status=ConditionStatus.FALSE, reason=reason, message="no run was started yet"),
                Finding(type="Passed", status=ConditionStatus.UNKNOWN, reason=reason, message="no run was started yet"),
            ],
            resource.meta.generation,
            now,
        )
    elif status.observed_generation != resource.meta.generation:
        waiting = waiting.model_copy(update={"observed_generation": resource.meta.generation})
    again = min(RESYNC, max(following - now, timedelta(0))) if following else RESYNC
    return Decision((WriteStatus(waiting),) if waiting != resource.status else (), again)


def _waits_for(spec: RunSpec) -> str:
    if spec.suspend:
        return "Suspended"
    return "Scheduled" if spec.schedule else "AwaitingRollout" if spec.on_rollout else "Held"


def _of_last_run(resource: RunResource, now: datetime) -> RunStatus:
    """Status without what it says of a spec that was wrong and is right now."""
    refused = any(c.reason == _REFUSED for c in resource.status.conditions)
    return recall(resource, now) if refused and resource.status.last_run else resource.status


def hold_back(resource: RunResource, message: str, now: datetime) -> Decision:
    """A run is due that a halt forbids: it begins when the halt is over."""
    told = _of_last_run(resource, now).model_copy(update={"message": message[:1024]})
    if resource.status.last_run is None:
        told = set_conditions(
            told,
            [
                Finding(type="Complete", status=ConditionStatus.FALSE, reason="Halted", message=message),
                Finding(type="Passed", status=ConditionStatus.UNKNOWN, reason="Halted", message=message),
            ],
            resource.meta.generation,
            now,
        )
    # A halt may have come and gone before the watch of it has looked again.
    return Decision((WriteStatus(told),) if told != resource.status else (), POLL)
