"""What hl7apy lets pass in lines of HL7 version 2: lines that are no segment, segments and types of messages that a
version has not, and times that are none. When it looks for groups, it drops what it finds no place for.

Which fields are times is read from the definitions of hl7apy, for the version of the message.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
#: DTM of 2.8.2, chapter 2.A: in the form of any version, so that no older one is wronged by a newer one's rule.
_TIME: Final = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,4})?)?)?)?)?)?"
    r"(?:[+-](?:0\d|1[0-4])[0-5]\d)?",
    re.ASCII,
)
_TIMES: Final = frozenset({"TS", "DTM", "DT"})
#: hl7apy has tables of events and types from this version on; those before it had fewer.
_FIRST_TABLES: Final = "2.3.1"
#: A value that is to be deleted, which any field may hold.
_DELETED: Final = '""'

#: Where times are in a field: component and subcomponent, from 0.
Places = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Marks:
    """Characters that separate the parts of a message, as its header says."""

    field: str
    component: str
    repetition: str
    subcomponent: str


def wrong_lines(text: str, version: str) -> str:
    """Why lines of a message are wrong, by their numbers (from 1) and fields; empty where none is.

    Lines are separated by carriage returns; the first one is an MSH that hl7apy has parsed.
    """
    marks = Marks(text[3], text[4:5], text[5:6], text[7:8])
    for number, line in enumerate(text.split("\r"), 1):
        if not line:
            continue
        parts = line.strip().split(marks.field)
        name = parts[0]
        if not _SEGMENT.fullmatch(name):
            return f"line {number} is no segment"
        if name.startswith("Z"):
            continue
        if name not in _definitions("segments", version):
            return f"line {number} is a segment that version {version} does not have"
        # The separator itself is the first field of MSH.
        fields = [marks.field, *parts[1:]] if name == "MSH" else parts[1:]
        for position, places in _times(name, version, _observed(name, fields)).items():
            if position <= len(fields) and not _are_times(fields[position - 1], places, marks):
                return f"{name}-{position} is not a time"
    return ""


def wrong_type(kind: str, version: str) -> str:
    """Why a type such as ADT^A01 is none of a version; empty where it is one, or one of a site (Z)."""
    name, _, event = kind.partition("^")
    if name.startswith("Z"):
        return ""
    types, events = _known(version)
    if name not in types:
        return f"MSH-9 is no type of version {version}"
    pattern = f"{name}_{event[:1]}nn"
    if event and not event.startswith("Z") and event not in events and pattern not in _definitions("messages", version):
        return f"MSH-9 is no event of version {version}"
    return ""


def misplaced(text: str, placed: Iterable[str]) -> str:
    """Which segment of a message has no place in its structure, from the names of those that have; segments of a site
    (Z) have none. Empty where all have."""
    there = Counter(line.strip()[:3] for line in text.split("\r") if line and not line.strip().startswith("Z"))
    left = there - Counter(placed)
    return f"segment {min(left)} has no place in the structure" if left else ""


def is_time(text: str) -> bool:
    """Whether a text is a date or time of HL7, to any precision, that there is."""
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day = match.groups()
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return False
    return True


def _are_times(field: str, places: Places, marks: Marks) -> bool:
    if not field:
        return True
    for repetition in field.split(marks.repetition) if marks.repetition else [field]:
        components = repetition.split(marks.component) if marks.component else [repetition]
        for component, sub in places:
            parts = components[component : component + 1]
            if parts and marks.subcomponent:
                parts = parts[0].split(marks.subcomponent)[sub : sub + 1]
            value = parts[0].strip() if parts else ""
            if value and value != _DELETED and not is_time(value):
                return False
    return True


def _observed(name: str, fields: list[str]) -> str:
    """The data type of an observation's value, which the segment says itself in its second field."""
    return fields[1].strip() if name == "OBX" and len(fields) > 1 else ""


@cache
def _times(name: str, version: str, observed: str) -> Mapping[int, Places]:
    """Fields of a segment that hold times, by their numbers from 1."""
    found: dict[int, Places] = {}
    for field, definition, *_ in _definitions("segments", version)[name][1]:
        places = ((0, 0),) if definition[2] == "varies" and observed in _TIMES else tuple(_within(definition))
        if places:
            found[int(field.rpartition("_")[2])] = places
    return MappingProxyType(found)


def _within(definition: Any, component: int = 0, deep: bool = False) -> Iterator[tuple[int, int]]:
    """Places of times in a definition of hl7apy: its kind, its children, its data type, and what it is for."""
    if definition[2] in _TIMES:
        yield component, 0
    elif definition[0] == "sequence":
        for at, (_name, child, *_rest) in enumerate(definition[1]):
            if not deep:
                yield from _within(child, at, deep=True)
            elif child[2] in _TIMES:
                yield component, at


@cache
def _known(version: str) -> tuple[frozenset[str], frozenset[str]]:
    """Types of messages and events of a version."""
    tables = _definitions("tables", version) or _definitions("tables", _FIRST_TABLES)
    pairs = [name.split("_") for name in _definitions("messages", version)]
    types = {*tables["HL70076"][1], *(pair[0] for pair in pairs)}
    events = {*tables["HL70003"][1], *(pair[1] for pair in pairs if len(pair) > 1)}
    return frozenset(types), frozenset(events)


@cache
def _definitions(what: str, version: str) -> Mapping[str, Any]:
    """Segments, messages or tables of a version by name; none of tables before there are any."""
    name = f"hl7apy.v{version.replace('.', '_')}.{what}"
    try:
        found: Mapping[str, Any] = getattr(import_module(name), what.upper())
    except ModuleNotFoundError:
        return {}
    return found
