"""A resource on the hub under test: what a person does to it, and what a person sees of it."""

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any

from firedrill.api.meta import ANNOTATION_RESOURCE, FINALIZER, LABEL_MANAGED, LABEL_ROLE, LABEL_UID
from firedrill.clusters import paths
from support.eventually import PATIENCE, eventually
from support.kube import Cluster, Object, where


class Subject:
    """One resource, by its name; it need not exist."""

    def __init__(self, hub: Cluster, body: Object) -> None:
        self.hub = hub
        self.body = copy.deepcopy(body)
        self.path = where(body)
        self.key = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
        self.uid = ""
        #: Added to the message of a wait that fails.
        self.also: Callable[[], object] = str

    # -- what is done to it ----------------------------------------------------------------------------------------

    def create(self) -> "Subject":
        """Create it."""
        self.uid = self.hub.create(self.body)["metadata"]["uid"]
        return self

    def change(self, **spec: Any) -> None:
        """Change fields of the spec; None takes one away."""
        self.hub.merge(self.path, {"spec": spec})

    def annotate(self, **annotations: str | None) -> None:
        """Set annotations of Firedrill, such as run_at."""
        named = {f"firedrill.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.hub.merge(self.path, {"metadata": {"annotations": named}})

    def delete(self) -> None:
        """Ask for its deletion."""
        self.hub.delete(self.path)

    # -- what is seen of it ----------------------------------------------------------------------------------------

    def read(self) -> Object | None:
        """The resource, or None."""
        return self.hub.find(self.path)

    @property
    def status(self) -> Object:
        """Its status; empty without one."""
        found = self.read()
        return dict((found or {}).get("status") or {})

    def condition(self, name: str) -> tuple[str, str]:
        """Status and reason of a condition; empty where it is not set."""
        found: Object = next((c for c in self.status.get("conditions") or () if c["type"] == name), {})
        return found.get("status", ""), found.get("reason", "")

    @property
    def finalized(self) -> bool:
        """Whether our finalizer holds it."""
        found = self.read()
        return found is not None and FINALIZER in (found["metadata"].get("finalizers") or ())

    def runs(self) -> list[str]:
        """Ids of ended runs, newest first."""
        return [entry["id"] for entry in self.status.get("history") or ()]

    def events(self) -> list[tuple[str, str]]:
        """Type and reason of the Events on it, in their order."""
        namespace = self.body["metadata"]["namespace"]
        found = [
            event
            for event in self.hub.items(paths.path("events.k8s.io/v1", "events", namespace))
            if event["regarding"].get("uid") == self.uid
        ]
        found.sort(key=lambda event: event["eventTime"])
        return [(event["type"], event["reason"]) for event in found]

    def objects(self, target: Cluster, namespace: str, collection: str, role: str) -> list[Object]:
        """Objects of one role that it has in a target, of this resource alone."""
        api, plural = ("batch/v1", "jobs") if collection == "jobs" else ("v1", "configmaps")
        found = target.items(paths.path(api, plural, namespace), f"{LABEL_MANAGED}=true,{LABEL_ROLE}={role}")
        of_name = [o for o in found if (o["metadata"].get("annotations") or {}).get(ANNOTATION_RESOURCE) == self.key]
        return [o for o in of_name if not self.uid or o["metadata"]["labels"][LABEL_UID] == self.uid]

    # -- waiting ---------------------------------------------------------------------------------------------------

    def until(self, look: Callable[["Subject"], Any], what: str, *, within: float = PATIENCE) -> Any:
        """Wait until something is so of it."""
        return eventually(
            lambda: look(self), f"{self.key}: {what}", within=within, also=lambda: f"{self.read()}\n{self.also()}"
        )

    def until_run(self, number: int = 1, *, within: float = PATIENCE) -> Object:
        """Wait until so many runs have ended, and none goes on; its status."""

        def ended(subject: "Subject") -> Object | None:
            status = subject.status
            run = status.get("lastRun") or {}
            return status if len(status.get("history") or ()) >= number and run.get("finishedAt") else None

        return dict(self.until(ended, f"{number} run(s) ended", within=within))

    def until_condition(self, name: str, status: str, *, within: float = PATIENCE) -> None:
        """Wait for a condition, as `kubectl wait` does."""
        self.until(lambda s: s.condition(name)[0] == status, f"{name} is {status}", within=within)

    def until_gone(self, *, within: float = PATIENCE) -> None:
        """Wait until it is deleted."""
        self.until(lambda s: s.read() is None, "it is gone", within=within)


def moment(text: str) -> datetime:
    """A time of the API."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
