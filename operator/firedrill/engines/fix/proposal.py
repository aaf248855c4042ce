"""The proposal: back to the last healthy revision. Which one, what changes, and the hash that a person approves."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firedrill.engines.fix.finding import PullFailure
from firedrill.engines.fix.views import DeploymentView, RevisionView, Rollout, images_of

#: Differences that a report lists; a template that differs in more is counted.
MAX_DIFFERENCES = 40


@dataclass(frozen=True)
class ImageChange:
    """The image of one container, now and after; empty where the container is not there."""

    container: str
    now: str
    then: str


@dataclass(frozen=True)
class Proposal:
    """A template of the Deployment that takes the place of the failing one."""

    from_revision: int | None
    to_revision: int
    why: str
    images: tuple[ImageChange, ...]
    #: Paths that differ beside images. Values are left out: they may be confidential.
    others: tuple[str, ...]
    original: Mapping[str, Any]
    replacement: Mapping[str, Any]
    hash: str

    @property
    def summary(self) -> str:
        """One sentence for people."""
        changes = [f"{item.container}: {item.now or 'none'} -> {item.then or 'none'}" for item in self.images]
        if self.others:
            changes.append(f"{len(self.others)} more differences ({', '.join(self.others[:3])})")
        return f"back from revision {self.from_revision} to {self.to_revision} ({self.why}): " + "; ".join(changes)

    def to_wire(self) -> dict[str, Any]:
        """For the report; the templates themselves are in the record."""
        return {
            "hash": self.hash,
            "fromRevision": self.from_revision,
            "toRevision": self.to_revision,
            "why": self.why,
            "images": [vars(item) for item in self.images],
            "otherDifferences": list(self.others),
        }


def choose_revision(
    revisions: Sequence[RevisionView], failing: RevisionView | None, images: frozenset[str]
) -> tuple[RevisionView, str] | None:
    """The revision to go back to, and why: the newest with ready pods, else the newest without a failing image.

    A revision with ready pods has proven itself today, so it counts before a newer one that only looks right.
    None where there is neither.
    """
    older = [item for item in revisions if item.revision is not None and item.uid != (failing.uid if failing else "")]
    older.sort(key=lambda item: item.revision or 0, reverse=True)
    choices: tuple[tuple[Callable[[RevisionView], bool], Callable[[RevisionView], str]], ...] = (
        (lambda item: item.ready > 0, lambda item: f"{item.ready} of its pods are ready"),
        (lambda item: not images & set(images_of(item.template).values()), lambda _: "the newest with another image"),
    )
    for fits, why in choices:
        for item in older:
            if fits(item):
                return item, why(item)
    return None


def propose(rollout: Rollout, evidence: Sequence[PullFailure]) -> Proposal | None:
    """The proposal that answers a finding; None where no revision is fit to go back to."""
    failing = rollout.newest
    choice = choose_revision(rollout.revisions, failing, frozenset(item.image for item in evidence))
    if choice is None:
        return None
    revision, why = choice
    original, replacement = rollout.deployment.template, revision.template
    others = [path for path in _differences(original, replacement) if not path.endswith(".image")]
    return Proposal(
        from_revision=failing.revision if failing else None,
        to_revision=revision.revision or 0,
        why=why,
        images=_image_changes(original, replacement),
        others=tuple(others[:MAX_DIFFERENCES]),
        original=original,
        replacement=replacement,
        hash=proposal_hash(rollout.deployment, original, replacement),
    )


def no_revision_message(rollout: Rollout, evidence: Sequence[PullFailure]) -> str:
    """Why there is no proposal, naming the revisions that were looked at."""
    newest = rollout.newest
    others = [item for item in rollout.revisions if newest is None or item.uid != newest.uid]
    looked = ", ".join(f"{item.revision} ({item.ready} ready)" for item in others) or "none"
    images = ", ".join(sorted({item.image for item in evidence}))
    return f"no revision is fit to go back to from {images}; older revisions: {looked}"


def proposal_hash(deployment: DeploymentView, original: Mapping[str, Any], replacement: Mapping[str, Any]) -> str:
    """What an approval names: this Deployment, from this template to that one, and nothing else."""
    return canonical_hash([deployment.namespace, deployment.name, deployment.uid, original, replacement])[:16]


def canonical_hash(value: object) -> str:
    """SHA-256 over JSON with sorted keys: equal values have equal hashes, whatever their order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _image_changes(now: Mapping[str, Any], then: Mapping[str, Any]) -> tuple[ImageChange, ...]:
    before, after = images_of(now), images_of(then)
    return tuple(
        ImageChange(name, before.get(name, ""), after.get(name, ""))
        for name in (*before, *(name for name in after if name not in before))
        if before.get(name) != after.get(name)
    )


def _differences(now: object, then: object, path: str = "") -> Iterator[str]:
    if now == then:
        return
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for key in sorted({*now, *then}):
            yield from _differences(now.get(key), then.get(key), f"{path}.{key}" if path else key)
        return
    left, right = _by_name(now), _by_name(then)
    if left is not None and right is not None:
        for name in (*left, *(name for name in right if name not in left)):
            yield from _differences(left.get(name), right.get(name), f"{path}[{name}]")
        return
    yield path


def _by_name(value: object) -> dict[str, object] | None:
    """Lists of Kubernetes whose items have unique names are compared by name, not by place."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) and "name" in item for item in value):
        return None
    named = {str(item["name"]): item for item in value}
    return named if len(named) == len(value) else None
