"""That a run acts on drift, noted in the target before it does: created once, and never changed."""

from pydantic import ValidationError

from firedrill.api.meta import ANNOTATION_RESOURCE, REACTION_KEY
from firedrill.api.ondrift import Reacted
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Conflict, NotFound
from firedrill.core.naming import reaction_name
from firedrill.runner.context import RunContext
from firedrill.runner.record_store import labels
from firedrill.runner.retry import retry


class Ledger:
    """Notes of one resource in one target, each named by the run that acted before. Methods raise ClusterError.

    No Job owns a note: one that goes with a run that was ended or deleted could not keep the next one from acting.
    """

    def __init__(self, context: RunContext) -> None:
        self._context = context

    async def find(self, after: str) -> Reacted | None:
        """The note of the run that acted next after the run ``after``; None where none has."""
        client, name = self._context.client, self._name(after)
        path = paths.configmaps(self._context.task.runner_namespace, name)
        try:
            body = await retry(self._context.clock, lambda: client.get(path), f"reading {name}")
            return Reacted.model_validate_json((body.get("data") or {}).get(REACTION_KEY, ""))
        except NotFound:
            return None
        except ValidationError as error:
            raise ClusterError(f"ConfigMap {name} can not be read; delete it to let the next run act") from error

    async def claim(self, after: str, reacted: Reacted) -> bool:
        """Note that this run acts; False where another note is there, which may be of an earlier try of this run."""
        context, task = self._context, self._context.task
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self._name(after),
                "namespace": task.runner_namespace,
                "labels": labels(task, "reaction"),
                "annotations": {ANNOTATION_RESOURCE: f"{task.namespace}/{task.name}"},
            },
            "data": {REACTION_KEY: reacted.model_dump_json(by_alias=True)},
        }

        async def create() -> bool:
            try:
                await context.client.create(paths.configmaps(task.runner_namespace), body)
            except Conflict as error:
                if error.already_exists:
                    return False
                raise
            return True

        return await retry(context.clock, create, "noting that the run acts")

    def _name(self, after: str) -> str:
        task = self._context.task
        return reaction_name(task.kind, task.name, task.uid, task.cluster, after)
