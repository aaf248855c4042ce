"""Values of flags: the table in Python is that of the program, and what is outside of it is refused with its place."""

import re
from pathlib import Path

import pytest

from firedrill.api.flag import Flag, FlagName
from firedrill.api.flag_ranges import RANGES
from firedrill.api.servicegraph import Graph
from firedrill.simulation.spec_checking import check_spec

NAMES_GO = Path(__file__).resolve().parents[3] / "images" / "simulator" / "internal" / "flags" / "names.go"
GRAPH = Graph.model_validate(
    {"services": [{"name": "gateway", "endpoints": [{"path": "/"}]}], "entries": [{"service": "gateway", "path": "/"}]}
)


def of_the_program() -> dict[str, tuple[float, float]]:
    """Names and ranges as the Go file declares them."""
    text = NAMES_GO.read_text()
    names = dict(re.findall(r'^\t(\w+)\s+= "(\w+)"', text, re.MULTILINE))
    ranges = re.findall(r"^\t(\w+):\s+\{([-\d.e]+), ([-\d.e]+)\},", text, re.MULTILINE)
    return {names[name]: (float(low), float(high)) for name, low, high in ranges}


def test_the_table_is_that_of_the_program() -> None:
    assert {str(name): bounds for name, bounds in RANGES.items()} == of_the_program()


def test_every_flag_has_a_range() -> None:
    assert set(RANGES) == set(FlagName)


@pytest.mark.parametrize("name", [name for name in FlagName if RANGES[name][1] < 1_000_000])
def test_a_value_outside_is_refused_with_its_place(name: FlagName) -> None:
    low, high = RANGES[name]
    inside = [Flag(service="*", name=name, value=value) for value in (low, high)]
    assert all(check_spec(GRAPH, [], [flag], []) == [] for flag in inside)
    outside = Flag(service="*", name=name, value=high + 0.5)
    problem = f"flags[1].value: {name} must be between {low:g} and {high:g}, and is {high + 0.5:g}"
    other = FlagName.SLOW if name is not FlagName.SLOW else FlagName.FAILURE
    first = Flag(service="*", name=other, value=0)
    assert check_spec(GRAPH, [], [first, outside], []) == [problem]
