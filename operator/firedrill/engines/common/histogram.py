"""Histograms of durations that keep three digits at every size, and merge exactly.

Buckets are linear within each power of two (as in HdrHistogram), 256 in each, so that a bucket is at most 0.4 % wide.
Adding two histograms adds their counts: nothing is lost by merging, in whatever order.
"""

import base64
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_BITS: Final = 8
_SUB: Final = 1 << _BITS
#: Microseconds that are told apart at the top: 2**32, more than an hour.
_OCTAVES: Final = 32
BUCKETS: Final = (_OCTAVES - _BITS + 1) * _SUB
UNIT: Final = 1e-6

Counts = NDArray[np.int64]


def bucket_of(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bucket of each duration; what is longer than the top counts as the top. Durations must be finite."""
    units = np.clip(np.floor(seconds / UNIT), 0, 2.0**_OCTAVES - 1).astype(np.int64)
    shift = np.maximum(np.frexp(np.maximum(units, 1).astype(np.float64))[1] - (_BITS + 1), 0)
    return np.asarray((shift << _BITS) + (units >> shift), np.int64)


def lower_edge(bucket: int) -> float:
    """Least duration of a bucket in seconds."""
    if bucket < 2 * _SUB:
        return bucket * UNIT
    shift = (bucket >> _BITS) - 1
    return ((bucket & (_SUB - 1)) + _SUB << shift) * UNIT


def upper_edge(bucket: int) -> float:
    """The duration in seconds below which all of a bucket lie."""
    return lower_edge(bucket + 1)


class Histogram:
    """Counts of durations in batches of time, with those that have none (failed requests) apart."""

    def __init__(self, batches: int) -> None:
        self.counts: Counts = np.zeros((batches, BUCKETS), np.int64)
        self.failed: Counts = np.zeros(batches, np.int64)

    def add(self, batch: NDArray[np.int64], seconds: NDArray[np.float64]) -> None:
        """Count durations, each in its batch; infinite ones are failures."""
        good = np.isfinite(seconds)
        np.add.at(self.counts, (batch[good], bucket_of(seconds[good])), 1)
        self.failed += np.bincount(batch[~good], minlength=len(self.failed))

    def merge(self, other: "Histogram") -> None:
        """Count what the other has counted, too. Both have the same number of batches."""
        self.counts += other.counts
        self.failed += other.failed

    @property
    def size(self) -> int:
        """All that was counted."""
        return int(self.counts.sum() + self.failed.sum())

    @property
    def answered(self) -> int:
        """What has a duration."""
        return int(self.counts.sum())

    def at_rank(self, rank: int) -> int | None:
        """Bucket of the rank-th smallest, from 1; None where that is a failure, which is longer than any."""
        total = np.cumsum(self.counts.sum(axis=0))
        return None if rank > total[-1] else int(np.searchsorted(total, rank))

    def above(self, bucket: int) -> Counts:
        """By batch, how many lie above a bucket (above -1 all do), failures with them."""
        return np.asarray(self.counts[:, bucket + 1 :].sum(axis=1) + self.failed)

    def sizes(self) -> Counts:
        """By batch, how many were counted."""
        return np.asarray(self.counts.sum(axis=1) + self.failed)

    def to_wire(self) -> dict[str, Any]:
        """JSON-ready, with the counts that are not zero alone."""
        batch, bucket = np.nonzero(self.counts)
        cells = np.column_stack([batch, bucket, self.counts[batch, bucket]]).astype("<i8")
        packed = base64.b85encode(zlib.compress(cells.T.tobytes(), 6)).decode()
        return {"batches": len(self.failed), "failed": self.failed.tolist(), "cells": packed}

    @classmethod
    def from_wire(cls, wire: Any) -> "Histogram":
        """Read back. Raises ValueError or KeyError where it is none."""
        made = cls(int(wire["batches"]))
        cells = np.frombuffer(zlib.decompress(base64.b85decode(wire["cells"])), "<i8").reshape(3, -1)
        np.add.at(made.counts, (cells[0], cells[1]), cells[2])
        made.failed += np.array(wire["failed"], np.int64)
        return made
