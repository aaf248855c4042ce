"""Faults that are a missing object: kept whole in the record, deleted, and created again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from firedrill.api.changes import Change, ChangeState, ObjectDeleted
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.clusters import paths
from firedrill.clusters.access import Access
from firedrill.clusters.errors import ApiError, Conflict, Forbidden, Invalid, NotFound, Unreachable
from firedrill.engines.chaos.faults.deletions import check, kept, without_addresses
from firedrill.engines.chaos.faults.fields import named
from firedrill.engines.chaos.faults.template import NotApplicable
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.faults.asked import asked_by_name, collection_of, may_be_on_its_way, path_of, send, soon
from firedrill.runner.faults.driver import Look, NothingDone, NotInjected
from firedrill.runner.ports import Clock, Cluster
from firedrill.runner.retry import retry
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting


class DeleteFault:
    """Deletes a named object under the precondition that it is still the same."""

    def __init__(self, client: Cluster, clock: Clock, spec: ChaosExperimentSpec) -> None:
        self._client = client
        self._clock = clock
        self._namespace = spec.target.namespace
        given = named(spec.fault.chosen)
        assert given is not None  # each of these faults names its object
        self._kind, self._name = given

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Read it, and ask by dry run whether it could be created again: it exists, which is the right refusal."""
        try:
            (change,) = await self.plan(pods, self._clock.now())
            assert isinstance(change, ObjectDeleted)
            await self._client.delete(path_of(change), uid=change.uid, dry_run=True)
            await self._client.create(collection_of(change), change.body, dry_run=True)
        except (Conflict, Invalid):
            # It is there already, or an address of it is taken: by itself.
            return None
        except Forbidden as error:
            return Refusal("NotPermitted", f"the runner may not read it, delete it or create it again: {error.message}")
        except NotApplicable as error:
            return Refusal("NotApplicable", str(error))
        except NotInjected as error:
            return Refusal("NoTargets", str(error))
        return None

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """The object as it is."""
        del pods, now
        kind = self._kind
        try:
            body = await self._client.get(paths.path(kind.api, kind.plural, self._namespace, self._name))
        except NotFound as error:
            raise NotInjected(f"{kind.kind} {self._name} does not exist in namespace {self._namespace}") from error
        try:
            check({**body, "kind": kind.kind})
        except NotApplicable as error:
            raise NotApplicable(f"{kind.kind} {self._name}: {error}") from error
        return [
            ObjectDeleted(
                namespace=self._namespace,
                name=self._name,
                uid=body["metadata"]["uid"],
                version=body["metadata"]["resourceVersion"],
                api=kind.api,
                plural=kind.plural,
                kind=kind.kind,
                body={**kept(body), "apiVersion": kind.api, "kind": kind.kind},
            )
        ]

    def schedule(self, change: ObjectDeleted, now: datetime, deadline: datetime) -> Change:
        """It must be asked for soon: until then, and a little longer, nobody can say that it was not."""
        return soon(change, now, deadline)

    async def apply(self, change: ObjectDeleted) -> Change:
        """Delete it. Where an answer was lost and it is gone then, it was us."""
        label = f"{change.kind} {change.name}"
        lost_answer = False

        async def delete() -> None:
            nonlocal lost_answer
            try:
                # What others have made of it stays: they must not go with it.
                asked = self._client.delete(
                    path_of(change), uid=change.uid, resource_version=change.version, propagation="Orphan"
                )
                await send(change, self._clock, asked, f"{label} could not be deleted in time")
            except Unreachable:
                lost_answer = True
                raise
            except Forbidden as error:
                raise NotInjected(f"{label} may not be deleted: {error.message}") from error
            except (NotFound, Conflict) as error:
                if not lost_answer:
                    raise NotInjected(f"{label} was changed or deleted between the plan and the fault") from error
            except ApiError as error:
                # An error of the server, or of one before it, does not tell whether it was done.
                lost_answer = lost_answer or error.status >= 500
                raise

        asked_at = self._clock.now()
        try:
            await retry(self._clock, delete, f"deleting {label}")
        except NotInjected as error:
            if lost_answer:
                raise
            raise NothingDone(str(error)) from error
        evidence = f"deleted {label} (uid {change.uid})"
        return change.model_copy(
            update={"state": ChangeState.APPLIED, "applied_at": asked_at, "evidence": evidence},
        )

    async def look(self, change: ObjectDeleted) -> Look:
        """Whether somebody else has created it again."""
        try:
            found = await self._client.get(path_of(change))
        except NotFound:
            return Look(reverted=False)
        return Look(reverted="deletionTimestamp" not in found["metadata"])

    def ended_at(self, change: ObjectDeleted, undone_at: datetime) -> datetime:
        """When it was seen to be there again."""
        del change
        return undone_at

    def proven(self, change: ObjectDeleted) -> bool:
        """That it is gone proves nothing: who needs it shows it."""
        del change
        return False


async def undo_object_deleted(context: UndoContext, change: ObjectDeleted) -> Seen:
    """Create it again where it is missing; one that somebody else has created stays as it is.

    What our request was refused for is noted as undone, and never comes here. Where it was not noted what became of
    the request, nobody can say who has deleted it: it is created again, and that is declared.
    """
    label = f"{change.kind} {change.name}"
    undecided = f"{label} was created again, though it is not known whether it was us who deleted it"
    residues = (undecided,) if change.state is ChangeState.PLANNED else ()
    try:
        found = await context.client.get(path_of(change))
    except NotFound:
        try:
            await context.client.create(collection_of(change), change.body)
        except NotFound:
            return seen(change, f"namespace {change.namespace} is gone, and {label} with it")
        except Invalid:
            if change.kind != "Service":
                raise
            await context.client.create(collection_of(change), without_addresses(change.body))
        return replace(waiting(change, f"{label} was created again"), residues=residues)
    if "deletionTimestamp" in found["metadata"]:
        return waiting(change, f"{label} is still on its way out")
    if found["metadata"]["uid"] == change.uid:
        if may_be_on_its_way(change, context.clock):
            return waiting(change, f"a request to delete {label} may still be on its way")
        return seen(change, f"{label} was never deleted")
    if kept(found) == kept(change.body):
        return seen(change, f"{label} is there again as it was", residues)
    told = f"{label} is there again, but not as it was: somebody else has created or changed it"
    return seen(change, told, (told,))


def object_deleted_needs(change: ObjectDeleted) -> list[Access]:
    """What undoing takes."""
    group = change.api.rpartition("/")[0]
    return [
        Access("get", change.plural, change.namespace, group, name=asked_by_name(change)),
        Access("create", change.plural, change.namespace, group),
    ]
