"""Which faults delete an object, and what of it is kept to create it again."""

import copy
from typing import Any, Final

from firedrill.api.faults import config

Object = dict[str, Any]

DELETE_FAULTS: Final = (config.ServiceDelete, config.ConfigMapDelete)
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


def kept(body: Object) -> Object:
    """The object as it can be created again."""
    made = copy.deepcopy({key: value for key, value in body.items() if key != "status"})
    made["metadata"] = {key: value for key, value in made["metadata"].items() if key not in _ITS_OWN}
    return made
