"""Who asked for a run: a stamp that admission puts on a resource, and that nobody else can make.

The stamp is an annotation. It names the user, and the targets that the user was allowed to choose, over a hash of what
starts runs: the spec and the run-at annotation. It is sealed with a key that admission and the operator share, so one
that was copied, kept over a change, or written by somebody else is none.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from firedrill.api.meta import ANNOTATION_REQUESTED_BY, ANNOTATION_RUN_AT

#: Stands for every target, of today and of tomorrow.
EVERY: Final = "*"
#: The virtual verb on a TargetCluster that a user must have, by the kind that is to run there.
VERBS: Final[Mapping[str, str]] = {"ChaosExperiment": "inject", "AutoFix": "fix"}


@dataclass(frozen=True)
class Requester:
    """A user, and the targets that they may choose."""

    user: str
    clusters: tuple[str, ...]

    def may_use(self, cluster: str) -> bool:
        """Whether admission has seen that the user may choose a target."""
        return EVERY in self.clusters or cluster in self.clusters


def content(raw_spec: Mapping[str, Any], annotations: Mapping[str, str]) -> str:
    """Hash of all that starts a run or says what it does."""
    parts = [raw_spec, annotations.get(ANNOTATION_RUN_AT, "")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def stamp(key: bytes, kind: str, namespace: str, asked: str, user: str, clusters: Sequence[str]) -> str:
    """The annotation for a request with the hash ``asked``."""
    made = {"user": user, "clusters": sorted(clusters)}
    return json.dumps({**made, "seal": _seal(key, kind, namespace, asked, made)}, sort_keys=True)


def requester(
    key: bytes, kind: str, namespace: str, raw_spec: Mapping[str, Any], annotations: Mapping[str, str]
) -> Requester | None:
    """Who asked for what a resource says now; None without a stamp that holds."""
    try:
        told = json.loads(annotations.get(ANNOTATION_REQUESTED_BY, ""))
        made = {"user": str(told["user"]), "clusters": [str(each) for each in told["clusters"]]}
        seal = str(told["seal"])
    except (ValueError, TypeError, KeyError):
        return None
    wanted = _seal(key, kind, namespace, content(raw_spec, annotations), made)
    if not hmac.compare_digest(seal.encode(), wanted.encode()):
        return None
    return Requester(str(made["user"]), tuple(made["clusters"]))


def _seal(key: bytes, kind: str, namespace: str, asked: str, made: Mapping[str, Any]) -> str:
    text = json.dumps([kind, namespace, asked, made], sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
