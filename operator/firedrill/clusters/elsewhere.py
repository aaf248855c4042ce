"""Where a guardian is better off: not on a node that its run is to cut off."""

from collections.abc import Sequence
from typing import Any, Final

from firedrill.api.target import PodTarget

Object = dict[str, Any]

_WEIGHT: Final = 100
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def away_from(targets: Sequence[PodTarget]) -> Object:
    """The affinity of a pod that prefers nodes without what is aimed at; empty where nobody can tell which these are.

    Of a target by names or by owner only the run itself learns the node: it begins nothing beside its own guardian.
    """
    pods = [_pods(target) for target in targets if target.match_labels or target.match_expressions]
    nodes = [{"weight": _WEIGHT, "preference": each} for target in targets for each in _nodes(target)]
    made: Object = {}
    if pods:
        made["podAntiAffinity"] = {_PREFERRED: pods}
    if nodes:
        made["nodeAffinity"] = {_PREFERRED: nodes}
    return made


def _pods(target: PodTarget) -> Object:
    selector: Object = {}
    if target.match_labels:
        selector["matchLabels"] = dict(target.match_labels)
    if target.match_expressions:
        selector["matchExpressions"] = [each.to_wire() for each in target.match_expressions]
    term = {"topologyKey": "kubernetes.io/hostname", "namespaces": [target.namespace], "labelSelector": selector}
    return {"weight": _WEIGHT, "podAffinityTerm": term}


def _nodes(target: PodTarget) -> list[Object]:
    # A node's name may differ from its label kubernetes.io/hostname.
    by_name = [
        {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": [name]}]} for name in target.nodes
    ]
    # A node that lacks one of the labels is none that is aimed at.
    by_label = [
        {"matchExpressions": [{"key": key, "operator": "NotIn", "values": [value]}]}
        for key, value in sorted(target.node_labels.items())
    ]
    return by_name + by_label
