"""Results as JUnit XML: a suite for each result, a case for its verdict and one for each measurement."""

import re
from collections.abc import Sequence
from typing import Final

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from firedrill.api.verdict import Measurement, Verdict
from firedrill.report.entry import Entry, shown_limit, shown_value

_DECLARATION: Final = '<?xml version="1.0" encoding="utf-8"?>\n'
#: Characters that XML 1.0 can not hold.
_UNPRINTABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(entries: Sequence[Entry]) -> str:
    """The XML text. Inconclusive counts as an error, so that no pipeline takes it for a pass."""
    xml = JUnitXml("firedrill")
    for entry in entries:
        suite = TestSuite(_clean(entry.title))
        suite.timestamp = entry.result.started_at.isoformat()
        suite.add_testcase(_verdict_case(entry))
        for measurement in entry.result.measurements:
            suite.add_testcase(_measurement_case(entry, measurement))
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    text: bytes = xml.tostring()  # type: ignore[no-untyped-call]
    return _DECLARATION + text.decode() + "\n"


def _verdict_case(entry: Entry) -> TestCase:
    result = entry.result
    case = TestCase("verdict", classname=_clean(entry.title), time=round(entry.seconds, 3))
    message = _clean(f"{result.verdict.value}, {result.reason}: {result.message}")
    if result.verdict is Verdict.FAILED:
        case.result = [Failure(message, result.reason)]
    elif result.verdict is not Verdict.PASSED:
        case.result = [Error(message, result.reason)]
    else:
        case.system_out = message
    return case


def _measurement_case(entry: Entry, measurement: Measurement) -> TestCase:
    case = TestCase(_clean(measurement.name), classname=_clean(entry.title), time=0)
    said = _clean(f"{shown_value(measurement)}, limit {shown_limit(measurement)}; {measurement.detail}")
    if measurement.passed is False:
        case.result = [Failure(said, "LimitNotMet")]
    elif measurement.passed is None:
        case.result = [Skipped(said)]
    else:
        case.system_out = said
    return case


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", text)
