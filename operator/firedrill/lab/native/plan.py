"""What a lab was asked to be when it was started, and what `up` must do to each cluster now."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel

from firedrill.lab import addresses
from firedrill.lab.addresses import Addresses
from firedrill.lab.errors import LabError
from firedrill.lab.native import host
from firedrill.lab.native.layout import Layout
from firedrill.lab.paths import LabPaths


class Plan(BaseModel):
    """Kept in plan.json from before the first change on: how to find all that may exist."""

    addresses: Addresses
    nodes: bool
    binaries: str
    clusters: list[str]

    def layouts(self, paths: LabPaths) -> list[Layout]:
        """The layouts of all its clusters; a cluster keeps its index as long as the lab lives."""
        return [Layout(paths, name, index, self.addresses, self.nodes) for index, name in enumerate(self.clusters)]


class Step(StrEnum):
    """What to do to a cluster."""

    KEEP = "keep"
    START = "start"
    REPLACE = "replace"


def decide(*, alive: bool, came_up: bool) -> Step:
    """A cluster that came up wholly and still lives is kept; whatever else is there is made anew.

    One on programs of an older version is kept too: only a person may throw away what runs in it.
    Starting anew takes seconds. Repairing what a killed `up` left would have to know each half state.
    """
    if alive and came_up:
        return Step.KEEP
    return Step.REPLACE if alive or came_up else Step.START


def load(paths: LabPaths) -> Plan | None:
    """The recorded plan; None when there is none.

    Raises LabError when it cannot be read.
    """
    try:
        return Plan.model_validate_json(paths.plan.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LabError(f"{paths.plan} cannot be read; `firedrill lab down --name {paths.name}` clears it") from error


def save(paths: LabPaths, plan: Plan) -> None:
    """Record it, in one step."""
    paths.root.mkdir(parents=True, exist_ok=True)
    fresh = paths.plan.with_suffix(".tmp")
    fresh.write_text(plan.model_dump_json(indent=2) + "\n", encoding="utf-8")
    fresh.replace(paths.plan)


def merge(known: Plan | None, wanted: Sequence[str], *, paths: LabPaths, nodes: bool, binaries: str) -> Plan:
    """The plan with the wanted clusters added to those that it has.

    Raises LabError when the lab runs in the other mode, or no addresses are free.
    """
    if known is None:
        chosen = addresses.choose(paths.id, host.networks_in_use())
        return Plan(addresses=chosen, nodes=nodes, binaries=binaries, clusters=list(wanted))
    if known.nodes != nodes:
        mode = "with" if known.nodes else "without"
        raise LabError(f"the lab {paths.name!r} runs {mode} nodes: take it down first, or start another with --name")
    added = [name for name in wanted if name not in known.clusters]
    return known.model_copy(update={"clusters": [*known.clusters, *added], "binaries": binaries})
