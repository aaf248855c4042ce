"""What another engine concludes of the experiment that it has carried out for us."""

from dataclasses import dataclass, field
from typing import Any

from firedrill.api.verdict import Measurement, Verdict


@dataclass(frozen=True)
class EngineOutcome:
    """The engine's word, in ours.

    ``verdict`` is None where the engine has nothing against it: then what the probe has seen decides. ``proven`` is
    whether the engine tells that something was done. ``report`` is its journal, as far as it is kept.
    """

    verdict: Verdict | None = None
    reason: str = ""
    message: str = ""
    proven: bool = False
    measurements: tuple[Measurement, ...] = ()
    report: dict[str, Any] = field(default_factory=dict)
