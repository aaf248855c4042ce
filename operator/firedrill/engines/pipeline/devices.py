"""Readings of devices: gaps, silence, duplicates, order, clocks."""

import numpy as np
from numpy.typing import NDArray

from firedrill.api.datachecks import DeviceSeriesCheck
from firedrill.api.times import to_unix
from firedrill.engines.pipeline.finding import Finding, Rows, Shown, of_rows
from firedrill.engines.pipeline.keys import any_missing, codes_of
from firedrill.engines.pipeline.subject import Subject

Floats = NDArray[np.float64]
#: Times are compared by the microsecond: floating point seconds of today hold no more.
_MICRO = 1e6


def device_series(check: DeviceSeriesCheck, subject: Subject) -> list[Finding]:
    """One finding for each thing that is asked of the readings. Raises NotTimes."""
    data = subject.data
    devices, times = data.column(check.device), to_unix(data.column(check.time), check.time)
    gone = any_missing([devices, times])
    usable = np.flatnonzero(~gone)
    named = (check.device, check.time)
    names = f"({check.device}, {check.time})"
    found = []
    if len(usable) < data.num_rows:
        found.append(of_rows(f"incomplete readings{names}", data, named, gone, data.num_rows, 0.0, "lack either"))
    device = codes_of([[devices]])[0][usable]
    at = np.rint(times.to_numpy()[usable] * _MICRO).astype(np.int64)
    order = np.lexsort((at, device))
    steps = np.diff(at[order])
    same = device[order][1:] == device[order][:-1]
    count = len(np.unique(device))

    def rows_of(marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        made = np.zeros(data.num_rows, dtype=bool)
        made[usable[marks]] = True
        return made

    def marked(later: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of steps in order, the rows that they end with."""
        marks = np.zeros(len(usable), dtype=bool)
        marks[order[1:][later]] = True
        return rows_of(marks)

    repeated = marked(same & (steps == 0))
    what = f"repeat a time of their device; {count} devices"
    found.append(of_rows(f"duplicates{names}", data, named, repeated, len(usable), check.max_duplicates, what))
    if check.max_gap is not None:
        seconds = check.max_gap.total_seconds()
        forward = same & (steps > 0)
        gaps = forward & (steps > seconds * _MICRO)
        longest = float(steps[same].max(initial=0) / _MICRO)
        what = f"come more than {seconds:g} s after the one before (longest {longest:g} s); {count} devices"
        found.append(
            of_rows(f"gaps{names}", data, named, marked(gaps), int(np.count_nonzero(forward)), check.max_gaps, what)
        )
        trusted = ~_ahead(check, subject, times.to_numpy())[usable]
        found.append(_silence(check, subject, usable[order], device[order], at[order], trusted[order]))
    if check.max_out_of_order is not None:
        late = rows_of(out_of_order(device, at))
        what = f"are older than one above of their device; {count} devices"
        limit = check.max_out_of_order
        found.append(of_rows(f"out of order{names}", data, named, late, len(usable), limit, what))
    if check.received is not None and check.max_clock_skew is not None:
        found.append(_skew(check, subject, times.to_numpy(), gone))
    return found


def _silence(
    check: DeviceSeriesCheck,
    subject: Subject,
    rows: Rows,
    device: NDArray[np.int64],
    at: NDArray[np.int64],
    trusted: NDArray[np.bool_],
) -> Finding:
    """Devices that begin later, or end sooner, than the readings of all devices, by more than the longest gap.

    Rows are in the order of devices and times (microseconds). How far the data goes is told by several devices: one
    clock that is ahead or behind would make all others silent. Rows that are not trusted do not tell it at all.
    """
    assert check.max_gap is not None
    data, limit = subject.data, f"<= {check.max_gaps:g}"
    name = f"silence({check.device}, {check.time})"
    if not trusted.any():
        return Finding(name, None, "ratio", limit, None, f"no row of {data.num_rows} has a value to look at")
    longest = check.max_gap.total_seconds() * _MICRO
    firsts = np.flatnonzero(np.r_[True, device[1:] != device[:-1]])
    lasts = np.r_[firsts[1:], len(device)] - 1
    start, end = _ends(device[trusted], at[trusted])
    before, after = at[firsts] - start, end - at[lasts]
    late, early = before > longest, after > longest
    shown = np.sort(np.where(early, rows[lasts], rows[firsts])[late | early])
    share = len(shown) / len(firsts)
    detail = (
        f"{len(shown)} of {len(firsts)} devices are silent for more than {longest / _MICRO:g} s at an end of the data: "
        f"{np.count_nonzero(late)} at its start, {np.count_nonzero(early)} at its end "
        f"(longest {max(int(before.max()), int(after.max()), 0) / _MICRO:g} s)"
    )
    seen = Shown(data, shown, (check.device, check.time)) if len(shown) else None
    return Finding(name, share, "ratio", limit, share <= check.max_gaps, detail, seen)


def _ends(device: NDArray[np.int64], at: NDArray[np.int64]) -> tuple[int, int]:
    """When a quarter of the devices has begun, and when three quarters have ended; of three or four the second ones."""
    firsts = np.flatnonzero(np.r_[True, device[1:] != device[:-1]])
    lasts = np.r_[firsts[1:], len(device)] - 1
    place = max(-(-len(firsts) // 4) - 1, 1 if len(firsts) > 2 else 0)
    return int(np.sort(at[firsts])[place]), int(np.sort(at[lasts])[-1 - place])


def _ahead(check: DeviceSeriesCheck, subject: Subject, times: Floats) -> NDArray[np.bool_]:
    """Rows whose time is further ahead of their arrival than is allowed; none where that is not asked."""
    if check.received is None or check.max_clock_skew is None:
        return np.zeros(len(times), dtype=bool)
    received = to_unix(subject.data.column(check.received), check.received).to_numpy(zero_copy_only=False)
    # Without an arrival a time is taken as it is: NaN is above nothing.
    return np.asarray(times - received > check.max_clock_skew.total_seconds())


def out_of_order(device: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows whose time is before that of a row above of the same device."""
    if not len(at):
        return np.zeros(0, dtype=bool)
    order = np.argsort(device, kind="stable")
    ranks = np.unique(at, return_inverse=True)[1].astype(np.int64)[order]
    groups = np.unique(device, return_inverse=True)[1].astype(np.int64)[order]
    # Each device starts above all ranks of the one before, so that a running maximum begins anew with it.
    lifted = ranks + groups * (int(ranks.max()) + 1)
    late = np.zeros(len(at), dtype=bool)
    late[order[1:]] = lifted[1:] < np.maximum.accumulate(lifted)[:-1]
    return late


def _skew(check: DeviceSeriesCheck, subject: Subject, times: Floats, gone: NDArray[np.bool_]) -> Finding:
    """How far clocks of devices are ahead of the arrival, in seconds. One that is behind looks like a slow network."""
    data = subject.data
    assert check.received is not None
    assert check.max_clock_skew is not None
    received = to_unix(data.column(check.received), check.received)
    both = ~gone & ~any_missing([received])
    limit = check.max_clock_skew.total_seconds()
    name, shown_limit = f"clock skew({check.device})", f"<= {limit:g}"
    if not both.any():
        return Finding(name, None, "s", shown_limit, None, f"no row of {data.num_rows} has both times")
    ahead = np.where(both, times - received.to_numpy(zero_copy_only=False), -np.inf)
    rows = np.flatnonzero(ahead > limit).astype(np.int64)
    largest = max(float(ahead.max()), 0.0)
    detail = f"{len(rows)} of {np.count_nonzero(both)} rows are further ahead of their arrival"
    shown = Shown(data, rows, (check.device, check.time, check.received)) if len(rows) else None
    return Finding(name, largest, "s", shown_limit, len(rows) == 0, detail, shown)
