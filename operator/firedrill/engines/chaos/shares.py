"""The policy's share of pods, held against all that faults hit at the same time."""

from collections.abc import Mapping, Sequence

from firedrill.api.faults.about import Family, Hits
from firedrill.engines.chaos import selection
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.stages import Stage, together
from firedrill.engines.chaos.views import PodView

#: The pods that match, and those of them that are hit, by the stage's name.
Found = Mapping[str, tuple[Sequence[PodView], Sequence[PodView]]]


def check_together(stages: Sequence[Stage], found: Found, max_affected_percent: int) -> Refusal | None:
    """Refuse where stages that may be on at once hit too many of the pods that any one of them matches.

    Stages without an entry in ``found`` are not considered.
    """
    counted = [stage for stage in stages if stage.name in found and _has_share(stage)]
    for names in together(stages):
        group = [stage for stage in counted if stage.name in names]
        hit = {pod.uid for stage in group for pod in found[stage.name][1]}
        for stage in group:
            matching = {pod.uid for pod in found[stage.name][0]}
            most = selection.allowed(len(matching), max_affected_percent)
            if len(hit & matching) > most:
                return Refusal(
                    "NotPermitted",
                    f"{len(hit & matching)} of {len(matching)} pods would be hit at the same time by "
                    f"{', '.join(each.name for each in group)}; policy.maxAffectedPercent, {max_affected_percent}, "
                    f"allows {most}",
                )
    return None


def _has_share(stage: Stage) -> bool:
    about = stage.spec.fault.about
    return not (about.family is Family.CONTROL_PLANE and about.hits is Hits.NAMESPACE)
