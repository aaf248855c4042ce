"""Which faults delete an object, and what of it is kept to create it again."""

import copy
from typing import Any, Final

from firedrill.api.faults import config, secrets
from firedrill.engines.chaos.faults.secrets import check_secret
from firedrill.engines.chaos.faults.template import NotApplicable

Object = dict[str, Any]

DELETE_FAULTS: Final = (config.ServiceDelete, config.ConfigMapDelete, secrets.SecretDelete)
#: What the API server gives an object, and takes from nobody.
_ITS_OWN: Final = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def check(body: Object) -> None:
    """Raise NotApplicable where creating an object again would not bring everything back."""
    if body.get("kind") == "Secret":
        check_secret(body)
    if body.get("kind") != "Service":
        return
    spec = body["spec"]
    if spec.get("type") == "LoadBalancer":
        raise NotApplicable("its load balancer, and the address of that, would go with it")
    if not spec.get("selector"):
        raise NotApplicable("it has no selector: its endpoints, which somebody wrote by hand, would go with it")


def without_addresses(body: Object) -> Object:
    """A Service as it can be created where its addresses are somebody else's by now."""
    made = copy.deepcopy(body)
    for name in ("clusterIP", "clusterIPs", "healthCheckNodePort"):
        made["spec"].pop(name, None)
    for port in made["spec"].get("ports") or ():
        port.pop("nodePort", None)
    return made


def kept(body: Object) -> Object:
    """The object as it can be created again."""
    made = copy.deepcopy({key: value for key, value in body.items() if key != "status"})
    made["metadata"] = {key: value for key, value in made["metadata"].items() if key not in _ITS_OWN}
    return made
