"""Industries that come with Firedrill, each in a small and a full size."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from firedrill.api.simulation import Industry, IndustryName, Size
from firedrill.simulation.industries.blueprint import Blueprint
from firedrill.simulation.industries.finance import finance
from firedrill.simulation.industries.healthcare import healthcare
from firedrill.simulation.industries.iot import iot

__all__ = ["Blueprint", "build"]

_INDUSTRIES: Final[Mapping[IndustryName, Callable[[Size, Random], Blueprint]]] = {
    IndustryName.FINANCE: finance,
    IndustryName.HEALTHCARE: healthcare,
    IndustryName.IOT: iot,
}


def build(industry: Industry, seed: int) -> Blueprint:
    """The industry in its size; the same for the same seed."""
    rng = Random(f"{industry.name}/{industry.size}/{seed}")  # noqa: S311 - repeatable on purpose, guards nothing
    return _INDUSTRIES[industry.name](industry.size, rng)
