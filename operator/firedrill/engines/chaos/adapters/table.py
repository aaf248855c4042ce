"""All other operators whose objects are faults."""

from collections.abc import Mapping
from typing import Final

from firedrill.api.faults.about import FaultModel
from firedrill.api.faults.operators import ChaosMesh, Litmus
from firedrill.engines.chaos.adapters.litmus import LITMUS
from firedrill.engines.chaos.adapters.mesh import MESH
from firedrill.engines.chaos.adapters.view import Adapter

#: By the name that a record has for it.
ADAPTERS: Final[Mapping[str, Adapter]] = {adapter.name: adapter for adapter in (MESH, LITMUS)}
_OF_FAULT: Final[Mapping[type[FaultModel], Adapter]] = {ChaosMesh: MESH, Litmus: LITMUS}


def adapter_of(fault: FaultModel) -> Adapter:
    """The one that carries out a fault."""
    return _OF_FAULT[type(fault)]
