"""A measurement with what its outcome means for the verdict."""

from dataclasses import dataclass

from firedrill.api.verdict import Measurement


@dataclass(frozen=True)
class Judged:
    """One measurement; the words are reasons of a verdict where it failed, and where it could not be decided."""

    measurement: Measurement
    failed: str
    undecided: str

    @property
    def sentence(self) -> str:
        """What was measured, against what limit."""
        found = self.measurement
        value = "nothing" if found.value is None else f"{found.value:.3g}{' s' if found.unit == 's' else ''}"
        return f"{found.name} was {value}, limit {found.limit}: {found.detail}"
