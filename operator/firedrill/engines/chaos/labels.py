"""Selectors of Kubernetes: whether labels meet one, and how it is said in a query."""

from collections.abc import Mapping
from typing import Any

from firedrill.api.target import PodTarget

Selector = Mapping[str, Any]


def selector_of(target: PodTarget) -> Selector:
    """The labels of a target as an object of Kubernetes has them."""
    made: dict[str, Any] = {}
    if target.match_labels:
        made["matchLabels"] = dict(target.match_labels)
    if target.match_expressions:
        made["matchExpressions"] = [each.to_wire() for each in target.match_expressions]
    return made


def meets(labels: Mapping[str, str], selector: Selector | None) -> bool:
    """Whether labels meet a selector; an empty one selects everything, and none at all nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items() and all(
        _meets(labels, each) for each in selector.get("matchExpressions") or ()
    )


def query(selector: Selector) -> str:
    """The selector as a query of the API; empty where it selects everything."""
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    return ",".join(terms + [_term(each) for each in selector.get("matchExpressions") or ()])


def _meets(labels: Mapping[str, str], expression: Mapping[str, Any]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    return {
        "In": key in labels and labels[key] in values,
        # A label that is not there is not in any list: so the API server reads it too.
        "NotIn": key not in labels or labels[key] not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]


def _term(expression: Mapping[str, Any]) -> str:
    values = ",".join(expression.get("values") or ())
    terms = {
        "In": f"{expression['key']} in ({values})",
        "NotIn": f"{expression['key']} notin ({values})",
        "Exists": expression["key"],
        "DoesNotExist": f"!{expression['key']}",
    }
    return str(terms[expression["operator"]])
