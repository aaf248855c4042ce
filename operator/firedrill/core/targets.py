"""Which targets a resource means."""

from collections.abc import Mapping

from firedrill.api.run import ClusterSelector
from firedrill.core.observed import TargetView


def matched(selector: ClusterSelector, targets: Mapping[str, TargetView]) -> list[str]:
    """Names of the TargetClusters that the selector matches, sorted.

    With names and labels given, a target must be among the names and carry the labels.
    """
    return sorted(
        name
        for name, view in targets.items()
        if (not selector.names or name in selector.names)
        and all(view.target.labels.get(key) == value for key, value in selector.match_labels.items())
    )


def missing_names(selector: ClusterSelector, targets: Mapping[str, TargetView]) -> list[str]:
    """Names that the selector spells out and that no TargetCluster has."""
    return sorted(set(selector.names) - set(targets))
