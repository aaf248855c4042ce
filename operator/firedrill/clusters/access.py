"""What one may do in a cluster, as its API server answers it."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from firedrill.clusters import paths

_GROUP: Final = "authorization.k8s.io/v1"
_REVIEWS: Final = paths.path(_GROUP, "selfsubjectaccessreviews")


class Creates(Protocol):
    """A client that can create objects."""

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object in a collection; what the API server made of it."""
        ...


@dataclass(frozen=True)
class Access:
    """One thing to be allowed, in the words of SelfSubjectAccessReview; without a namespace, in all of them."""

    verb: str
    resource: str
    namespace: str = ""
    group: str = ""
    subresource: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} in {self.namespace or 'the cluster'}"

    @property
    def kind(self) -> str:
        """What it is allowed for, such as ``pods/exec`` or ``jobs.batch``."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{resource}.{self.group}" if self.group else resource


async def allowed(client: Creates, need: Access) -> bool:
    """Whether the API server would let this client do it. Raises ClusterError where it does not say."""
    attributes = {name: value for name, value in vars(need).items() if value}
    review = {"apiVersion": _GROUP, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
    answer = await client.create(_REVIEWS, review)
    return bool(answer.get("status", {}).get("allowed"))
