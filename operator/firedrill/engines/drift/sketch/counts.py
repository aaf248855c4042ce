"""Texts that are read in pieces, counted one by one while they are few, and in groups from then on."""

import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc

from firedrill.engines.drift.ordered import Counts
from firedrill.engines.drift.sketch.room import Room
from firedrill.engines.drift.values import canonical, is_word, number_of

#: Texts that are too many fall into this many groups by a hash of theirs, the same for all pieces and both sides.
GROUPS: Final = 1024


@dataclass(frozen=True)
class Counted:
    """How often each text is there, or, where ``names`` is None, how often one of each group is, and how many of the
    values are numbers and how many are words, which are neither numbers nor a way to say that there is none."""

    names: Mapping[str, int] | None
    groups: Counts | None = None
    numbers: int = 0
    words: int = 0

    @property
    def size(self) -> int:
        """How many values were counted."""
        if self.groups is not None:
            return int(self.groups.sum())
        return sum((self.names or {}).values())

    @property
    def numeric_share(self) -> float:
        """Share of numbers among what is not missing; 1 where all is missing."""
        numbers, words = (self.numbers, self.words) if self.names is None else _numbers_and_words(self.names)
        return numbers / (numbers + words) if numbers + words else 1.0

    @property
    def grouped(self) -> Counts:
        """How often one of each group is there."""
        return self.groups if self.groups is not None else _grouped(self.names or {})


class Counter:
    """Counts texts in any pieces; memory is bounded by the room and by a piece."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._names: dict[str, int] | None = {}
        self._bytes = 0
        self._groups: Counts | None = None
        self._numbers = self._words = 0

    def add(self, texts: Any) -> None:
        """Count the texts of an Arrow array; nulls are passed over."""
        found = pc.value_counts(texts.drop_null())
        pairs = dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True))
        self.add_counted(pairs)

    def add_counted(self, more: Mapping[str, int]) -> None:
        """Count texts that are counted already."""
        if self._names is None or len(more) > self._room.categories:
            self._group(_grouped(more), *_numbers_and_words(more))
            return
        for name, count in more.items():
            if name not in self._names:
                self._bytes += len(name.encode())
            self._names[name] = self._names.get(name, 0) + count
        if len(self._names) > self._room.categories or self._bytes > self._room.name_bytes:
            self._group(np.zeros(GROUPS, dtype=np.int64), 0, 0)

    def add_groups(self, more: Counted) -> None:
        """Count groups that are counted already."""
        if more.groups is not None:
            self._group(more.groups, more.numbers, more.words)

    def result(self) -> Counted:
        """What was counted so far."""
        if self._names is not None:
            return Counted(dict(self._names))
        return Counted(None, self._groups, self._numbers, self._words)

    def _group(self, more: Counts, numbers: int, words: int) -> None:
        if self._groups is None:
            held = self._names or {}
            self._groups, self._names = _grouped(held), None
            self._numbers, self._words = _numbers_and_words(held)
        self._groups = self._groups + more
        self._numbers += numbers
        self._words += words


def merge(parts: Iterable[Counted], room: Room) -> Counted:
    """All of them as one; what comes out does not depend on their order."""
    counter = Counter(room)
    for part in parts:
        if part.groups is not None:
            counter.add_groups(part)
        else:
            counter.add_counted(part.names or {})
    return counter.result()


def _grouped(names: Mapping[str, int]) -> Counts:
    # The other side may hold numbers, of which each is written in one way: "007" has to be where 7 is.
    which = [zlib.crc32(canonical(name).encode()) % GROUPS for name in names]
    counts = np.zeros(GROUPS, dtype=np.int64)
    np.add.at(counts, which, list(names.values()))
    return counts


def _numbers_and_words(names: Mapping[str, int]) -> tuple[int, int]:
    numbers = sum(count for name, count in names.items() if not math.isnan(number_of(name)))
    return numbers, sum(count for name, count in names.items() if is_word(name))
